# SPDX-License-Identifier: GPL-2.0-or-later
"""Hands agents to a runner inside a node and brings back what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.peers import Agent
from lab.cluster import Cluster
from lab.errors import LabError

_SCRIPT = str(Path(__file__).with_name("runner.py"))


@dataclass(frozen=True)
class Run:
    """One call of an agent. CPU time is user and system, children that it waited for included."""

    began_ns: int
    wall_ms: float
    cpu_ms: float
    children: int | None
    exit: int
    said: str


class Runner:
    """A process inside a node that runs one agent after the other; a context manager.

    Two of them on a node run two agents at once: `begin` does not wait, `end` does.
    """

    def __init__(self, cluster: Cluster, node: str) -> None:
        self.node = node
        alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = cluster.enter(node, [*alone, sys.executable, "-B", _SCRIPT])
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            # Ctrl-C is for us; it ends when its input does.
            start_new_session=True,
        )  # fmt: skip
        self._what = ""

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._child.stdin:
            self._child.stdin.close()
        try:
            self._child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def begin(self, agent: Agent, action: str, interval_ms: int = 0) -> None:
        """Start an agent."""
        self._what = f"{agent.name} {action} on {self.node}"
        job = {"argv": [agent.path, action], "environment": agent.environment(action, interval_ms)}
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(job) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            raise LabError(f"{self._what}: the runner in the node has ended") from None

    def end(self, wanted: int = 0) -> Run:
        """Wait for it; another exit code than the one wanted is an error."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise LabError(f"{self._what}: the runner in the node has ended")
        run = Run(**json.loads(line))
        if run.exit != wanted:
            raise LabError(f"{self._what}: exit {run.exit}, {wanted} expected: {run.said.strip()}")
        return run

    def call(self, agent: Agent, action: str, interval_ms: int = 0, wanted: int = 0) -> Run:
        """Run an agent to its end."""
        self.begin(agent, action, interval_ms)
        return self.end(wanted)
