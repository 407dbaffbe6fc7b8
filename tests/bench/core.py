# SPDX-License-Identifier: GPL-2.0-or-later
"""What a step of the ownership core costs: core_bench.cpp, run and held against its limits."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from bench.context import Context
from bench.model import BUOY, Outcome, Series, Target
from bench.stats import median
from lab.build import NORMAL
from lab.errors import LabError

PROGRAM = NORMAL.path / "tests" / "core" / "core_bench"
SHORTEST_S = 0.1


@dataclass(frozen=True)
class Figure:
    """One of the program's benchmarks; the limit is that of its median."""

    name: str
    what: str
    unit: str
    limit: float


FIGURES = (
    Figure("beat_step/16/4096", "step for a beat, 16 nodes, 4096 slots", "us", 2.0),
    Figure("membership_change/32/4096", "step for a membership change, 32 nodes, 4096 slots", "ms", 10.0),
    Figure("placement/32/4096", "placement, 32 members, 4096 slots", "ms", 5.0),
)
BEAT = FIGURES[0]
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def outcome_of(document: dict[str, Any]) -> Outcome:
    """Reads what Google Benchmark printed as JSON."""
    outcome = Outcome()
    ran = [one for one in document["benchmarks"] if one["run_type"] == "iteration"]
    for figure in FIGURES:
        of_it = [one for one in ran if one["run_name"] == figure.name]
        failed = [one["error_message"] for one in of_it if one.get("error_occurred")]
        if failed or not of_it:
            raise LabError(f"core_bench: {figure.name}: {failed[0] if failed else 'was not run'}")
        samples = [one["real_time"] * _SECONDS[one["time_unit"]] / _SECONDS[figure.unit] for one in of_it]
        outcome.series.append(Series("core", figure.what, BUOY, figure.unit, samples))
        basis = f"{len(samples)} runs"
        outcome.targets.append(Target(f"{figure.what}, median", median(samples), figure.limit, figure.unit, basis))
        if figure is BEAT:
            allocations = max(one["allocations"] for one in of_it)
            outcome.targets.append(Target("allocations of all steps for beats", allocations, 0, "", basis))
    return outcome


def run(context: Context) -> Outcome:
    """Needs no lab: one program, one thread."""
    context.progress(f"{context.rounds} runs of {len(FIGURES)} figures")
    names = "|".join(f"^{figure.name}" for figure in FIGURES)
    # fmt: off
    done = subprocess.run(
        [str(PROGRAM), f"--benchmark_filter={names}", f"--benchmark_repetitions={context.rounds}",
         f"--benchmark_min_time={SHORTEST_S}", "--benchmark_format=json"],
        capture_output=True, text=True, check=False)
    # fmt: on
    if done.returncode != 0:
        raise LabError(f"{PROGRAM} failed with {done.returncode}: {done.stderr.strip()}")
    return outcome_of(json.loads(done.stdout))
