# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs agents inside a node and measures them; see bench/measure.py for the other end.

It is the first process of a pid namespace of its own. Pids are handed out there in order and only to
what is started here, so the distance between an agent's pid and the pid of a process started right
after it ended is exact: every process and every thread the agent made, however short-lived.

Reads one JSON job a line: {"argv": [...], "environment": {...}}; answers each with one line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

SAID_LIMIT = 4096


def next_pid() -> int:
    """The pid that a process started now gets."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    while os.waitpid(pid, 0)[0] != pid:
        pass
    return pid


def reap_orphans() -> None:
    """What agents leave in the background ends up with us."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run one agent to its end.

    posix_spawn shares our memory until the exec, so neither its time nor the CPU time charged to the
    child depends on how large this interpreter is.
    """
    said = os.memfd_create("said")
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, said, 1),
        (os.POSIX_SPAWN_DUP2, said, 2),
    ]
    argv, environment = job["argv"], job["environment"]
    began_ns = time.monotonic_ns()
    pid = os.posix_spawn(argv[0], argv, environment, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    ended_ns = time.monotonic_ns()
    after = next_pid()
    text = os.pread(said, SAID_LIMIT, 0).decode(errors="replace")
    os.close(said)
    reap_orphans()
    return {
        "began_ns": began_ns,
        "wall_ms": (ended_ns - began_ns) / 1e6,
        "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1000,
        # Numbers begin anew at the namespace's pid_max: then the distance says nothing.
        "children": after - pid - 1 if after > pid else None,
        "exit": os.waitstatus_to_exitcode(status),
        "said": text,
    }


def main() -> None:
    """Serve until the other end closes."""
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
