# SPDX-License-Identifier: GPL-2.0-or-later
"""How many of a pool's addresses each node answers for, from one moment to the next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median

from lab.probe import Report

# Shorter states are steps of one change, not worth a line of their own.
SHORTEST_MS = 40.0


@dataclass(frozen=True)
class State:
    """Who answered for how many addresses from a moment on, and for how many nobody did."""

    since_ms: float
    shares: dict[str, int]
    silent: int


def timeline(
    reports: dict[str, Report], start_ms: float, end_ms: float = float("inf"), shortest_ms: float = SHORTEST_MS
) -> list[State]:
    """The states that lasted, as requests sent in a stretch of time were answered; the last one always."""
    events = sorted(
        (request.sent_ms, address, request.hosts[0] if report.answered(request) and request.hosts else "")
        for address, report in reports.items()
        for request in report.since(start_ms, end_ms).requests
    )
    now: dict[str, str] = {}
    states: list[State] = []
    for sent_ms, address, host in events:
        if now.get(address) == host:
            continue
        now[address] = host
        if len(now) < len(reports):
            continue
        shares = Counter(now.values())
        silent = shares.pop("", 0)
        if states and sent_ms - states[-1].since_ms < shortest_ms:
            states.pop()
        state = State(sent_ms, dict(shares), silent)
        if not states or (states[-1].shares, states[-1].silent) != (state.shares, state.silent):
            states.append(state)
    return states


@dataclass(frozen=True)
class Seen:
    """What a client saw of a change: one gap, its longest, for every address that had any."""

    gaps_ms: list[float]
    addresses: int

    def __str__(self) -> str:
        if not self.gaps_ms:
            return "nothing: every request was answered"
        if max(self.gaps_ms) == float("inf"):
            lasting = self.gaps_ms.count(float("inf"))
            return f"{len(self.gaps_ms)} of {self.addresses} silent, {lasting} of them for good"
        middle, longest = median(self.gaps_ms), max(self.gaps_ms)
        return f"{len(self.gaps_ms)} of {self.addresses} silent: median {middle:.0f} ms, longest {longest:.0f} ms"


def seen(reports: dict[str, Report], start_ms: float, end_ms: float = float("inf")) -> Seen:
    """What the client saw in a stretch of time."""
    longest = [report.since(start_ms, end_ms).longest_gap_ms() for report in reports.values()]
    return Seen([gap for gap in longest if gap > 0], len(reports))
