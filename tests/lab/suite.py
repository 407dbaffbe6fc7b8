# SPDX-License-Identifier: GPL-2.0-or-later
"""./lab test: every test there is, in the order in which a failure is cheapest to find."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from lab.background import BackgroundBuilds
from lab.build import FUZZING, NORMAL, ROOT, SANITIZED, Flavour
from lab.errors import LabError
from lab.python_tests import LONG
from lab.setup import set_up

# Lines of ctest that say nothing a summary does not say.
_DULL = re.compile(r"\s*(Start\s+\d+:|\d+/\d+ Test\s+#\d+:.*Passed|Test project|Internal ctest)")


@dataclass(frozen=True)
class Counts:
    """What a step came to."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


@dataclass(frozen=True)
class Step:
    """One line of the summary."""

    name: str
    text: str
    run: Callable[[str], Counts]
    # Built in the background before it runs.
    flavour: Flavour | None = None


def prepared(_: str) -> Counts:
    """The step that does what demo and up do first, too."""
    set_up()
    return Counts()


def with_ctest(flavour: Flavour, *arguments: str) -> Callable[[str], Counts]:
    """A step that runs what CMake knows as tests."""

    def run(pattern: str) -> Counts:
        report = flavour.path / "ctest.xml"
        report.unlink(missing_ok=True)
        # fmt: off
        command = ["ctest", "--test-dir", str(flavour.path), "--output-on-failure", "-j",
                   str(os.cpu_count() or 1), "--output-junit", str(report), "--timeout", "120",
                   *arguments]
        # fmt: on
        if pattern:
            command += ["-R", pattern]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip() and not _DULL.match(line):
                print(line, end="", flush=True)
        status = child.wait()
        counts = _from_junit(report)
        if status != 0 and counts.failed == 0:
            return counts + Counts(failed=1)
        return counts

    return run


def _from_junit(report: Path) -> Counts:
    if not report.exists():
        return Counts()
    suite = ElementTree.parse(report).getroot()
    failed = int(suite.get("failures", "0"))
    skipped = int(suite.get("skipped", "0")) + int(suite.get("disabled", "0"))
    for case in suite.iter("testcase"):
        if case.find("skipped") is not None:
            print(f"skipped: {case.get('name')}: {case.find('skipped').get('message')}")
    return Counts(int(suite.get("tests", "0")) - failed - skipped, failed, skipped)


def with_python(folder: str) -> Callable[[str], Counts]:
    """A step that runs the unittest files of a folder below tests/."""

    def run(pattern: str) -> Counts:
        path = ROOT / "tests" / folder
        if not any(path.glob("*.py")):
            return Counts()
        with tempfile.TemporaryDirectory(prefix="buoy-test-") as scratch:
            counts = Path(scratch) / "counts.json"
            command = [sys.executable, "-B", "-m", "lab.python_tests", str(path), str(counts)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
            child = subprocess.Popen([*command, pattern], env=environment)
            try:
                status = child.wait()
            except KeyboardInterrupt:
                # It has heard the same signal or gets it now, and takes its lab down before it ends.
                child.terminate()
                child.wait()
                raise
            if not counts.exists():
                print(f"tests/{folder}: the tests ended with {status} before they were done")
                return Counts(failed=1)
            return Counts(**json.loads(counts.read_text()))

    return run


STEPS = [
    Step("setup", "packages, build, staged install", prepared),
    Step("unit", "unit tests", with_ctest(NORMAL)),
    Step("tree", "rules of the source tree", with_python("tree")),
    Step("agent", "the agents in network namespaces", with_python("agent")),
    Step("lab", "the lab itself", with_python("lab_itself")),
    Step("cluster", "real clusters", with_python("cluster")),
    Step("asan", "unit tests with ASan and UBSan", with_ctest(SANITIZED), SANITIZED),
    Step("fuzz", "fuzz targets, a fixed number of inputs each", with_ctest(FUZZING, "-L", "fuzz"), FUZZING),
]


def _run_step(step: Step, pattern: str, builds: BackgroundBuilds) -> Counts:
    try:
        if step.flavour:
            builds.wait(step.flavour)
        elif step.name == "setup":
            counts = step.run(pattern)
            # From here on: their time is spent while the clusters' tests wait.
            builds.start()
            return counts
        return step.run(pattern)
    except LabError as problem:
        print(f"lab: {problem}", flush=True)
        return Counts(failed=1)


def run_all(only: list[str], pattern: str, long: bool = False) -> int:
    """Run the steps, or those asked for; the last line printed is the total."""
    if long:
        os.environ[LONG] = "1"
    unknown = set(only) - {step.name for step in STEPS}
    if unknown:
        names = ", ".join(step.name for step in STEPS)
        raise LabError(f"there is no step '{unknown.pop()}'; the steps are {names}")
    began, total, lines = time.monotonic(), Counts(), []
    steps = [step for step in STEPS if not only or step.name in only]
    with BackgroundBuilds([step.flavour for step in steps if step.flavour]) as builds:
        for step in steps:
            print(f"\n=== {step.text}", flush=True)
            step_began = time.monotonic()
            counts = _run_step(step, pattern, builds)
            total += counts
            stop = step.name == "setup" and counts.failed
            took_s = time.monotonic() - step_began
            lines.append(f"{step.text:<46} {took_s:6.1f} s  {counts}")
            print(f"--- {step.text}: {counts} ({took_s:.1f} s)", flush=True)
            if stop:
                lines.append("the other steps were not run: there is nothing to run them on")
                break
    print(f"\n=== summary ({time.monotonic() - began:.0f} s)")
    print("\n".join(lines))
    print(total, flush=True)
    return 1 if total.failed else 0
