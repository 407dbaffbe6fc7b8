# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bench hands back: named samples, and the targets they are held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

from bench.context import Context

BUOY = "Buoy"
IPADDR2 = "IPaddr2"
KEEPALIVED = "keepalived"


@dataclass(frozen=True)
class Series:
    """Samples of one quantity, of one peer, in one situation; all of them, in the order taken."""

    bench: str
    scenario: str
    peer: str
    unit: str
    samples: list[float]
    # Whether the samples are stretches of time in which a client had no answer: these are drawn.
    gap: bool = False
    note: str = ""


@dataclass(frozen=True)
class Target:
    """A figure with a bound that was promised for it."""

    what: str
    value: float
    bound: float
    unit: str
    basis: str

    @property
    def met(self) -> bool:
        """Whether the bound holds. Every target so far is an upper bound."""
        return self.value <= self.bound


@dataclass
class Outcome:
    """All that one bench found."""

    series: list[Series] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Append another bench's findings."""
        self.series += other.series
        self.targets += other.targets
        self.notes += other.notes


@dataclass(frozen=True)
class Bench:
    """One entry of the registry. `lab` is the kind of lab that it gets when it asks."""

    name: str
    summary: str
    lab: str
    rounds: int
    run: Callable[[Context], Outcome]
