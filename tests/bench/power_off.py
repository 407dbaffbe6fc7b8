# SPDX-License-Identifier: GPL-2.0-or-later
"""The gap a client sees when a node loses its power and the cluster fences it."""

from __future__ import annotations

from bench.context import LABS, Context
from bench.model import Outcome, Series
from bench.moves import closed_gap_ms
from bench.peers import buoy, ipaddr2
from bench.resources import Resource, not_the_dc
from lab.client import Client
from lab.cluster import Cluster
from lab.errors import LabError
from lab.probe import now_ms

INTERVAL_MS = 2.0
LOSS = "power-off (Pacemaker: fenced; keepalived: nothing is)"
RESOURCES = (
    Resource("Buoy", "buoy", buoy("10.77.0.50")),
    Resource("IPaddr2", "ipaddr2", ipaddr2("10.77.0.52")),
)


def measure(cluster: Cluster, resource: Resource) -> float:
    """Cut the power of the node that has the address.

    Never the controller's: losing that costs an election on top, whoever's the address is. The fence
    device is there already, as it starts first.
    """
    victim = not_the_dc(cluster)
    resource.create(cluster, victim)
    with Client(cluster).probe(resource.address, INTERVAL_MS) as probe:
        probe.wait_answer(victim)
        began_ms = now_ms()
        cluster.power_off(victim)
        probe.wait_answer()
        report = probe.stop()
    return closed_gap_ms(report, began_ms)


def run(context: Context) -> Outcome:
    """The peers in turn, each time in a fresh cluster: bringing the lost node back takes as long."""
    outcome = Outcome()
    gaps_ms: dict[str, list[float]] = {resource.label: [] for resource in RESOURCES}
    for number in range(context.rounds):
        for resource in RESOURCES:
            context.progress(f"{number + 1}/{context.rounds} {resource.label}")
            with context.lab() as cluster:
                try:
                    gaps_ms[resource.label].append(measure(cluster, resource))
                except LabError as problem:
                    outcome.notes.append(f"Power-off, {resource.label}: a round without a gap: {problem}.")
    for label, gaps in gaps_ms.items():
        outcome.series.append(Series("power-off", LOSS, label, "ms", gaps, gap=True))
    outcome.notes.append(
        f"Power-off: Corosync's token is {LABS[context.kind].token_ms} ms, fencing answers at once. "
        "Nearly all of the gap is Corosync's and Pacemaker's, whichever the agent."
    )
    return outcome
