# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds that go on, with a low priority, while tests run that mostly wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from typing import IO

from lab.build import ROOT, Flavour
from lab.errors import LabError

_SCRIPT = """
import sys
from lab.build import FLAVOURS, build
from lab.errors import LabError
try:
    for folder in sys.argv[1:]:
        build(FLAVOURS[folder])
except LabError as problem:
    sys.exit(f"lab: {problem}")
"""


class BackgroundBuilds:
    """Use as a context manager: however the block ends, no compiler is left running."""

    def __init__(self, flavours: list[Flavour]) -> None:
        self._flavours = flavours
        self._children: dict[str, tuple[subprocess.Popen[bytes], IO[str]]] = {}

    def __enter__(self) -> BackgroundBuilds:
        return self

    def __exit__(self, *exception: object) -> None:
        for child, log in self._children.values():
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGTERM)
                child.wait()
            log.close()

    def start(self) -> None:
        """Begin those that have not begun, one after another so that they share the cores fairly."""
        waiting = [flavour.folder for flavour in self._flavours if flavour.folder not in self._children]
        if not waiting:
            return
        log = tempfile.TemporaryFile("w+", prefix="buoy-build-")
        child = subprocess.Popen(
            ["nice", "-n", "10", sys.executable, "-B", "-c", _SCRIPT, *waiting],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        )  # fmt: skip
        for folder in waiting:
            self._children[folder] = (child, log)

    def wait(self, flavour: Flavour) -> None:
        """Wait for the builds; a failure shows what the compiler said."""
        self.start()
        child, log = self._children[flavour.folder]
        if child.poll() is None:
            print("waiting for the build ...", flush=True)
        if child.wait() != 0:
            log.seek(0)
            print(log.read(), end="", flush=True)
            raise LabError(f"the build for this step failed with {child.returncode}; see above")
