# SPDX-License-Identifier: GPL-2.0-or-later
"""The monitors of many address resources on one node."""

from __future__ import annotations

from bench.context import Context
from bench.measure import Runner
from bench.model import BUOY, IPADDR2, Outcome, Series, Target
from bench.peers import buoy, ipaddr2
from lab.commands import ip_batch

NODE = "n1"
ADDRESSES = 500
# IPaddr2 takes half a minute for all of them, so only every so manyth is asked, and scaled up.
IPADDR2_STEP = 20
INTERVAL_MS = 10_000
LIMIT_S = 1.0


def addresses(count: int) -> list[str]:
    """So many addresses outside the lab's networks."""
    return [f"10.79.{number // 250}.{number % 250 + 1}" for number in range(count)]


def run(context: Context) -> Outcome:
    """One monitor of each address; the addresses are put there by one batch, not by the agents."""
    ips = addresses(ADDRESSES)
    cpu_ms: dict[str, list[float]] = {BUOY: [], IPADDR2: []}
    with context.lab() as cluster, Runner(cluster, NODE) as runner:
        netns = cluster.switch.netns_of(NODE)
        ip_batch([f"address add {ip}/24 dev eth0" for ip in ips], netns)
        for index, ip in enumerate(ips * context.rounds):
            context.progress(f"{index + 1}/{len(ips) * context.rounds}")
            cpu_ms[BUOY].append(runner.call(buoy(ip), "monitor", INTERVAL_MS).cpu_ms)
            if index % IPADDR2_STEP == 0:
                cpu_ms[IPADDR2].append(runner.call(ipaddr2(ip), "monitor", INTERVAL_MS).cpu_ms)
    scenario = f"one monitor of {ADDRESSES}, CPU"
    sampled = len(cpu_ms[IPADDR2])
    scaled_s = sum(cpu_ms[IPADDR2]) / 1000 * ADDRESSES / sampled
    buoy_s = sum(cpu_ms[BUOY]) / 1000 / context.rounds
    return Outcome(
        [Series("many", scenario, peer, "ms", samples) for peer, samples in cpu_ms.items()],
        [Target(f"{ADDRESSES} monitors, Buoy, CPU in all", buoy_s, LIMIT_S, "s", "one each")],
        [f"{ADDRESSES} monitors of IPaddr2 would take {scaled_s:.1f} s of CPU "
         f"({sampled} of them measured, scaled up)."],
    )  # fmt: skip
