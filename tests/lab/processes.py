# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes told apart by pid *and* start time, so that a reused pid is never signalled."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from lab.errors import LabError
from lab.waiting import wait_until

# Children of this interpreter: kept so that they are reaped, not to steer them.
_children: list[subprocess.Popen[bytes]] = []


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name may hold spaces and parentheses: fields start after the last ")".
    return text.rpartition(")")[2].split()


@dataclass(frozen=True)
class Process:
    """One process of this boot of the machine."""

    pid: int
    start_ticks: int

    @staticmethod
    def of(pid: int) -> Process:
        """The process that has this pid now."""
        fields = _stat_fields(pid)
        if fields is None:
            raise LabError(f"process {pid} is already gone")
        return Process(pid, int(fields[19]))

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        fields = _stat_fields(self.pid)
        return fields is not None and fields[0] not in "ZX" and int(fields[19]) == self.start_ticks

    def stopped(self) -> bool:
        """Whether a signal has stopped it."""
        fields = _stat_fields(self.pid)
        return fields is not None and fields[0] == "T"

    def runs_no_more(self) -> bool:
        """Whether it is stopped, dead or gone."""
        fields = _stat_fields(self.pid)
        return fields is None or fields[0] in "TtZX"

    def signal(self, number: int) -> None:
        """Signal it if it is still that process; the pidfd closes the race with pid reuse."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)

    def kill(self) -> None:
        """Kill it and wait until it is gone."""
        self.signal(signal.SIGKILL)
        wait_until(f"process {self.pid} to die", self._gone, 20, 0.002)

    def _gone(self) -> bool:
        reap()
        return not self.alive()


def reap() -> None:
    """Collect children of ours that have ended."""
    _children[:] = [child for child in _children if child.poll() is None]


def spawn(argv: list[str], record: Callable[[Process], None], log: Path) -> Process:
    """Start a process in a session of its own that outlives this one.

    It waits before its exec until `record` has written it down, and leaves if we die before that:
    there is no moment at which a process of the lab runs and is not on record.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["/bin/sh", "-c", 'read go || exit 1; exec "$@" </dev/null', "sh", *argv],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _children.append(child)
    process = Process.of(child.pid)
    record(process)
    assert child.stdin is not None
    child.stdin.write(b"go\n")
    child.stdin.close()
    return process


def only_child(parent: Process, timeout_s: float = 20) -> Process:
    """The child that a process is about to fork."""
    listing = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")

    def first() -> int:
        if not parent.alive():
            raise LabError(f"process {parent.pid} ended before it had a child")
        return int((listing.read_text().split() or ["0"])[0])

    return Process.of(wait_until(f"a child of process {parent.pid}", first, timeout_s, 0.002))


def in_namespace(kind: str, handle: str) -> list[Process]:
    """All processes in the namespace that a file stands for; kind is "net", "pid" and so on."""
    wanted = os.stat(handle)
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            if os.path.samestat(os.stat(f"/proc/{entry}/ns/{kind}"), wanted):
                found.append(Process.of(int(entry)))
        except (FileNotFoundError, ProcessLookupError, PermissionError, LabError):
            continue
    return found
