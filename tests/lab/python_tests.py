# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the unittest files of one folder. Usage: python_tests FOLDER COUNTS.json [PATTERN]."""

from __future__ import annotations

import json
import os
import sys
import time
import unittest
from pathlib import Path
from typing import Callable

from lab import shared
from lab.signals import catch_signals

# Set where tests that take long are to be run as well.
LONG = "BUOY_TEST_LONG"


class Result(unittest.TextTestResult):
    """Prints what a test is about while it runs, and how long it took."""

    def startTest(self, test: unittest.TestCase) -> None:
        self._began = time.monotonic()
        unittest.TestResult.startTest(self, test)
        name = test.id().removeprefix("__main__.")
        self.stream.write(f"{name} ... ")
        self.stream.flush()

    def _end(self, word: str) -> None:
        self.stream.writeln(f"{word} ({time.monotonic() - self._began:.1f} s)")
        self.stream.flush()

    def addSuccess(self, test: unittest.TestCase) -> None:
        unittest.TestResult.addSuccess(self, test)
        self._end("ok")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        unittest.TestResult.addSkip(self, test, reason)
        if hasattr(self, "_began"):
            self._end(f"skipped: {reason}")
        else:
            self.stream.writeln(f"{test} skipped: {reason}")

    def addFailure(self, test: unittest.TestCase, err) -> None:
        unittest.TestResult.addFailure(self, test, err)
        self._failed(test, "FAILED", self.failures)

    def addError(self, test: unittest.TestCase, err) -> None:
        unittest.TestResult.addError(self, test, err)
        self._failed(test, "ERROR", self.errors)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err) -> None:
        unittest.TestResult.addSubTest(self, test, subtest, err)
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self._failed(subtest, "FAILED", self.failures if failed else self.errors)

    def _failed(self, test: unittest.TestCase, word: str, collected) -> None:
        """Show it at once, with what the cluster's logs have, while they still are there."""
        self._began = getattr(self, "_began", time.monotonic())
        self._end(word)
        self.stream.writeln(collected[-1][1].rstrip())
        kept = shared.keep_logs(test.id())
        if kept:
            self.stream.writeln(f"logs: {kept}")
        self.stream.flush()

    def printErrors(self) -> None:
        """They have been shown as they came."""


def _is_long(test: unittest.TestCase) -> bool:
    """Whether lab.shared.long marks it or its class."""
    method = getattr(test, test._testMethodName, None)
    return bool(getattr(method, "long", False) or getattr(type(test), "long", False))


def _only(suite: unittest.TestSuite, wanted: Callable[[unittest.TestCase], bool]) -> unittest.TestSuite:
    kept = unittest.TestSuite()
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            kept.addTest(_only(item, wanted))
        elif "_FailedTest" in item.id() or wanted(item):
            kept.addTest(item)
    return kept


def main(folder: str, counts: str, pattern: str = "") -> int:
    """Discover, run, write the counts down."""
    catch_signals()
    found = unittest.defaultTestLoader.discover(folder, pattern="*.py", top_level_dir=folder)
    suite = _only(found, lambda test: pattern in test.id())
    if LONG not in os.environ:
        everything = suite.countTestCases()
        suite = _only(suite, lambda test: not _is_long(test))
        if left := everything - suite.countTestCases():
            print(f"{left} more with ./lab test --long", flush=True)
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result, verbosity=0)
    try:
        result = runner.run(suite)
    finally:
        shared.take_down()
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    passed = max(0, result.testsRun - failed - skipped)
    Path(counts).write_text(json.dumps({"passed": passed, "failed": failed, "skipped": skipped}))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
