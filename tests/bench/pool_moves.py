# SPDX-License-Identifier: GPL-2.0-or-later
"""The gap that a client sees when addresses of a pool move on request, one, a hundred or a thousand at once."""

from __future__ import annotations

from bench import keepalived
from bench.context import Context
from bench.gaps import Look, Tally
from bench.model import BUOY, Outcome, Series, Target
from bench.pools import HOME, SIZES, TARGET, THIRD, gather, pool_of
from bench.stats import median
from lab.cluster import Cluster
from lab.errors import LabError
from lab.pool import Pool
from lab.sweep import Holders, Sweep

LIMITS_MS = {1: 3.0, 100: 10.0, 1000: 60.0}
ADVERT_S = 0.01


def scenario(count: int, macs: bool) -> str:
    """The heading of a table."""
    what = "1 address" if count == 1 else f"{count} addresses"
    if macs:
        what += f" with {'a virtual MAC' if count == 1 else 'virtual MACs'}"
    return f"planned move of {what} (Buoy: {'move' if count == 1 else 'drain'}; keepalived: stop)"


def _move(pool: Pool, tally: Tally, look: Look, source: str, target: str) -> None:
    """All addresses from one node to another; the third node is drained, so that they stay together."""

    def act(sweep: Sweep, held: Holders) -> str:
        if set(held.values()) != {source}:
            raise LabError(f"the pool is not all on {source}")
        if len(pool.addresses) == 1:
            pool.buoy(target, "move", pool.addresses[0], target)
        else:
            pool.buoy(target, "drain", source)
        return source

    tally.measure(pool.cluster, look, act)
    if len(pool.addresses) > 1:
        pool.buoy(target, "undrain", source)
    pool.wait_settled(balanced=False)


def _buoy(context: Context, cluster: Cluster, count: int, macs: bool) -> Tally:
    tally = Tally()
    with pool_of(cluster, count, *(["mac=auto"] if macs else [])) as pool:
        gather(cluster, pool, HOME)
        pool.buoy(HOME, "drain", THIRD)
        for number in range(2 * context.rounds if count < SIZES[-1] else context.rounds):
            context.progress(f"Buoy, {count}: {number + 1}")
            source, target = (HOME, TARGET) if number % 2 == 0 else (TARGET, HOME)
            _move(pool, tally, Look.at(count), source, target)
        pool.buoy(HOME, "undrain", THIRD)
    return tally


def run(context: Context) -> Outcome:
    """Buoy in a whole cluster, keepalived on nodes that run nothing else."""
    return _compare(context, "pool-move", macs=False)


def run_macs(context: Context) -> Outcome:
    """The same with virtual MACs: one for each address with Buoy, one for all of them with keepalived."""
    return _compare(context, "pool-macs", macs=True)


def _compare(context: Context, bench: str, macs: bool) -> Outcome:
    outcome = Outcome()
    ours: dict[int, Tally] = {}
    with context.lab() as cluster:
        for count in SIZES:
            ours[count] = _buoy(context, cluster, count, macs)
    for count in SIZES:
        title = scenario(count, macs)
        with context.lab("plain") as cluster:
            theirs = keepalived.many(context, cluster, count, ADVERT_S, "stop", context.rounds, title, macs)
        gaps_ms = ours[count].gaps_ms
        outcome.series.append(Series(bench, title, BUOY, "ms", gaps_ms, gap=True))
        outcome.add(theirs)
        outcome.notes += ours[count].notes(f"{BUOY}, {title}")
        their_ms = median(theirs.series[0].samples)
        what = f"planned move of {count}{' with virtual MACs' if macs else ''}, Buoy, median"
        basis = f"{len(gaps_ms)} gaps"
        outcome.targets += [
            Target(what, median(gaps_ms), LIMITS_MS[count], "ms", basis),
            Target(what, median(gaps_ms), their_ms, "ms", f"{basis}; keepalived's median"),
        ]
    return outcome
