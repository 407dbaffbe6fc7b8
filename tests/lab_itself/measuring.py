# SPDX-License-Identifier: GPL-2.0-or-later
"""./lab bench writes what it says it writes and leaves nothing else, also when it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from lab.build import ROOT
from lab.processes import Process, in_namespace
from lab.state import BASE
from lab.waiting import wait_until


def started(*arguments: str) -> subprocess.Popen[str]:
    command = [str(ROOT / "lab"), "bench", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def children(pid: int) -> list[Process]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Process.of(int(child)) for child in listed]


class Bench(unittest.TestCase):
    def assert_nothing_left(self, pid: int) -> None:
        name = f"bench-{pid}"
        self.assertFalse((BASE / name).exists())
        self.assertEqual([], [each for each in os.listdir("/run/netns") if each.startswith(f"buoy-{name}-")])

    def test_figures_and_picture_are_written(self) -> None:
        with tempfile.TemporaryDirectory(prefix="buoy-test-") as scratch:
            run = started("--only", "monitor", "--only", "first-answer", "--rounds", "1", "--output", scratch)
            said, _ = run.communicate(timeout=300)
            self.assertIn("What was promised", said)
            found = json.loads((Path(scratch) / "bench.json").read_text())
            self.assertEqual({"monitor", "first-answer"}, {one["bench"] for one in found["series"]})
            self.assertTrue(all(one["samples"] for one in found["series"]))
            self.assertTrue(found["machine"]["kernel"])
            ElementTree.parse(Path(scratch) / "bench.svg")
        self.assert_nothing_left(run.pid)

    def test_interrupted_in_the_middle_it_leaves_nothing(self) -> None:
        run = started("--only", "first-answer")
        node = f"/run/netns/buoy-bench-{run.pid}-n1"
        # The lab, its first process in the node, a runner with its interpreter: it is measuring.
        wait_until(
            "the bench to measure",
            lambda: os.path.exists(node) and len(in_namespace("net", node)) > 8, 300,
        )  # fmt: skip
        helpers = children(run.pid)
        self.assertTrue(helpers)
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=60)
        self.assertEqual(130, run.returncode, said)
        self.assert_nothing_left(run.pid)
        self.assertEqual([], [helper for helper in helpers if helper.alive()])


if __name__ == "__main__":
    unittest.main()
