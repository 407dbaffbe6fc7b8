# SPDX-License-Identifier: GPL-2.0-or-later
"""How long from the start of an agent until a client has its first answer.

The address changes sides every round, between two nodes and without a cluster manager: stop there,
start here. The clock runs from the exec of the start until the client's kernel has an echo's answer
(its time stamp of arrival), so announcement and neighbour resolution are in it. The client asks all
the while, through its kernel, and begins in one of two states, the same for every peer:

TAKEOVER  it knows the address by the previous owner's MAC, as whoever talked to it does. With a
          virtual MAC the MAC is right and the switch's forwarding table is wrong, likewise.
UNKNOWN   it has no entry and is waiting for a resolution in vain. Its kernel asks again after a
          second only, so the answer within milliseconds has to come from the announcement.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from bench.context import Context
from bench.measure import Runner
from bench.model import Outcome, Series, Target
from bench.peers import Agent, buoy, ipaddr2
from bench.stats import median
from bench.stopwatch import INTERVAL_MS, Answer, Stopwatch
from lab.cluster import Cluster
from lab.commands import ip
from lab.switch import CLIENT

NODES = ("n1", "n2")
TAKEOVER = "client knows the previous owner"
UNKNOWN = "client waits for a neighbour entry"
SCENARIOS = (TAKEOVER, UNKNOWN)
# How the targets' lines say it.
DETAIL = {TAKEOVER: "", UNKNOWN: ", no entry"}


@dataclass(frozen=True)
class Variant:
    """One way of having an address; the limit is that of its median, if one was promised."""

    label: str
    agent: Agent
    limit_ms: float | None = None


VARIANTS = (
    Variant("Buoy", buoy("10.77.0.50"), 5.0),
    Variant("Buoy, virtual MAC", buoy("10.77.0.51", mac="auto"), 15.0),
    Variant("Buoy, IPv6", buoy("2001:db8:77::50")),
    Variant("IPaddr2", ipaddr2("10.77.0.52")),
)


class Address:
    """One variant's address on its way from node to node."""

    def __init__(self, cluster: Cluster, variant: Variant, stack: ExitStack) -> None:
        self.variant = variant
        self.samples_ms: dict[str, list[float]] = {scenario: [] for scenario in SCENARIOS}
        self.coarsest_ms = 0.0
        self._ip = variant.agent.parameters["ip"]
        self._client = cluster.switch.netns_of(CLIENT)
        # Runners of its own, since a start may wait for duplicate detection long after the answer.
        self._runners = [stack.enter_context(Runner(cluster, node)) for node in NODES]
        self._owner = 0
        self._pending: tuple[str, Answer] | None = None
        self._runners[0].call(variant.agent, "start")

    def change_sides(self, watch: Stopwatch, scenario: str) -> None:
        """Stop where it is and start on the other node, with the client asking."""
        self.settle()
        self._runners[self._owner].call(self.variant.agent, "stop")
        if scenario == UNKNOWN:
            ip("neighbor", "flush", "to", self._ip, netns=self._client)
        watch.begin(self._ip)
        self._owner = 1 - self._owner
        self._runners[self._owner].begin(self.variant.agent, "start")
        self._pending = (scenario, watch.end())
        # IPv6 waits for a second and more, idly, which is not time that has to be wasted. Others
        # are waited for: what still runs would disturb the next one's measurement.
        if ":" not in self._ip:
            self.settle()

    def warm_up(self, watch: Stopwatch) -> None:
        """Once there and back without counting it: then everybody has talked to everybody."""
        for _ in NODES:
            self.change_sides(watch, TAKEOVER)
        self.settle()
        for samples_ms in self.samples_ms.values():
            samples_ms.clear()

    def settle(self) -> None:
        """Wait for the last start to end, and take down the sample."""
        if self._pending:
            scenario, answer = self._pending
            self._pending = None
            started = self._runners[self._owner].end()
            self.samples_ms[scenario].append((answer.at_ns - started.began_ns) / 1e6)
            self.coarsest_ms = max(self.coarsest_ms, answer.longest_interval_ms)

    def stop(self) -> None:
        """At the end of it all."""
        self.settle()
        self._runners[self._owner].call(self.variant.agent, "stop")


def _outcome(addresses: list[Address]) -> Outcome:
    outcome = Outcome()
    for address in addresses:
        variant = address.variant
        for scenario, samples_ms in address.samples_ms.items():
            name = f"start to first answer; {scenario}"
            outcome.series.append(Series("first-answer", name, variant.label, "ms", samples_ms, gap=True))
            if variant.limit_ms is not None:
                what = f"start to first answer, {variant.label}{DETAIL[scenario]}, median"
                basis = f"{len(samples_ms)} starts"
                outcome.targets.append(
                    Target(what, median(samples_ms), variant.limit_ms, "ms", basis)
                )
    coarsest_ms = max(address.coarsest_ms for address in addresses)
    outcome.notes.append(
        f"The client asked every {INTERVAL_MS:g} ms; its longest pause was {coarsest_ms:.1f} ms."
    )
    return outcome


def run(context: Context) -> Outcome:
    """All variants in turn, round by round, in one scenario after the other."""
    with ExitStack() as stack:
        cluster = stack.enter_context(context.lab())
        watch = stack.enter_context(Stopwatch(cluster))
        addresses = [Address(cluster, variant, stack) for variant in VARIANTS]
        for address in addresses:
            address.warm_up(watch)
        for scenario in SCENARIOS:
            for number in range(context.rounds):
                context.progress(f"{scenario} {number + 1}/{context.rounds}")
                for address in addresses:
                    address.change_sides(watch, scenario)
        for address in addresses:
            address.stop()
        return _outcome(addresses)
