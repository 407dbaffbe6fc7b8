# SPDX-License-Identifier: GPL-2.0-or-later
"""The gap a client sees when Pacemaker moves an address from one node to another on request."""

from __future__ import annotations

from bench.context import Context
from bench.model import Outcome, Series, Target
from bench.peers import buoy, ipaddr2
from bench.resources import Resource, not_the_dc
from bench.stats import median
from lab.client import Client
from lab.cluster import Cluster
from lab.errors import LabError
from lab.probe import Report, now_ms

INTERVAL_MS = 1.0
PLANNED = "planned handover (Pacemaker: move; keepalived: stop)"
SHARE_OF_IPADDR2 = 0.5
RESOURCES = (
    Resource("Buoy", "buoy", buoy("10.77.0.50")),
    Resource("Buoy, virtual MAC", "buoy-mac", buoy("10.77.0.51", mac="auto")),
    Resource("IPaddr2", "ipaddr2", ipaddr2("10.77.0.52")),
)


def closed_gap_ms(report: Report, since_ms: float) -> float:
    """The longest gap since then; 0 when every request was answered."""
    length_ms = report.since(since_ms).longest_gap_ms()
    if length_ms == float("inf"):
        answered = (request.sent_ms for request in report.requests if report.answered(request))
        last_ms = max(answered, default=since_ms)
        after_ms = last_ms - since_ms
        raise LabError(f"an address stopped answering {after_ms:.0f} ms after it began and never came back")
    return length_ms


def measure(cluster: Cluster, resource: Resource, target: str) -> float:
    """Move one resource to a node, with the client asking all the while."""
    with Client(cluster).probe(resource.address, INTERVAL_MS) as probe:
        probe.wait_answer(resource.home(cluster))
        began_ms = now_ms()
        resource.order_move(cluster, target)
        probe.wait_answer(target)
        cluster.wait_running(resource.name, target)
        report = probe.stop()
    twice = len(report.since(began_ms).answered_twice())
    if twice:
        raise LabError(f"{twice} requests for {resource.address} were answered by two nodes")
    return closed_gap_ms(report, began_ms)


def _rounds(context: Context, cluster: Cluster) -> dict[str, list[float]]:
    first = not_the_dc(cluster)
    nodes = (first, not_the_dc(cluster, first))
    for resource in RESOURCES:
        resource.create(cluster, nodes[0])
    gaps_ms: dict[str, list[float]] = {resource.label: [] for resource in RESOURCES}
    for number in range(context.rounds):
        context.progress(f"{number + 1}/{context.rounds}")
        target = nodes[(number + 1) % 2]
        for resource in RESOURCES:
            gaps_ms[resource.label].append(measure(cluster, resource, target))
            resource.forget_move(cluster, target)
    return gaps_ms


def run(context: Context) -> Outcome:
    """All resources at once in one cluster, moved in turn between the two nodes without the DC."""
    with context.lab() as cluster:
        gaps_ms = _rounds(context, cluster)
    # The promise is relative, hence a bound that comes from the same run.
    bound_ms = SHARE_OF_IPADDR2 * median(gaps_ms["IPaddr2"])
    targets = [
        Target(f"planned move, {label}, median", median(gaps_ms[label]), bound_ms, "ms",
               f"{context.rounds} moves each; half of IPaddr2's median")
        for label in ("Buoy", "Buoy, virtual MAC")
    ]  # fmt: skip
    series = [Series("move", PLANNED, label, "ms", gaps, gap=True) for label, gaps in gaps_ms.items()]
    return Outcome(series, targets)
