# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab that the cluster tests of one run share: booted once, put right before every test."""

from __future__ import annotations

import os
import re
import shutil
import unittest
from pathlib import Path

from lab.build import ROOT
from lab.client import Client
from lab.cluster import Cluster
from lab.errors import LabError
from lab.pacemaker import View
from lab.processes import in_namespace
from lab.settings import Settings

LOGS = ROOT / "build" / "test-logs"
_current: Cluster | None = None


def cluster() -> Cluster:
    """The shared lab of three nodes, made by the first test that asks for it."""
    global _current
    if _current is None:
        _current = Cluster(f"test-{os.getpid()}")
        _current.build(Settings(nodes=3))
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
        for log in (node.console, *node.disk.glob("upper/var/log/*/*.log")):
            if log.is_file():
                shutil.copy(log, folder / f"{node.name}-{log.name}")
    return folder


def put_right(lab: Cluster) -> None:
    """Undo whatever a test did: power, cables, fencing, resources, constraints, standby."""
    lab.set_fencing("work")
    lab.heal()
    for node in lab.nodes():
        for network in ("lan", "ring"):
            lab.set_link(node.name, True, network)
        init = node.init()
        if init is None:
            lab.power_off(node.name)
            lab.power_on(node.name)
        elif any(p.stopped() for p in in_namespace("pid", f"/proc/{init.pid}/ns/pid")):
            lab.resume(node.name)
    view = lab.wait_online()
    if view.standby:
        lab.pcs("node", "unstandby", "--all")
    _forget_resources(lab)


def _forget_resources(lab: Cluster) -> None:
    def clean(view: View) -> bool:
        return set(view.resources) == {"fencing"} and not view.standby and not view.failed

    names = [name for name in lab.view().resources if name != "fencing"]
    for name in names:
        lab.pcs("resource", "delete", "--force", name)
    if names:
        # Removing the constraints as well: a move that was not cleared would haunt the next test.
        lab.anywhere(["cibadmin", "--replace", "--scope", "constraints", "-X", "<constraints/>"])
        lab.anywhere(["crm_resource", "--cleanup"])
    lab.wait_view("a cluster without resources", clean)
    lab.settle()


class ClusterTest(unittest.TestCase):
    """Base of tests on the shared lab: `self.cluster` and `self.client`."""

    cluster: Cluster
    client: Client

    def setUp(self) -> None:
        ClusterTest.cluster = cluster()
        ClusterTest.client = Client(self.cluster)
        try:
            put_right(self.cluster)
        except LabError:
            # Not a failure of this test: whatever the one before did is beyond repair.
            take_down()
            ClusterTest.cluster = cluster()
            ClusterTest.client = Client(self.cluster)
        self.client.forget_neighbours()
