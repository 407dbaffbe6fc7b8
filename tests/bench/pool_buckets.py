# SPDX-License-Identifier: GPL-2.0-or-later
"""What connections to a bucket pool see of a killed daemon, and of half the buckets being moved."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from bench.context import Context
from bench.model import BUOY, Outcome, Series, Target
from bench.pools import HOME, TARGET, THIRD
from bench.stats import median
from lab.cluster import Cluster
from lab.knock import Knock
from lab.pool import Pool
from lab.probe import now_ms
from lab.waiting import wait_until

ADDRESS = "10.77.0.80"
BUCKETS = 256
KILL_LEASE_MS = 200
KILL_LIMIT_MS = 300.0
MOVE_LIMIT_MS = 5.0
KILL = f"kill -9 of a daemon, {BUCKETS} buckets, lease_ms={KILL_LEASE_MS}"
MOVE = f"{BUCKETS // 2} of {BUCKETS} buckets are moved (drain)"


@contextmanager
def _pool(cluster: Cluster, *options: str) -> Iterator[Pool]:
    pool = Pool(cluster, "lb", ADDRESS)
    pool.create(f"buckets={BUCKETS}", *options)
    pool.wait_settled()
    yield pool
    pool.delete()
    cluster.settle()


def _kill(context: Context, cluster: Cluster, pool: Pool) -> Outcome:
    gaps_ms: list[float] = []
    twice = 0
    for number in range(context.rounds):
        context.progress(f"kill -9, {number + 1}/{context.rounds}")
        # Each of 64 connections tries anew every 5 ms.
        with Knock(cluster, [ADDRESS], per_second=12_800, clients=16, ports=4) as knock:
            knock.wait("every connection to be answered")
            began_ms, old = now_ms(), pool.daemon(HOME)
            cluster.run(HOME, ["kill", "-9", str(old)])
            knock.wait("the others to answer", lambda owners: HOME not in owners.values())
            knock.stop()
            gaps_ms += [gap for gap in knock.gaps_ms(began_ms).values() if gap > 0]
            twice += len(knock.answered_twice())
        wait_until("another buoyd", lambda: pool.daemon(HOME) not in (0, old), 30)
        pool.wait_settled()
    outcome = Outcome([Series("pool-kill", KILL, BUOY, "ms", gaps_ms, gap=True)])
    outcome.targets.append(
        Target("kill -9 of a daemon, longest gap", max(gaps_ms), KILL_LIMIT_MS, "ms", f"{len(gaps_ms)} gaps")
    )
    return _told(outcome, twice, KILL)


def _move(context: Context, cluster: Cluster, pool: Pool) -> Outcome:
    gaps_ms: list[float] = []
    twice = 0
    pool.buoy(HOME, "drain", THIRD)
    for number in range(context.rounds):
        context.progress(f"drain of {BUCKETS // 2}, {number + 1}/{context.rounds}")
        wait_until("halves", lambda: _halves(pool))
        # Each of 16 connections tries anew every ms.
        with Knock(cluster, [ADDRESS], per_second=16_000, clients=16, ports=1) as knock:
            before = knock.wait("every connection to be answered")
            began_ms = now_ms()
            pool.buoy(TARGET, "drain", HOME)
            knock.wait("the target to answer all", lambda owners: set(owners.values()) == {TARGET})
            knock.stop()
            seen = knock.gaps_ms(began_ms)
            gaps_ms += [seen.get(key, 0.0) for key, owner in before.items() if owner == HOME]
            twice += len(knock.answered_twice())
        pool.buoy(TARGET, "undrain", HOME)
    pool.buoy(HOME, "undrain", THIRD)
    pool.wait_settled()
    outcome = Outcome([Series("pool-buckets", MOVE, BUOY, "ms", gaps_ms, gap=True)])
    outcome.targets.append(
        Target(f"{BUCKETS // 2} buckets moved, longest gap of a bucket", max(gaps_ms), MOVE_LIMIT_MS, "ms",
               f"{len(gaps_ms)} connections, median {median(gaps_ms):.1f} ms")
    )  # fmt: skip
    return _told(outcome, twice, MOVE)


def _halves(pool: Pool) -> bool:
    standing = pool.standing(HOME)
    return standing is not None and standing.counts() == {HOME: BUCKETS // 2, TARGET: BUCKETS // 2}


def _told(outcome: Outcome, twice: int, what: str) -> Outcome:
    if twice:
        outcome.notes.append(f"{BUOY}, {what}: {twice} connections were answered twice.")
    return outcome


def run(context: Context) -> Outcome:
    """Both in one lab."""
    outcome = Outcome()
    with context.lab() as cluster, _pool(cluster, f"lease_ms={KILL_LEASE_MS}") as pool:
        outcome.add(_kill(context, cluster, pool))
        outcome.add(_move(context, cluster, pool))
    return outcome
