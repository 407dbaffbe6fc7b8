# SPDX-License-Identifier: GPL-2.0-or-later
"""What a daemon takes while nothing happens, and whether it keeps calm while the machine is busy."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from typing import Iterator

from bench.context import Context
from bench.machine import cores
from bench.model import BUOY, Outcome, Series, Target
from bench.pools import SIZES, pool_of
from lab.cluster import Cluster
from lab.pool import Pool

IDLE_S = 30.0
BUSY_S, BUSY_LONG_S = 60.0, 600.0
CPU_LIMIT = 1.0
RESIDENT_LIMIT_MIB = 30.0
CONDEMNED = "has not been heard by a majority"
OUT = "this node is out"
LOG = "/var/log/buoy/buoyd.log"


def _cpu_s(cluster: Cluster, pool: Pool, node: str) -> float:
    """User and system time of a daemon, all its threads."""
    stat = cluster.run(node, ["cat", f"/proc/{pool.daemon(node)}/stat"]).stdout
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(cluster: Cluster, pool: Pool, node: str) -> float:
    status = cluster.run(node, ["cat", f"/proc/{pool.daemon(node)}/status"]).stdout
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kib) / 1024


def run(context: Context) -> Outcome:
    """A thousand addresses on three nodes, default beats."""
    with context.lab() as cluster, pool_of(cluster, SIZES[-1], rebalance="auto") as pool:
        pool.wait_settled()
        nodes = cluster.node_names()
        context.progress(f"idle for {IDLE_S:g} s")
        began, before = time.monotonic(), {node: _cpu_s(cluster, pool, node) for node in nodes}
        time.sleep(IDLE_S)
        took_s = time.monotonic() - began
        shares = [100 * (_cpu_s(cluster, pool, node) - before[node]) / took_s for node in nodes]
        sizes = [_resident_mib(cluster, pool, node) for node in nodes]
    basis = f"the most of {len(nodes)} nodes, {SIZES[-1]} addresses, {IDLE_S:g} s"
    return Outcome(
        [Series("pool-idle", "an idle daemon, CPU of a core", BUOY, "%", shares),
         Series("pool-idle", "an idle daemon, resident", BUOY, "MiB", sizes)],
        [Target("idle daemon, CPU of a core", max(shares), CPU_LIMIT, "%", basis),
         Target("idle daemon, resident", max(sizes), RESIDENT_LIMIT_MIB, "MiB", basis)],
    )  # fmt: skip


@contextmanager
def busy() -> Iterator[None]:
    """One loop per core that does nothing but take it."""
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(cores())]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _told(cluster: Cluster, words: str) -> int:
    """How often the daemons' logs say something."""
    counts = [cluster.run(node, ["grep", "-c", words, LOG], check=False) for node in cluster.node_names()]
    return sum(int(done.stdout.strip() or 0) for done in counts)


def run_busy(context: Context) -> Outcome:
    """Nobody is condemned, and nobody is out, while every core is busy with something else."""
    duration_s = BUSY_LONG_S if context.long else BUSY_S
    with context.lab() as cluster, pool_of(cluster, 100, rebalance="auto") as pool:
        pool.wait_settled()
        before = [_told(cluster, words) for words in (CONDEMNED, OUT)]
        context.progress(f"busy for {duration_s:g} s")
        with busy():
            time.sleep(duration_s)
        false = [_told(cluster, words) - known for words, known in zip((CONDEMNED, OUT), before)]
    basis = f"{cores()} busy loops on {cores()} cores for {duration_s:g} s, default lease"
    if not context.long:
        basis += "; --long takes 600 s"
    return Outcome(
        [Series("pool-busy", "false condemnations and outings, in all", BUOY, "", [float(sum(false))])],
        [Target("false condemnations", float(sum(false)), 0.0, "", basis)],
    )  # fmt: skip
