# SPDX-License-Identifier: GPL-2.0-or-later
"""Labs come and go: side by side, after crashes, with bad arguments. Nothing may be left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from lab.build import ROOT
from lab.client import Client
from lab.cluster import Cluster, temporary
from lab.errors import LabError
from lab.processes import Process, in_namespace
from lab.settings import Settings
from lab.state import BASE, State
from lab.waiting import wait_until

# Without Pacemaker a node boots in a moment; these tests are about the lab.
BARE = Settings(nodes=2, pacemaker=False)


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "lab"), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def namespaces_of(name: str) -> list[str]:
    return [entry for entry in os.listdir("/run/netns") if entry.startswith(f"buoy-{name}-")]


def mounts() -> list[str]:
    """The machine's mounts but for namespaces' handles: other labs may come and go meanwhile."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    targets = sorted(line.split()[4] for line in lines)
    return [target for target in targets if not target.startswith("/run/netns")]


def boot(cluster: Cluster) -> None:
    for node in cluster.nodes():
        wait_until(f"{node.name} to boot", node.booted, 30)


class Life(unittest.TestCase):
    def test_lab_leaves_nothing_behind(self) -> None:
        before = mounts()
        with temporary("life", BARE) as cluster:
            boot(cluster)
            name = cluster.state.name
            running = [
                process for netns in cluster.state.namespaces()
                for process in in_namespace("net", f"/run/netns/{netns}")
            ]  # fmt: skip
            self.assertTrue(running)
        self.assertEqual([], namespaces_of(name))
        self.assertFalse((BASE / name).exists())
        self.assertEqual(before, mounts())
        self.assertEqual([], [process for process in running if process.alive()])

    def test_two_labs_do_not_disturb_each_other(self) -> None:
        with temporary("left", BARE) as left, temporary("right", BARE) as right:
            boot(left)
            boot(right)
            with Client(left).probe("10.77.0.1") as probe:
                probe.wait_answer("n1")
                right.power_off("n1")
                self.assertFalse(Client(right).answers("10.77.0.1"), "still on after power-off")
                right.down()
                probe.wait_answer("n1")
                report = probe.stop()
            self.assertEqual([], report.gaps(), "a lab noticed the end of another one")

    def test_down_after_a_killed_lab_removes_its_lab_and_no_other(self) -> None:
        with temporary("bystander", BARE) as bystander:
            boot(bystander)
            before = mounts()
            name = f"crashed-{os.getpid()}"
            maker = subprocess.Popen(
                [sys.executable, "-B", "-c", _MAKER, name], stdout=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            )  # fmt: skip
            assert maker.stdout is not None
            self.assertEqual("made\n", maker.stdout.readline())
            maker.kill()
            maker.wait()
            maker.stdout.close()
            crashed = State(name)
            survivors = [process for process in crashed.processes() if process.alive()]
            self.assertTrue(survivors, "the lab died with its maker: this test tests nothing")
            done = lab("down", "--name", name)
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertEqual([], namespaces_of(name))
            self.assertEqual([], [process for process in survivors if process.alive()])
            self.assertFalse(crashed.exists())
            self.assertEqual(before, mounts())
            self.assertTrue(all(node.booted() for node in bystander.nodes()))

    def test_a_lab_killed_at_any_point_of_its_making_is_removed(self) -> None:
        # Each round kills the maker one record later, until one gets through.
        for records in range(1, 40):
            name = f"partial-{os.getpid()}"
            maker = subprocess.run(
                [sys.executable, "-B", "-c", _MAKER, name, str(records)], check=False,
                stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            )  # fmt: skip
            state = State(name)
            recorded = state.processes()
            Cluster(name).down()
            self.assertEqual([], namespaces_of(name), f"killed at record {records}")
            self.assertEqual([], [process for process in recorded if process.alive()])
            self.assertFalse(state.exists())
            if maker.returncode == 0:
                self.assertGreater(records, 5, "the maker was never killed")
                return
        self.fail("the maker never came to its end")

    def test_a_reused_pid_is_not_killed(self) -> None:
        other = subprocess.Popen(["sleep", "60"])
        try:
            real = Process.of(other.pid)
            Process(other.pid, real.start_ticks - 1).kill()
            self.assertIsNone(other.poll(), "a process with another start time was killed")
        finally:
            other.kill()
            other.wait()

    def test_an_interrupted_demo_leaves_nothing(self) -> None:
        demo = subprocess.Popen(
            [str(ROOT / "lab"), "demo", "--agent", "ocf:heartbeat:IPaddr2"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        name = f"demo-{demo.pid}"
        wait_until("the demo to boot nodes", lambda: (BASE / name / "nodes/n3/init.json").exists(), 300)
        demo.send_signal(signal.SIGTERM)
        said, _ = demo.communicate(timeout=60)
        self.assertEqual(130, demo.returncode, said)
        self.assertEqual([], namespaces_of(name))
        self.assertFalse((BASE / name).exists())


class Faults(unittest.TestCase):
    """Each fault does to the wire what its name says."""

    @classmethod
    def setUpClass(cls) -> None:
        context = temporary("faults", BARE)
        cls.cluster = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        boot(cls.cluster)
        cls.client = Client(cls.cluster)

    def reaches(self, host: str, address: str) -> bool:
        done = self.cluster.run(host, ["ping", "-c1", "-W1", address], check=False)
        return done.returncode == 0

    def assert_comes_to_reach(self, host: str, address: str) -> None:
        """It may take a moment: a neighbour entry that failed is tried again after a second."""
        wait_until(f"{host} to reach {address}", lambda: self.reaches(host, address), 15)

    def test_a_killed_node_still_answers_and_one_without_power_does_not(self) -> None:
        self.cluster.kill("n2")
        self.assertTrue(self.client.answers("10.77.0.2"))
        self.assertIsNone(self.cluster.node("n2").init())
        self.cluster.power_off("n2")
        self.assertFalse(self.client.answers("10.77.0.2"))
        self.cluster.power_on("n2")
        self.assert_comes_to_reach("client", "10.77.0.2")

    def test_a_boot_begins_with_a_fresh_kernel_and_the_old_disk(self) -> None:
        node = self.cluster.node("n2")
        node.run(["ip", "address", "add", "10.77.0.99/24", "dev", "eth0"])
        node.run(["touch", "/var/lib/kept", "/run/lost"])
        self.cluster.power_off("n2")
        self.cluster.power_on("n2")
        wait_until("n2 to boot", node.booted, 30)
        self.assertNotIn("10.77.0.99", node.run(["ip", "address"]).stdout)
        self.assertEqual("/var/lib/kept\n", node.run(["sh", "-c", "ls /var/lib/kept /run/lost 2>&-; :"]).stdout)
        self.assertFalse(Path("/var/lib/kept").exists(), "a node wrote to the machine's own disk")

    def test_a_paused_node_stands_still(self) -> None:
        node = self.cluster.node("n2")
        inside = f"/proc/{node.require_on().pid}/ns/pid"
        self.cluster.pause("n2")
        self.assertTrue(all(process.stopped() for process in in_namespace("pid", inside)))
        self.assertTrue(self.client.answers("10.77.0.2"), "the kernel goes on")
        self.cluster.resume("n2")
        self.assertFalse(any(process.stopped() for process in in_namespace("pid", inside)))

    def test_a_partition_cuts_what_it_says_and_heals(self) -> None:
        self.cluster.partition([["n1"], ["n2"]], ("ring",))
        self.assertFalse(self.reaches("n1", "10.78.0.2"))
        self.assert_comes_to_reach("n1", "10.77.0.2")
        self.assertIn("LOWER_UP", self.cluster.run("n1", ["ip", "link", "show", "eth1"]).stdout)
        self.cluster.partition([["n1"], ["n2"]], ("lan",))
        self.assert_comes_to_reach("client", "10.77.0.1")
        self.assertFalse(self.reaches("client", "10.77.0.2"))
        self.cluster.heal()
        self.assert_comes_to_reach("n1", "10.78.0.2")
        self.assert_comes_to_reach("client", "10.77.0.2")

    def test_a_pulled_cable_is_a_lost_carrier_and_stays_pulled_over_a_boot(self) -> None:
        self.cluster.set_link("n2", False)
        self.assertIn("NO-CARRIER", self.cluster.run("n2", ["ip", "link", "show", "eth0"]).stdout)
        self.cluster.power_off("n2")
        self.cluster.power_on("n2")
        wait_until("n2 to boot", self.cluster.node("n2").booted, 30)
        self.assertIn("NO-CARRIER", self.cluster.run("n2", ["ip", "link", "show", "eth0"]).stdout)
        self.cluster.set_link("n2", True)
        self.assert_comes_to_reach("client", "10.77.0.2")

    def test_a_probe_ends_with_a_summary_when_interrupted(self) -> None:
        probe = subprocess.Popen(
            [str(ROOT / "lab"), "probe", "--name", self.cluster.state.name, "10.77.0.1"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert probe.stdout is not None
        first = probe.stdout.readline()
        self.assertRegex(first, r"n1 \(02:b0:01:00:00:01\) answers|no answer")
        probe.send_signal(signal.SIGINT)
        said, _ = probe.communicate(timeout=20)
        self.assertEqual(0, probe.returncode, said)
        self.assertRegex(said, r"\d+ requests, \d+ answered in time\nround trip: ")

    def test_the_fence_agent_does_what_the_power_switch_lets_it(self) -> None:
        def fence(action: str) -> subprocess.CompletedProcess[str]:
            return self.cluster.run("n1", ["fence_lab", "-o", action, "-n", "n2"], check=False)

        self.cluster.set_fencing("fail")
        self.assertEqual((1, 0), (fence("off").returncode, fence("monitor").returncode))
        self.assertIsNotNone(self.cluster.node("n2").init())
        self.cluster.set_fencing("off")
        self.assertEqual(1, fence("monitor").returncode)
        self.cluster.set_fencing("work")
        self.assertEqual(["n1,", "n2,"], fence("list").stdout.split())
        self.assertEqual(0, fence("off").returncode)
        self.assertEqual((2, "off\n"), (fence("status").returncode, fence("status").stdout))
        self.assertEqual(0, fence("on").returncode)
        wait_until("n2 to boot", self.cluster.node("n2").booted, 30)
        first = self.cluster.node("n2").init()
        self.assertEqual(0, fence("reboot").returncode)
        wait_until("n2 to boot", self.cluster.node("n2").booted, 30)
        self.assertNotEqual(first, self.cluster.node("n2").init())
        self.assertEqual(1, self.cluster.run("n1", ["fence_lab", "-o", "off", "-n", "n9"], check=False).returncode)


class Arguments(unittest.TestCase):
    """What a user mistypes is answered with one line that says what would be right."""

    def refused(self, *arguments: str, saying: str) -> None:
        done = lab(*arguments)
        self.assertNotEqual(0, done.returncode)
        self.assertNotIn("Traceback", done.stderr)
        last = done.stderr.strip().splitlines()[-1]
        self.assertRegex(last, saying)

    def test_bad_arguments(self) -> None:
        self.refused("frobnicate", saying="invalid choice: 'frobnicate' .*'demo'")
        self.refused("up", "--nodes", "0", saying="1 to 9 are possible")
        self.refused("up", "--nodes", "many", saying="--nodes: invalid int value: 'many'")
        self.refused("up", "--name", "Gross!", saying="'Gross!' will not do: .* lower-case letters")
        self.refused("up", "--token", "5", saying="Corosync needs 126 ms or more")
        self.refused("down", "--name", "nosuch", saying="there is no lab 'nosuch'")
        self.refused("exec", "--name", "nosuch", "n1", "true", saying="there is no lab 'nosuch'")
        self.refused("partition", "--name", "nosuch", "n1", "n2", saying="' / ' between them")
        self.refused("test", "--only", "everything", saying="the steps are setup, unit")

    def test_bad_names_within_a_lab(self) -> None:
        with temporary("names", Settings(nodes=1, pacemaker=False)) as cluster:
            name = cluster.state.name
            self.refused("kill", "--name", name, "n7", saying="has no node 'n7'; it has n1")
            self.refused("up", "--name", name, saying="there already is a lab .*another --name")
            self.refused("probe", "--name", name, "ten", saying="'ten' is no address")
            self.refused("partition", "--name", name, "n1", "/", "n1", saying="in one group only")
            self.refused("link", "--name", name, "client", "down", "--network", "ring", saying="no cable on 'ring'")
            cluster.power_off("n1")
            self.refused("exec", "--name", name, "n1", "true", saying="n1 is off; .*power-on n1")
            with self.assertRaisesRegex(LabError, "no node 'n2'"):
                cluster.power_off("n2")

    def test_help_is_everywhere(self) -> None:
        listed = lab("--help").stdout
        commands = re.findall(r"^    ([a-z-]+)(?: |$)", listed, re.MULTILINE)
        self.assertIn("power-off", commands)
        for command in set(commands) - {"bench"}:
            done = lab(command, "--help")
            self.assertEqual((0, ""), (done.returncode, done.stderr), command)
            self.assertIn("usage: ./lab " + command, done.stdout)


_MAKER = """
import os, sys
from lab.cluster import Cluster
from lab.settings import Settings
from lab.state import State
left = int(sys.argv[2]) if len(sys.argv) > 2 else 0
def counted(method):
    def wrapper(self, *arguments):
        global left
        method(self, *arguments)
        if left:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)
    return wrapper
State._append = counted(State._append)
Cluster.create(sys.argv[1], Settings(nodes=2, pacemaker=False))
print("made", flush=True)
if len(sys.argv) == 2:
    sys.stdin.read()
"""

if __name__ == "__main__":
    unittest.main()
