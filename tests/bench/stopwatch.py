# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes the time until an address answers, by a client that asks all the while."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.cluster import Cluster
from lab.errors import LabError
from lab.switch import CLIENT

_SCRIPT = str(Path(__file__).with_name("echoes.py"))
INTERVAL_MS = 0.25


@dataclass(frozen=True)
class Answer:
    """The first answer: when, after how many requests, and their longest distance."""

    at_ns: int
    requests: int
    longest_interval_ms: float


class Stopwatch:
    """The client's side; a context manager. `begin`, then act, then `end`."""

    def __init__(self, cluster: Cluster) -> None:
        netns = cluster.switch.netns_of(CLIENT)
        interval_ns = str(round(INTERVAL_MS * 1e6))
        self._address = ""
        self._child = subprocess.Popen(
            [sys.executable, "-B", _SCRIPT, netns, interval_ns],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> Stopwatch:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._child.stdin:
            self._child.stdin.close()
        try:
            self._child.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            # It may be in the middle of asking; nothing it has is of use any more.
            self._child.kill()
            self._child.wait()

    def begin(self, address: str) -> None:
        """Start to ask; returns when the client has asked in vain for a while."""
        self._address = address
        assert self._child.stdin is not None
        self._child.stdin.write(address + "\n")
        self._child.stdin.flush()
        said = self._line()
        if said != ["asking"]:
            raise LabError(f"{address} answered before it was started: {' '.join(said)}")

    def end(self) -> Answer:
        """Wait for the first answer."""
        kind, *rest = self._line()
        if kind != "answered":
            raise LabError(f"{self._address} never answered")
        at_ns, requests, longest_ns = map(int, rest)
        return Answer(at_ns, requests, longest_ns / 1e6)

    def _line(self) -> list[str]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline().split()
        if not line:
            raise LabError("the asking client has ended")
        return line
