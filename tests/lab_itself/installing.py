# SPDX-License-Identifier: GPL-2.0-or-later
"""Installing packages must not start daemons on the machine, nor leave the means against it behind."""

from __future__ import annotations

import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lab import packages
from lab.errors import LabError


class Policy(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.policy = Path(scratch.name) / "policy-rc.d"
        patch = mock.patch.object(packages, "POLICY", self.policy)
        patch.start()
        self.addCleanup(patch.stop)

    def test_services_are_refused_while_packages_install(self) -> None:
        with packages.no_services_started():
            self.assertIn("exit 101", self.policy.read_text())
            self.assertEqual(0o755, self.policy.stat().st_mode & 0o777)
        self.assertFalse(self.policy.exists())

    def test_it_goes_when_interrupted(self) -> None:
        with self.assertRaises(KeyboardInterrupt), packages.no_services_started():
            raise KeyboardInterrupt
        self.assertFalse(self.policy.exists())

    def test_the_administrators_policy_stays(self) -> None:
        self.policy.write_text("#!/bin/sh\nexit 104\n")
        with packages.no_services_started():
            self.assertIn("104", self.policy.read_text())
        self.assertEqual("#!/bin/sh\nexit 104\n", self.policy.read_text())

    def test_ours_from_a_crash_goes_too(self) -> None:
        with packages.no_services_started():
            left = self.policy.read_text()
        self.policy.write_text(left)
        with packages.no_services_started():
            pass
        self.assertFalse(self.policy.exists())


class Missing(unittest.TestCase):
    """apt-get is called for what is missing, and not at all otherwise."""

    def install(self, names: list[str], status: int = 0) -> list[list[str]]:
        calls: list[list[str]] = []

        def run(command: list[str], **_: object) -> mock.Mock:
            calls.append(command)
            return mock.Mock(returncode=status)

        with mock.patch.object(packages, "missing", return_value=names), mock.patch.object(
            packages.subprocess, "run", run
        ), mock.patch.object(packages, "no_services_started", contextlib.nullcontext):
            with contextlib.redirect_stdout(io.StringIO()):
                packages.install_missing(verbose=False)
        return calls

    def test_nothing_missing_nothing_called(self) -> None:
        self.assertEqual([], self.install([]))

    def test_only_what_is_missing(self) -> None:
        update, install = self.install(["pcs", "crmsh"])
        self.assertEqual("update", update[1])
        self.assertEqual(["pcs", "crmsh"], install[-2:])

    def test_failure_is_told(self) -> None:
        with self.assertRaisesRegex(LabError, "apt-get update failed with 100"):
            self.install(["pcs"], status=100)

    def test_a_package_that_is_not_installed_is_missed(self) -> None:
        with mock.patch.object(packages, "wanted", return_value=["coreutils", "no-such-package"]):
            self.assertEqual(["no-such-package"], packages.missing())


if __name__ == "__main__":
    unittest.main()
