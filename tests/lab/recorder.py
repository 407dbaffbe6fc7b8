# SPDX-License-Identifier: GPL-2.0-or-later
"""A native program that looks at the wire and leaves its findings in a file (tests/tools/records.hpp).

They are read when they are asked for, so that reading does not disturb what is measured.
"""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Iterator

from lab.build import NORMAL
from lab.errors import LabError

_RECORD = struct.Struct("<QIHcB")

# What a record is for, when, its number, what it is about, and whom.
Record = tuple[bytes, int, int, int, int]


class Recorder:
    """A running program and what it has written.

    Whatever else it takes is put on `stack`, to be closed when the program has ended.
    """

    def __init__(self, name: str) -> None:
        self.program = NORMAL.path / "tests" / name
        self.hosts: dict[int, str] = {}
        self.macs: dict[int, str] = {}
        self.stack = ExitStack()
        self._output = self.stack.enter_context(tempfile.TemporaryFile())
        self._read_to, self._ended = 0, False

    def start(self, words: list[str], lines: list[str]) -> None:
        """Run it on some input; it ends when the input does, which is by `end`."""
        self._child = subprocess.Popen(
            [str(self.program), *words],
            stdin=subprocess.PIPE, stdout=self._output,
            # Ctrl-C is for us: it is to end when its input does, with its last answers.
            start_new_session=True,
        )  # fmt: skip
        assert self._child.stdin is not None
        self._child.stdin.write("\n".join([*lines, "", ""]).encode())
        self._child.stdin.flush()

    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.poll() is None

    def must_run(self, what: str) -> None:
        """Raise if it has ended while something was waited for."""
        if not self.runs():
            raise LabError(f"{self.program.name} ended with {self._child.returncode} while waiting for {what}")

    def end(self) -> None:
        """Close its input and wait until it has ended."""
        if self._child.stdin and not self._child.stdin.closed:
            self._child.stdin.close()
        self._child.wait()

    def check(self) -> None:
        """Raise unless it ended well, with its last record read."""
        if self._child.returncode != 0 or not self._ended:
            name = self.program.name
            raise LabError(f"{name} ended with {self._child.returncode}; build it with ./lab setup")

    def records(self) -> Iterator[Record]:
        """What has been written since the last time, but for names, which are kept."""
        if self._output.closed:
            return
        # Not by seek and read: the program writes where the offset is, which it shares with us.
        output = self._output.fileno()
        data = os.pread(output, os.fstat(output).st_size - self._read_to, self._read_to)
        data = data[: len(data) - len(data) % _RECORD.size]
        self._read_to += len(data)
        for value, number, about, kind, who in _RECORD.iter_unpack(data):
            if kind == b"H":
                self.hosts[who] = struct.pack("<Q", value).rstrip(b"\0").decode()
            elif kind == b"M":
                self.macs[who] = struct.pack("<Q", value)[:6].hex(":")
            else:
                self._ended = self._ended or kind == b"E"
                yield kind, value, number, about, who
