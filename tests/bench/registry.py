# SPDX-License-Identifier: GPL-2.0-or-later
"""All benches. A new one is a module with `run(context) -> Outcome` and a line here."""

from __future__ import annotations

from bench import core, first_answer, gate, keepalived, many, monitor, moves
from bench import pool_buckets, pool_crash, pool_idle, pool_moves, power_off
from bench.model import Bench

# Run, printed and drawn in this order.
BENCHES = (
    Bench("core", "the ownership core: a beat, a membership change, placement", "plain", 10, core.run),
    Bench("gate", "the packet gate by frame, beside IPaddr2's rules", "plain", 9, gate.run),
    Bench("monitor", "CPU, time and processes of a recurring monitor", "plain", 100, monitor.run),
    Bench("many", "the monitors of 500 addresses on one node", "plain", 1, many.run),
    Bench("first-answer", "from a start to a client's first answer", "plain", 50, first_answer.run),
    Bench("move", "the gap of a planned move under Pacemaker", "cluster", 11, moves.run),
    Bench("power-off", "the gap of a power-off with fencing", "cluster", 5, power_off.run),
    Bench("keepalived", "keepalived's gaps: planned stop, power-off", "plain", 11, keepalived.run),
    Bench("pool-move", "planned moves of 1, 100, 1000 addresses of a pool", "cluster", 11, pool_moves.run),
    Bench("pool-macs", "the same with virtual MACs", "cluster", 3, pool_moves.run_macs),
    Bench("pool-crash", "the node of 1, 100, 1000 addresses loses its power", "stock", 3, pool_crash.run),
    Bench("pool-fast", "the same with leases of 25 ms, beside keepalived", "stock", 3, pool_crash.run_fast),
    Bench("pool-buckets", "shared buckets: a daemon is killed, half are moved", "cluster", 5, pool_buckets.run),
    Bench("pool-busy", "no node is condemned while both cores are busy", "stock", 1, pool_idle.run_busy),
    Bench("pool-idle", "what an idle daemon with 1000 addresses takes", "stock", 1, pool_idle.run),
)


def chosen(names: list[str]) -> list[Bench]:
    """Those asked for, in the registry's order; all when none are named."""
    return [bench for bench in BENCHES if not names or bench.name in names]


def names() -> list[str]:
    """What --only takes."""
    return [bench.name for bench in BENCHES]
