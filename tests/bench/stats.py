# SPDX-License-Identifier: GPL-2.0-or-later
"""The few figures that a list of samples is summed up by.

Medians and worst cases, no means and no deviations: gaps have long tails, and a mean would mostly
tell how many of them this run happened to catch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from bench.model import Series


def quantile(samples: Sequence[float], share: float) -> float:
    """The value below which a share of the samples lies, interpolated between neighbours."""
    if not samples:
        raise ValueError("no samples")
    if not 0 <= share <= 1:
        raise ValueError(f"{share} is no share")
    ordered = sorted(samples)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median(samples: Sequence[float]) -> float:
    """The middle value."""
    return quantile(samples, 0.5)


@dataclass(frozen=True)
class Summary:
    """What the table and the picture show of a series."""

    count: int
    best: float
    median: float
    p95: float
    worst: float
    total: float


def summarise(samples: Sequence[float]) -> Summary:
    """All the figures of a series; at least one sample is needed."""
    return Summary(
        count=len(samples),
        best=min(samples, default=float("nan")),
        median=median(samples),
        p95=quantile(samples, 0.95),
        worst=max(samples),
        total=sum(samples),
    )


def ratio(part: float, whole: float) -> float:
    """part / whole; infinite when there is nothing to compare with."""
    return part / whole if whole else float("inf")


def by_scenario(series: Sequence[Series]) -> list[tuple[str, list[Series]]]:
    """Series of one scenario together, in the order in which the scenarios first come up."""
    groups: dict[str, list[Series]] = {}
    for one in series:
        groups.setdefault(one.scenario, []).append(one)
    return list(groups.items())
