# SPDX-License-Identifier: GPL-2.0-or-later
"""The units on nodes where systemd is the first process: it starts, restarts and stops the cluster's daemons."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from pooling import PoolTest

from lab.build import STAGE
from lab.client import Client
from lab.cluster import temporary
from lab.pool import Pool
from lab.settings import Settings
from lab.shared import long
from lab.sweep import Sweep
from lab.waiting import wait_until

LEASE_MS = 500  # a node that says nothing is waited for longer than that
SYSTEMD = "/lib/systemd/systemd"
NODES = Settings(nodes=3, pacemaker=False)  # without services: they are systemd's
# What an ordinary boot starts besides: it would set up the machine that the nodes share.
MASKED = r"""
mkdir -p /run/systemd/system
for unit in /lib/systemd/system/*.wants/* /etc/systemd/system/*.wants/* /lib/systemd/system/dbus.*; do
    name=${unit##*/}
    case $name in *.target|corosync.service|pacemaker.service|buoyd.service) ;;
        *) ln -sf /dev/null "/run/systemd/system/$name" ;;
    esac
done
printf '[Unit]\nDescription=A node of the lab\nWants=corosync.service pacemaker.service\n' \
    >/run/systemd/system/lab.target
"""
# A group of its own, so that systemd takes nothing but this for the machine's; then namespaces of its own.
ALONE = r"""
mount -t cgroup2 cgroup2 /sys/fs/cgroup && mkdir "/sys/fs/cgroup/$1" || exit 1
echo 0 >"/sys/fs/cgroup/$1/cgroup.procs"
exec unshare --cgroup --mount --pid --fork --kill-child --propagation private sh -ec '
    mount -t proc proc /proc
    umount /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir /run/dev && mount -t tmpfs -o mode=755 tmpfs /run/dev && mkdir /run/dev/shm /run/dev/pts
    for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
        set -- $device; mknod -m 666 "/run/dev/$1" c "$2" "$3"
    done
    mount --bind /dev/shm /run/dev/shm
    mount --move /run/dev /dev
    export container=lab
    exec /lib/systemd/systemd --system --unit=lab.target --show-status=no --log-target=null'
"""


@long
@unittest.skipUnless(os.path.exists(SYSTEMD), "no systemd is installed here")
class UnderSystemd(PoolTest):
    def setUp(self) -> None:
        # Not the shared lab: its nodes have no systemd.
        self.cluster = self.enterContext(temporary("systemd", NODES))
        self.client = Client(self.cluster)
        for node in self.cluster.node_names():
            wait_until(f"{node} to boot", self.cluster.node(node).booted)
            self.boot(node)
        for node in self.cluster.node_names():
            wait_until(f"{node}'s daemons", lambda: self.state(node, "pacemaker") == "active", 60)
        self.cluster.wait_online()
        self.pool = Pool(self.cluster)
        self.pool.create()
        self.before = self.settled()
        self._sweep = self.watch(self.pool.addresses)

    def boot(self, node: str) -> None:
        """Let systemd take a node over."""
        group = f"{self.cluster.state.name}-{node}"
        self.cluster.run(node, ["sh", "-c", MASKED])
        child = subprocess.Popen(self.cluster.enter(node, ["sh", "-c", ALONE, "boot", group]))
        self.addCleanup(child.wait)
        self.addCleanup(self.end, node, group)

    def end(self, node: str, group: str) -> None:
        """End everything of a node, and the group that the kernel keeps otherwise."""
        self.cluster.run(node, ["sh", "-c", f"echo 1 >/sys/fs/cgroup/{group}/cgroup.kill"])
        remove = f"find /sys/fs/cgroup/{group} -depth -type d -exec rmdir {{}} +"
        wait_until("the group to go", lambda: self.cluster.run(node, ["sh", "-c", remove], False).returncode == 0)

    def systemctl(self, node: str, *words: str) -> str:
        """systemctl on a node, in systemd's own namespaces."""
        first = self.cluster.run(node, ["pgrep", "-x", "systemd"], check=False).stdout.strip()
        entered = ["nsenter", "--target", first, "--all", "systemctl"]
        return self.cluster.run(node, [*entered, *words], check=False).stdout.strip() if first else ""

    def state(self, node: str, unit: str) -> str:
        """active, inactive, failed and so on."""
        return self.systemctl(node, "is-active", unit)

    def test_the_agent_has_systemd_start_the_daemon(self) -> None:
        for node in self.cluster.node_names():
            self.assertEqual("active", self.state(node, "buoyd"))
            main = self.systemctl(node, "show", "-P", "ControlGroup", "buoyd")
            self.assertEqual("/system.slice/buoyd.service", main)
            environment = self.cluster.run(node, ["cat", "/run/buoy/buoyd.env"]).stdout
            self.assertIn("BUOY_LEASE_MS=500", environment)

    def test_a_killed_daemon_is_restarted(self) -> None:
        with self.sweep() as sweep:
            old = self.pool.daemon("n2")
            self.signal_daemon("n2", signal.SIGKILL)
            wait_until("another buoyd", lambda: self.pool.daemon("n2") not in (0, old), 30)
            self.assertEqual("1", self.systemctl("n2", "show", "-P", "NRestarts", "buoyd"))
            self.settled()
            self.wait_covered(sweep)

    def test_whoever_stops_corosync_has_everything_handed_over_first(self) -> None:
        with self.sweep() as sweep:
            self.systemctl("n3", "stop", "corosync")
            for unit in ("pacemaker", "buoyd", "corosync"):
                self.assertIn(self.state("n3", unit), ("inactive", "failed"))
            self.assert_handed_over(sweep, "n3")

    def test_a_machine_that_is_shut_down_hands_everything_over_first(self) -> None:
        with self.sweep() as sweep:
            self.systemctl("n3", "poweroff")
            self.assert_handed_over(sweep, "n3")
            wait_until("systemd to end", lambda: not self.state("n3", "corosync"), 60)
            self.assertEqual([], self.pool.held_by_kernel("n3"))

    def test_a_daemon_that_is_stopped_hands_over(self) -> None:
        self.systemctl("n1", "stop", "pacemaker")  # or it would start the daemon again
        self.assertEqual("active", self.state("n1", "buoyd"))
        self.systemctl("n1", "stop", "buoyd")
        self.assertEqual("inactive", self.state("n1", "buoyd"), "it failed")

    def assert_handed_over(self, sweep: Sweep, node: str) -> None:
        """Others have it, and nobody waited for a lease to end."""
        self.assert_taken_over(node, self.wait_covered(sweep, node))
        gaps = {address: report.longest_gap_ms() for address, report in sweep.reports().items()}
        self.assertEqual({}, {address: gap for address, gap in gaps.items() if gap >= LEASE_MS})


@unittest.skipUnless(os.path.exists(SYSTEMD), "no systemd is installed here")
class Units(unittest.TestCase):
    def test_systemd_finds_nothing_wrong_with_them(self) -> None:
        text = (STAGE / "usr/lib/systemd/system/buoyd.service").read_text()
        with tempfile.TemporaryDirectory(prefix="buoy-test-") as folder:
            unit = Path(folder) / "buoyd.service"
            unit.write_text(text.replace("=/usr/sbin/", f"={STAGE}/usr/sbin/"))
            command = ["systemd-analyze", "verify", "--man=no", str(unit)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = [line for line in done.stderr.splitlines() if "buoyd" in line]
        self.assertEqual(([], 0), (said, done.returncode))


if __name__ == "__main__":
    unittest.main()
