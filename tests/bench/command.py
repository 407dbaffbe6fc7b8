# SPDX-License-Identifier: GPL-2.0-or-later
"""./lab bench: runs the benches and writes down what they found."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import machine, report, svg
from bench.context import Context
from bench.model import Bench, Outcome
from bench.registry import BENCHES, chosen, names
from lab.build import ROOT
from lab.errors import LabError

DEFAULT_OUTPUT = ROOT / "build" / "bench"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ./lab bench, and the rest of its help."""
    listed = "\n".join(f"  {bench.name:<13} {bench.rounds:>4}  {bench.summary}" for bench in BENCHES)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Measures Buoy against IPaddr2 and keepalived, in labs of its own that go with it.\n"
        "Takes some twenty minutes; the machine should have nothing else to do."
    )
    parser.epilog = (
        f"benches, with their rounds:\n{listed}\n\n"
        "The exit code is 1 when a figure misses what was promised for it."
    )
    parser.add_argument(
        "--only", action="append", choices=names(), default=[], metavar="NAME",
        help="only this bench; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=_positive, default=0, metavar="N", help="this many rounds of each bench"
    )
    parser.add_argument(
        "--long", action="store_true", help="ten minutes for what was promised for ten minutes"
    )
    parser.add_argument(
        "--output", type=Path, default=DEFAULT_OUTPUT, metavar="DIR",
        help="where to write bench.json and the pictures (default: build/bench)",
    )  # fmt: skip


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} rounds measure nothing: 1 or more")
    return value


class Progress:
    """One line on a terminal that says how far a bench is; silent where nobody watches."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = sys.stderr.isatty()
        self.latest = "at the beginning"

    def __call__(self, text: str) -> None:
        self.latest = text
        if self._shown:
            print(f"\r\x1b[K{self._name}: {text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave the line as it was."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _measure(bench: Bench, rounds: int, long: bool) -> Outcome:
    progress = Progress(bench.name)
    try:
        return bench.run(Context(bench.lab, rounds, progress, long))
    except (LabError, subprocess.TimeoutExpired) as problem:
        raise LabError(f"{progress.latest}: {problem}") from problem
    finally:
        progress.clear()


def _all(benches: list[Bench], rounds: int, long: bool, runs: list[dict[str, Any]]) -> Outcome:
    """One after the other. One that fails is told of and does not take the others' figures along."""
    outcome = Outcome()
    for bench in benches:
        run: dict[str, Any] = {"bench": bench.name, "rounds": rounds or bench.rounds}
        run |= {"began": machine.now(), "load_before": machine.load(), "failure": None}
        began = time.monotonic()
        try:
            outcome.add(_measure(bench, run["rounds"], long))
        except LabError as problem:
            run["failure"] = str(problem)
        run |= {"took_s": round(time.monotonic() - began, 1), "load_after": machine.load()}
        runs.append(run)
        ended = f"FAILED: {run['failure']}" if run["failure"] else f"done in {run['took_s']:.0f} s"
        print(f"{bench.name}: {bench.summary}: {ended}", flush=True)
    return outcome


def bench(options: argparse.Namespace) -> int:
    """Run what was asked for and write it down; 1 when a target is missed or a bench failed."""
    facts: dict[str, object] = machine.facts()
    runs: list[dict[str, Any]] = []
    busy = machine.load()[0]
    if busy > machine.cores() / 4:
        print(f"The load on {machine.cores()} cores is {busy:g}: the figures will be noisy.")
    outcome = _all(chosen(options.only), options.rounds, options.long, runs)
    print(report.text(outcome))
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "bench.json").write_text(report.document(outcome, facts, runs))
    print(f"\nWritten: {options.output / 'bench.json'}")
    pictures = {
        "bench.svg": ([one for one in outcome.series if one.gap and one.samples], svg.GAPS),
        "gate.svg": ([one for one in outcome.series if one.bench == "gate" and one.unit == "ns"], svg.FRAMES),
    }
    for name, (drawn, subject) in pictures.items():
        if drawn:
            (options.output / name).write_text(svg.picture(drawn, svg.caption(facts), subject))
            print(f"Written: {options.output / name}")
    whole = not any(run["failure"] for run in runs)
    return 0 if whole and all(target.met for target in outcome.targets) else 1
