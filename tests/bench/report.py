# SPDX-License-Identifier: GPL-2.0-or-later
"""The findings for a person at a terminal, and for a program as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from bench.model import Outcome, Series, Target
from bench.stats import by_scenario, summarise

FORMAT = 1


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def table(series: list[Series]) -> str:
    """One block per scenario, one line per peer."""
    lines = []
    head = f"{'':<2}{'':<28} {'n':>4} {'best':>9} {'median':>9} {'95 %':>9} {'worst':>9}"
    for scenario, members in by_scenario(series):
        unit = f" [{members[0].unit}]" if members[0].unit else ""
        notes = {one.note for one in members if one.note}
        lines += ["", f"{scenario}{unit}" + "".join(f"; {note}" for note in sorted(notes)), head]
        for one in members:
            if not one.samples:
                lines.append(f"  {one.peer:<28}    0  nothing measured")
                continue
            found = summarise(one.samples)
            cells = (found.best, found.median, found.p95, found.worst)
            lines.append(f"  {one.peer:<28} {found.count:>4} " + " ".join(f"{number(c):>9}" for c in cells))
    return "\n".join(lines)


def verdicts(targets: list[Target]) -> str:
    """Every target with its figure, its bound and whether it is met."""
    if not targets:
        return ""
    width = max(len(target.what) for target in targets)
    lines = ["", "What was promised"]
    for target in targets:
        word = "PASS" if target.met else "MISSED"
        unit = f" {target.unit}" if target.unit else ""
        lines.append(
            f"  {word:<6}  {target.what:<{width}}  {number(target.value):>7}{unit}, "
            f"at most {number(target.bound)}{unit} ({target.basis})"
        )
    missed = sum(not target.met for target in targets)
    lines.append(f"  {len(targets) - missed} of {len(targets)} met")
    return "\n".join(lines)


def text(outcome: Outcome) -> str:
    """All of it, as printed."""
    parts = [table(outcome.series), verdicts(outcome.targets)]
    if outcome.notes:
        parts.append("\n" + "\n".join(f"Note: {note}" for note in outcome.notes))
    return "\n".join(part for part in parts if part)


def document(outcome: Outcome, facts: dict[str, object], runs: list[dict[str, Any]]) -> str:
    """bench.json: every raw sample, and what it takes to judge them."""
    series = [
        {**asdict(one), "summary": asdict(summarise(one.samples)) if one.samples else None}
        for one in outcome.series
    ]
    targets = [{**asdict(one), "met": one.met} for one in outcome.targets]
    content = {"format": FORMAT, **facts, "runs": runs, "targets": targets, "series": series,
               "notes": outcome.notes}  # fmt: skip
    return json.dumps(content, indent=1) + "\n"
