# SPDX-License-Identifier: GPL-2.0-or-later
"""bench/core.py: what it makes of Google Benchmark's report."""

from __future__ import annotations

import unittest
from typing import Any

from bench.core import FIGURES, outcome_of
from lab.errors import LabError


def iteration(name: str, time: float, unit: str, **more: Any) -> dict[str, Any]:
    """One repetition as the program reports it."""
    return {"run_name": name, "run_type": "iteration", "real_time": time, "time_unit": unit, **more}


def report(beat_ns: float = 300.0, allocations: float = 0.0) -> dict[str, Any]:
    """A whole report, with an aggregate that is not to be counted."""
    benchmarks = [iteration(FIGURES[0].name, beat_ns, "ns", allocations=allocations)] * 3
    benchmarks += [iteration(figure.name, 2.0, "ms") for figure in FIGURES[1:]]
    benchmarks.append({**iteration(FIGURES[0].name, 9e9, "ns"), "run_type": "aggregate"})
    return {"benchmarks": benchmarks}


class Outcomes(unittest.TestCase):
    """Limits and units."""

    def test_times_come_in_the_limit_s_unit(self) -> None:
        outcome = outcome_of(report())
        self.assertEqual([round(sample, 9) for sample in outcome.series[0].samples], [0.3, 0.3, 0.3])
        self.assertTrue(all(target.met for target in outcome.targets))

    def test_slow_beat_misses(self) -> None:
        missed = [target.what for target in outcome_of(report(beat_ns=2100)).targets if not target.met]
        self.assertEqual(missed, [f"{FIGURES[0].what}, median"])

    def test_one_allocation_misses(self) -> None:
        missed = [target.what for target in outcome_of(report(allocations=1)).targets if not target.met]
        self.assertEqual(missed, ["allocations of all steps for beats"])

    def test_what_could_not_run_is_an_error(self) -> None:
        failed = report()
        failed["benchmarks"][0] = {**failed["benchmarks"][0], "error_occurred": True, "error_message": "not in"}
        with self.assertRaisesRegex(LabError, "not in"):
            outcome_of(failed)
        with self.assertRaisesRegex(LabError, "was not run"):
            outcome_of({"benchmarks": []})


if __name__ == "__main__":
    unittest.main()
