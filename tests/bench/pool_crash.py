# SPDX-License-Identifier: GPL-2.0-or-later
"""The gap that a client sees when the node of all of a pool's addresses loses its power."""

from __future__ import annotations

from bench import keepalived
from bench.context import Context
from bench.gaps import Look, Tally
from bench.model import BUOY, IPADDR2, Outcome, Series, Target
from bench.moves import closed_gap_ms
from bench.peers import ipaddr2
from bench.pools import HOME, SIZES, gather, pool_of
from bench.resources import Resource
from bench.stats import median
from lab.client import Client
from lab.cluster import Cluster
from lab.pacemaker import View
from lab.pool import Pool
from lab.probe import now_ms
from lab.sweep import Holders, Sweep

ADVERT_S = 0.01
DEFAULT = f"{BUOY}, default lease"
FAST = f"{BUOY}, leases of 25 ms"
FAST_OPTIONS = ("beat_ms=5", "lease_ms=25")
DEFAULT_LIMIT_MS = 700.0
FAST_LIMITS_MS = {1: 40.0, 1000: 120.0}
BESIDE = Resource(IPADDR2, "ipaddr2", ipaddr2("10.77.0.52"))


def scenario(count: int) -> str:
    """The heading of a table."""
    what = "1 address" if count == 1 else f"{count} addresses"
    return f"power-off of the node of {what}, stock Corosync timers"


def _lose(cluster: Cluster, pool: Pool, tally: Tally, look: Look) -> None:
    """Cut the power of the node that has them all, wait until all is answered, and make it whole again."""

    def act(sweep: Sweep, held: Holders) -> str:
        cluster.power_off(HOME)
        return HOME

    gather(cluster, pool, HOME)
    tally.measure(cluster, look, act)
    _restore(cluster, pool)


def _restore(cluster: Cluster, pool: Pool) -> None:
    def fenced(view: View) -> bool:
        return HOME in view.offline and HOME not in view.unclean

    cluster.wait_view(f"{HOME} to be fenced", fenced)
    cluster.power_on(HOME)
    cluster.wait_online()
    pool.wait_settled(balanced=False)


def _crashes(context: Context, cluster: Cluster, count: int, label: str, *options: str) -> Outcome:
    tally = Tally()
    with pool_of(cluster, count, *options) as pool:
        for number in range(context.rounds):
            context.progress(f"{label}, {count}: {number + 1}/{context.rounds}")
            _lose(cluster, pool, tally, Look.at(count))
    series = Series("pool-crash", scenario(count), label, "ms", tally.gaps_ms, gap=True)
    return Outcome([series], notes=tally.notes(f"{label}, {scenario(count)}"))


def _ipaddr2(context: Context, cluster: Cluster) -> Series:
    """The same power-off with IPaddr2, which has to wait for Corosync, Pacemaker and fencing."""
    gaps_ms: list[float] = []
    BESIDE.create(cluster, HOME)
    for number in range(context.rounds):
        context.progress(f"{IPADDR2} {number + 1}/{context.rounds}")
        BESIDE.move(cluster, HOME)
        with Client(cluster).probe(BESIDE.address, 2.0) as probe:
            probe.wait_answer(HOME)
            began_ms = now_ms()
            cluster.power_off(HOME)
            probe.wait_answer()
            gaps_ms.append(closed_gap_ms(probe.stop(), began_ms))
        cluster.power_on(HOME)
        cluster.wait_online()
    cluster.pcs("resource", "delete", BESIDE.name)
    return Series("pool-crash", scenario(1), IPADDR2, "ms", gaps_ms, gap=True)


def run(context: Context) -> Outcome:
    """The default lease, with the timers that Corosync comes with."""
    outcome = Outcome()
    with context.lab() as cluster:
        for count in SIZES:
            outcome.add(_crashes(context, cluster, count, DEFAULT))
            gaps_ms = outcome.series[-1].samples
            outcome.targets.append(
                Target(f"power-off, {count}, default lease, median", median(gaps_ms), DEFAULT_LIMIT_MS, "ms",
                       f"{len(gaps_ms)} gaps, the longest {max(gaps_ms):.0f} ms")
            )  # fmt: skip
        outcome.series.append(_ipaddr2(context, cluster))
    return outcome


def run_fast(context: Context) -> Outcome:
    """The shortest lease that is reasonable, beside the shortest adverts that keepalived has."""
    outcome = Outcome()
    for count, limit_ms in FAST_LIMITS_MS.items():
        # A lease is the daemon's, so all daemons begin anew: in another lab.
        with context.lab() as cluster:
            outcome.add(_crashes(context, cluster, count, FAST, *FAST_OPTIONS))
        gaps_ms = outcome.series[-1].samples
        outcome.targets.append(
            Target(f"power-off, {count}, leases of 25 ms, median", median(gaps_ms), limit_ms, "ms",
                   f"{len(gaps_ms)} gaps, the longest {max(gaps_ms):.0f} ms")
        )  # fmt: skip
        with context.lab("plain") as cluster:
            outcome.add(
                keepalived.many(
                    context, cluster, count, ADVERT_S, "power-off", context.rounds, scenario(count)
                )
            )
    return outcome
