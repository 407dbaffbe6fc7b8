# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab that the cluster tests of one run share: booted once, put right before every test."""

from __future__ import annotations

import os
import re
import shutil
import time
import unittest
from pathlib import Path
from typing import TypeVar

from lab.build import ROOT
from lab.client import Client
from lab.cluster import Cluster
from lab.errors import LabError
from lab.pacemaker import View
from lab.processes import in_namespace
from lab.settings import Settings
from lab.waiting import wait_until

LOGS = ROOT / "build" / "test-logs"
THREE_NODES = Settings(nodes=3)
# Pacemaker asks the power switch again, on each node twice, about once a second.
BETWEEN_ATTEMPTS_S = 2.5
_current: Cluster | None = None
Test = TypeVar("Test")


def long(test: Test) -> Test:
    """Mark a test, or all of a class, as one for `./lab test --long` only."""
    setattr(test, "long", True)
    return test


def cluster(settings: Settings = THREE_NODES) -> Cluster:
    """The shared lab, made by the first test that asks for one of its kind; there is one at a time."""
    global _current
    if _current is not None and _current.settings() != settings:
        take_down()
    if _current is None:
        _current = Cluster(f"test-{os.getpid()}")
        _current.build(settings)
        _current.wait_online()
    return _current


def take_down() -> None:
    """Remove it at the end of the run."""
    global _current
    if _current is not None and _current.state.exists():
        _current.down()
    _current = None


def keep_logs(test: str) -> Path | None:
    """Copy the nodes' logs to the build folder, for a failed test."""
    if _current is None or not _current.state.exists():
        return None
    folder = LOGS / re.sub(r"[^A-Za-z0-9_.-]", "_", test)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    watcher = _current.state.path / "watcher.log"
    shutil.copy(watcher, folder)
    for node in _current.nodes():
        logs = [*node.disk.glob("upper/var/log/*/*.log"), *node.disk.glob("upper/var/lib/buoy/journal*")]
        for log in (node.console, *logs):
            if log.is_file():
                shutil.copy(log, folder / f"{node.name}-{log.name}")
    return folder


def put_right(lab: Cluster, keep: frozenset[str] = frozenset()) -> None:
    """Undo whatever a test did: power, cables, fencing, constraints, standby, resources but some."""
    lab.heal()
    for node in lab.nodes():
        for network in ("lan", "ring"):
            lab.set_link(node.name, True, network)
        init = node.init()
        if init and any(p.stopped() for p in in_namespace("pid", f"/proc/{init.pid}/ns/pid")):
            lab.resume(node.name)
    off = [node.name for node in lab.nodes() if node.init() is None]
    if not off:
        _wait_given_up(lab)
    lab.set_fencing("work")
    _wait_fenced(lab, off)
    for name in off:
        lab.power_off(name)
        lab.power_on(name)
    view = lab.wait_online()
    if view.standby:
        lab.pcs("node", "unstandby", "--all")
    if _forget_resources(lab, view, keep | {"fencing"}) or view.standby:
        lab.settle()


def _wait_given_up(lab: Cluster) -> None:
    """Let attempts to fence a node that is back now come to their end: one that works would cost the next test it."""

    def given_up() -> bool:
        asked_s = [at_s for name in lab.node_names() for at_s in lab.fencings(name, "failed")]
        return time.monotonic() - max(asked_s, default=0.0) > BETWEEN_ATTEMPTS_S

    wait_until("fencing to be given up", given_up, 30)


def _wait_fenced(lab: Cluster, off: list[str]) -> None:
    """Let the cluster be done with nodes that are off: what it still has to fence must not boot before."""
    if not off or len(off) * 2 >= len(lab.node_names()):
        return

    def fenced(view: View) -> bool:
        unclean = view.unclean & set(off)
        for name in unclean & view.offline:
            # It may have given up on fencing that failed too often.
            lab.anywhere(["stonith_admin", "--fence", name])
        return set(off) <= view.offline and not unclean

    lab.wait_view(f"{', '.join(off)} to be fenced", fenced)


def _forget_resources(lab: Cluster, view: View, keep: frozenset[str]) -> bool:
    """Delete resources but some, and what is known of failures; whether there was anything to do."""

    def clean(view: View) -> bool:
        return view.resources <= keep and not view.standby and not view.failed

    if clean(view):
        return False
    names = view.resources - keep
    for name in names:
        lab.pcs("resource", "delete", "--force", name)
    if names:
        # Removing the constraints as well: a move that was not cleared would haunt the next test.
        lab.anywhere(["cibadmin", "--replace", "--scope", "constraints", "-X", "<constraints/>"])
    if names or view.failed:
        lab.anywhere(["crm_resource", "--cleanup"])
    lab.wait_view("a cluster without other resources", clean)
    return bool(names or view.failed)


class ClusterTest(unittest.TestCase):
    """Base of tests on the shared lab: `self.cluster` and `self.client`."""

    cluster: Cluster
    client: Client
    # What kind of lab, and which resources stay from one test to the next.
    settings = THREE_NODES
    keep: frozenset[str] = frozenset()

    def setUp(self) -> None:
        self._take(cluster(self.settings))
        try:
            put_right(self.cluster, self.keep)
        except LabError:
            # Not a failure of this test: whatever the one before did is beyond repair.
            take_down()
            self._take(cluster(self.settings))
        self.client.forget_neighbours()

    @staticmethod
    def _take(lab: Cluster) -> None:
        ClusterTest.cluster, ClusterTest.client = lab, Client(lab)
