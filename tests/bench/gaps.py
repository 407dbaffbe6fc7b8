# SPDX-License-Identifier: GPL-2.0-or-later
"""The gaps of many addresses that change hands at once.

The client cannot ask a thousand addresses often enough without taking the machine from those it
measures. It asks as many of them, evenly chosen, as it can ask often: the median of a sample is an
estimate of the median of all, while a long interval would be an error in every one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

from bench.moves import closed_gap_ms
from lab.client import Client
from lab.cluster import Cluster
from lab.commands import ip
from lab.pool import expand
from lab.probe import Report, now_ms
from lab.switch import CLIENT
from lab.sweep import Holders, Sweep

FIRST = "10.77.4.1"
PREFIX = 22
NETWORK = f"10.77.4.0/{PREFIX}"
# By how many there are: how many the client asks, and how often, in ms. At most 20,000 requests a s.
ASKED = {1: (1, 0.5), 100: (20, 1.0), 1000: (20, 1.0)}


def addresses(count: int) -> list[str]:
    """So many addresses of a network that the client reaches directly."""
    return expand(span(count))


def span(count: int) -> str:
    """The same as the pool agent takes it."""
    base, _, last = FIRST.rpartition(".")
    number = int(last) + count - 1
    third = int(base.rpartition(".")[2]) + number // 256
    return f"{FIRST}-10.77.{third}.{number % 256}" if count > 1 else FIRST


@dataclass(frozen=True)
class Look:
    """Which addresses the client asks, and how often."""

    addresses: list[str]
    interval_ms: float

    @staticmethod
    def at(count: int) -> Look:
        """At so many addresses."""
        asked, interval_ms = ASKED[count]
        every = addresses(count)
        return Look([every[number * count // asked] for number in range(asked)], interval_ms)


def reach(cluster: Cluster) -> None:
    """Let the client reach the addresses as neighbours."""
    ip("route", "replace", NETWORK, "dev", "eth0", netns=cluster.switch.netns_of(CLIENT))


@dataclass
class Tally:
    """The gaps of one peer in one situation, whether two nodes answered at a time, and how well it was asked."""

    gaps_ms: list[float] = field(default_factory=list)
    overlaps: int = 0
    stalls_ms: list[float] = field(default_factory=list)
    # How long it is looked at after all are answered, for what a node that has gone said last and a switch heeds.
    tail_s: float = 0.0
    # For peers: an address that is silent in the end is counted, and its gap up to there. Ours is a failure.
    forgiving: bool = False
    unclosed: int = 0

    def measure(self, cluster: Cluster, look: Look, act: Callable[[Sweep, Holders], str]) -> None:
        """Have something happen, with the client asking; it returns the node whose addresses went."""
        with Client(cluster).sweep(look.addresses, look.interval_ms) as sweep:
            held = sweep.wait("all addresses to be answered", timeout_s=60)
            began_ms = now_ms()
            victim = act(sweep, held)
            away = lambda now: victim not in now.values()  # noqa: E731
            sweep.wait(f"the addresses of {victim} to be answered", away, timeout_s=60)
            if self.tail_s:
                end_ms = now_ms() + self.tail_s * 1000
                sweep.wait("all addresses to be answered still", lambda _: now_ms() >= end_ms, timeout_s=60)
            reports = sweep.stop()
        self.gaps_ms += [self._gap_ms(report, began_ms) for report in reports.values()]
        self.overlaps += len(sweep.overlaps())
        self.stalls_ms += [length_ms for end_ms, length_ms in sweep.stalls_ms if end_ms > began_ms]

    def _gap_ms(self, report: Report, since_ms: float) -> float:
        *closed, last = report.since(since_ms).gaps() or [None]
        if not self.forgiving or last is None or last.end_ms is not None:
            return closed_gap_ms(report, since_ms)
        self.unclosed += 1
        return max([report.requests[-1].sent_ms - last.start_ms, *(gap.length_ms for gap in closed)])

    def notes(self, who: str) -> list[str]:
        """What has to be known beside the gaps."""
        said = []
        if self.unclosed:
            said.append(f"{who}: {self.unclosed} addresses were silent in the end; their gaps count up to there.")
        if self.overlaps:
            said.append(f"{who}: {self.overlaps} times two nodes answered at a time.")
        if self.stalls_ms:
            longest_ms = max(self.stalls_ms)
            said.append(
                f"{who}: the client itself was held up {len(self.stalls_ms)} times, for {longest_ms:.1f} ms at most."
            )
        return said
