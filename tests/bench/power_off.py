# SPDX-License-Identifier: GPL-2.0-or-later
"""The gap a client sees when a node loses its power and the cluster fences it."""

from __future__ import annotations

from bench.context import Context
from bench.model import Outcome, Series
from bench.moves import closed_gap_ms
from bench.peers import buoy, ipaddr2
from bench.resources import Resource, not_the_dc, wait_idle
from lab.client import Client
from lab.cluster import Cluster
from lab.probe import now_ms

INTERVAL_MS = 2.0
LOSS = "power-off (Pacemaker: fenced; keepalived: nothing is)"
RESOURCES = (
    Resource("Buoy", "buoy", buoy("10.77.0.50")),
    Resource("IPaddr2", "ipaddr2", ipaddr2("10.77.0.52")),
)


def measure(cluster: Cluster, resource: Resource) -> float:
    """Cut the power of the node that has the resource; back to a whole cluster before returning.

    Never the controller's: losing that costs an election on top, whoever's the address is. And the
    resource is alone on its node, so that its recovery does not wait for another's.
    """
    victim = not_the_dc(cluster)
    refuge = cluster.view().dc
    for each in RESOURCES:
        each.move(cluster, victim if each is resource else refuge)
    with Client(cluster).probe(resource.address, INTERVAL_MS) as probe:
        probe.wait_answer(victim)
        began_ms = now_ms()
        cluster.power_off(victim)
        probe.wait_answer()
        report = probe.stop()
    # Fencing has to be over with before the node may come back, or it would be shot again.
    cluster.wait_view(
        f"{victim} to be fenced",
        lambda view: victim in view.offline and victim not in view.unclean and view.settled,
    )
    cluster.power_on(victim)
    cluster.wait_online()
    wait_idle(cluster)
    return closed_gap_ms(report, began_ms)


def run(context: Context) -> Outcome:
    """One power-off after the other, of the peers in turn."""
    cluster = context.cluster
    for resource in RESOURCES:
        resource.create(cluster, not_the_dc(cluster))
    gaps_ms: dict[str, list[float]] = {resource.label: [] for resource in RESOURCES}
    for number in range(context.rounds):
        for resource in RESOURCES:
            context.progress(f"{number + 1}/{context.rounds} {resource.label}")
            gaps_ms[resource.label].append(measure(cluster, resource))
    for resource in RESOURCES:
        resource.remove(cluster)
    return Outcome(
        [Series("power-off", LOSS, label, "ms", gaps, gap=True) for label, gaps in gaps_ms.items()],
        notes=[
            f"Power-off: Corosync's token is {cluster.settings().token_ms} ms, fencing answers at once. "
            "Nearly all of the gap is Corosync's and Pacemaker's, whichever the agent."
        ],
    )
