# SPDX-License-Identifier: GPL-2.0-or-later
"""What the service's adapters tell on a real Corosync: a small program on every node prints it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Callable

from lab.build import ROOT
from lab.cluster import Cluster
from lab.settings import Settings
from lab.shared import ClusterTest
from lab.waiting import wait_until

PROGRAM = ROOT / "build" / "tests" / "io" / "io_watch"
NAMES = ("n1", "n2", "n3")
ENOTCONN = 107
PROCESS_DOWN, NODE_DOWN = 1, 2  # core::Departed
STRANGER = 4  # core::Refusal
OFF = 0  # core::FencingAction
Event = dict[str, Any]


class Watcher:
    """io_watch on one node, and the lines it has printed."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self.node = node
        self.events: list[Event] = []
        self._child = subprocess.Popen(
            cluster.enter(node, [str(PROGRAM)]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.events.append(json.loads(line))

    def tell(self, command: str) -> None:
        """Give it a command."""
        assert self._child.stdin is not None
        self._child.stdin.write(command + "\n")

    def ended(self) -> bool:
        """Whether the program has come to its end."""
        return self._child.poll() is not None

    def go_on(self) -> None:
        """To be called after the node was paused: nsenter, on our side, stops itself along with its child."""
        self._child.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, whatever it does, and wait for that."""
        if not self.ended():
            # nsenter, which we started, waits for it in the node.
            for child in Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
            self.go_on()
        self._child.wait(20)
        self._reader.join(20)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()

    def of(self, kind: str, since: int = 0) -> list[Event]:
        """The events of a kind."""
        return [event for event in self.events[since:] if event["event"] == kind]

    def last(self, kind: str) -> Event:
        """The newest event of a kind; empty when there is none."""
        return next((event for event in reversed(self.events) if event["event"] == kind), {})

    def wait(self, what: str, condition: Callable[[], Any], timeout_s: float = 30) -> Any:
        """Wait for something to have been told."""
        return wait_until(
            f"{what} on {self.node}", condition, timeout_s, 0.01,
            lambda: f"last: {[event for event in self.events if event['event'] != 'beat'][-8:]}",
        )  # fmt: skip

    def wait_for(self, kind: str, since: int = 0, **wanted: Any) -> Event:
        """Wait for an event with these values."""

        def found() -> Event | None:
            for event in self.of(kind, since):
                if all(event.get(name) == value for name, value in wanted.items()):
                    return event
            return None

        return self.wait(f"{kind} {wanted}", found)

    def together(self, *members: int) -> bool:
        """Group and quorum service agree on a ring of these nodes."""
        group, quorum = self.last("configuration"), self.last("quorum")
        return (
            group.get("members") == list(members) == quorum.get("nodes")
            and group.get("ring") == quorum.get("ring")
        )

    def wait_together(self, *members: int) -> None:
        """Wait until they do."""
        self.wait(f"nodes {members}", lambda: self.together(*members))

    def counters(self) -> Event:
        """Ask for its counters."""
        since = len(self.events)
        self.tell("counters")
        return self.wait_for("counters", since)


def configurations_together(watcher: Watcher) -> dict[int, int]:
    """In how many configurations of the present ring it has been with each node, as the core counts."""
    counts: dict[int, int] = {}
    ring = ""
    for event in watcher.of("configuration"):
        stayed = set(counts) - {int(node) for node in event["left"]} if event["ring"] == ring else set()
        counts = {node: counts[node] + 1 if node in stayed else 1 for node in event["members"]}
        ring = event["ring"]
    return counts


class Adapters(unittest.TestCase):
    cluster: Cluster

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = Cluster(f"adapters-{os.getpid()}")
        cls.addClassCleanup(lambda: cls.cluster.state.exists() and cls.cluster.down())
        cls.cluster.build(Settings(nodes=3, pacemaker=False))

    def setUp(self) -> None:
        self.watchers: dict[str, Watcher] = {}
        for name in NAMES:
            node = self.cluster.node(name)
            if node.init() is None:
                self.cluster.power_on(name)
            wait_until(f"{name} to boot", node.booted)
            self.start_corosync(name)
        self.addCleanup(self.stop_watchers)
        for name in NAMES:
            self.watch(name)
        self.wait_together(1, 2, 3)

    def stop_watchers(self) -> None:
        for watcher in self.watchers.values():
            watcher.stop()

    def watch(self, name: str) -> Watcher:
        """Start the program on a node."""
        self.watchers[name] = Watcher(self.cluster, name)
        return self.watchers[name]

    def wait_together(self, *members: int) -> None:
        """Wait until all these nodes see these nodes, on one ring."""
        watchers = [self.watchers[f"n{member}"] for member in members]
        for watcher in watchers:
            watcher.wait_together(*members)
        wait_until("one ring", lambda: len({w.last("configuration")["ring"] for w in watchers}) == 1)

    def corosync(self, name: str) -> str:
        """Its process id within the node; empty when it does not run."""
        return self.cluster.run(name, ["pidof", "corosync"], check=False).stdout.strip()

    def start_corosync(self, name: str) -> None:
        """Start it unless it runs, and wait until it lets clients in."""

        def answers() -> bool:
            # One that is about to end has to be waited for first.
            if not self.corosync(name):
                self.cluster.run(name, ["corosync"])
            return self.cluster.run(name, ["corosync-cpgtool"], check=False).returncode == 0

        wait_until(f"corosync on {name}", answers)

    def signal_corosync(self, name: str, word: str) -> None:
        """Send a signal to it."""
        self.cluster.run(name, ["kill", f"-{word}", self.corosync(name)])


class Membership(Adapters):
    def test_all_join_and_see_the_same(self) -> None:
        for number, name in enumerate(NAMES, start=1):
            watcher = self.watchers[name]
            cluster = watcher.last("cluster")
            self.assertEqual((number, "lab", True), (cluster["self"], cluster["name"], cluster["secret"]))
            nodes = {f"n{i}": {"id": i, "addresses": [f"10.78.0.{i}"]} for i in (1, 2, 3)}
            self.assertEqual(nodes, cluster["nodes"])
            quorum = watcher.last("quorum")
            self.assertEqual((True, False, 3), (quorum["quorate"], quorum["two_node"], quorum["expected"]))

    def test_a_daemon_that_dies_leaves_on_a_ring_that_stays(self) -> None:
        first = self.watchers["n1"]
        ring = first.last("configuration")["ring"]
        self.watchers["n3"].stop()
        left = first.wait_for("configuration", members=[1, 2], left={"3": PROCESS_DOWN})
        self.assertEqual(ring, left["ring"])
        self.watch("n3")
        back = first.wait_for("configuration", first.events.index(left), members=[1, 2, 3], joined=[3])
        self.assertEqual(ring, back["ring"])

    def test_everybody_counts_the_same_configurations_of_a_ring(self) -> None:
        since = {name: len(self.watchers[name].events) for name in ("n1", "n2")}
        for _ in range(3):
            self.watchers["n3"].stop()
            self.watch("n3")
            self.wait_together(1, 2, 3)
        told = [self.watchers[name].of("configuration", since[name]) for name in ("n1", "n2")]
        self.assertEqual(6, len(told[0]))
        self.assertEqual(*told)

    def test_daemons_that_join_while_a_ring_is_formed_count_with_the_others(self) -> None:
        """Corosync names a ring to who joins before the ring's members are known."""
        chance = random.Random(1)
        for _ in range(8):
            self.cluster.partition([["n1", "n2"], ["n3"]], ("ring",))
            # Not waits: rings take about a second, and daemons shall come at any time in it.
            time.sleep(chance.uniform(0, 1.6))
            self.cluster.heal()
            time.sleep(chance.uniform(0, 1.0))
            for name in chance.sample(NAMES, 2):
                self.watchers[name].stop()
                self.watch(name)
            self.wait_together(1, 2, 3)
            wait_until("equal counts", self.counts_are_equal, explain=lambda: str(self.counts()))

    def counts(self) -> dict[int, dict[int, int]]:
        return {n: configurations_together(self.watchers[f"n{n}"]) for n in (1, 2, 3)}

    def counts_are_equal(self) -> bool:
        counts = self.counts()
        return all(
            one in counts[other] and counts[one].get(other) == counts[other][one]
            for one in counts
            for other in counts
        )

    def test_a_node_that_dies_leaves_with_a_new_ring(self) -> None:
        incarnation = self.wait_beat("n1", 3)["incarnation"]
        first = self.watchers["n1"]
        ring = first.last("configuration")["ring"]
        self.cluster.power_off("n3")
        left = first.wait_for("configuration", members=[1, 2], left={"3": NODE_DOWN})
        self.assertNotEqual(ring, left["ring"])
        self.wait_together(1, 2)
        self.assertTrue(first.last("quorum")["quorate"])
        self.watchers.pop("n3").stop()
        self.cluster.power_on("n3")
        wait_until("n3 to boot", self.cluster.node("n3").booted)
        self.start_corosync("n3")
        self.watch("n3")
        self.wait_together(1, 2, 3)
        since = len(first.events)
        self.assertGreater(self.wait_beat("n1", 3, since)["incarnation"], incarnation)

    def test_corosync_that_ends_is_told_on_its_node(self) -> None:
        first, third = self.watchers["n1"], self.watchers["n3"]
        self.signal_corosync("n3", "TERM")
        third.wait_for("gone", code=ENOTCONN)
        third.wait("the end", third.ended)
        gone = first.wait_for("configuration", members=[1, 2], left={"3": PROCESS_DOWN})
        first.wait_together(1, 2)
        self.assertNotEqual(gone["ring"], first.last("configuration")["ring"])

    def test_corosync_that_is_killed_is_told_on_its_node(self) -> None:
        self.signal_corosync("n3", "KILL")
        self.watchers["n3"].wait_for("gone", code=ENOTCONN)
        self.watchers["n1"].wait_for("configuration", members=[1, 2], left={"3": NODE_DOWN})

    def test_without_corosync_it_is_said_what_to_do(self) -> None:
        self.signal_corosync("n3", "TERM")
        wait_until("corosync to end", lambda: not self.corosync("n3"))
        self.watchers["n3"].stop()
        failed = self.watch("n3").wait_for("failed", code=ENOTCONN)
        self.assertIn("systemctl status corosync", failed["text"])

    def test_a_node_that_was_paused_sees_the_others_leave_and_join(self) -> None:
        first, third = self.watchers["n1"], self.watchers["n3"]
        since = len(third.events)
        self.cluster.pause("n3")
        first.wait_for("configuration", members=[1, 2], left={"3": NODE_DOWN})
        self.cluster.resume("n3")
        third.go_on()
        self.wait_together(1, 2, 3)
        left = [node for event in third.of("configuration", since) for node in event["left"]]
        joined = [node for event in third.of("configuration", since) for node in event["joined"]]
        self.assertLessEqual({"1", "2"}, set(left))
        self.assertLessEqual({1, 2}, set(joined))

    def test_a_partition_and_its_end(self) -> None:
        self.cluster.partition([["n1", "n2"], ["n3"]], ("ring",))
        self.wait_together(1, 2)
        self.wait_together(3)
        self.assertFalse(self.watchers["n3"].last("quorum")["quorate"])
        self.cluster.heal()
        self.wait_together(1, 2, 3)
        self.watchers["n3"].wait("quorum", lambda: self.watchers["n3"].last("quorum")["quorate"])

    def wait_beat(self, at: str, sender: int, since: int = 0) -> Event:
        return self.watchers[at].wait_for("beat", since, sender=sender)


class Messages(Adapters):
    def test_messages_come_to_all_in_one_order(self) -> None:
        for name in NAMES:
            for number in range(20):
                self.watchers[name].tell(f"say {name}-{number}")

        def all_there() -> bool:
            return all(len(watcher.of("delivered")) == 60 for watcher in self.watchers.values())

        wait_until("all messages", all_there)
        orders = [[event["text"] for event in w.of("delivered")] for w in self.watchers.values()]
        self.assertEqual(orders[0], orders[1])
        self.assertEqual(orders[0], orders[2])

    def test_a_flood_and_messages_of_the_largest_size_all_arrive(self) -> None:
        largest = 1024 * 1024 - 1024
        for name in NAMES:
            self.watchers[name].tell("flood 400 1000")
            self.watchers[name].tell(f"flood 4 {largest}")
        wanted = 3 * (400 * 1000 + 4 * largest)
        for watcher in self.watchers.values():
            watcher.wait("the flood", lambda w=watcher: w.counters()["delivered_bytes"] == wanted, 60)

    def test_nothing_waits_for_a_corosync_that_stands_still(self) -> None:
        third = self.watchers["n3"]
        self.signal_corosync("n3", "STOP")
        try:
            third.tell("flood 500 1000")
            third.wait("the flood to be held up", lambda: third.counters()["refused_sends"] > 0)
            counters = third.counters()
            self.assertEqual(500, counters["waiting"] + counters["undelivered"])
            self.assertLessEqual(counters["undelivered"], 64)
        finally:
            self.signal_corosync("n3", "CONT")
        third.wait("the flood", lambda: third.counters()["delivered_bytes"] == 500_000)

    def test_leaving_does_not_wait_for_it_either(self) -> None:
        self.signal_corosync("n3", "STOP")
        try:
            self.watchers["n3"].tell("quit")
            self.watchers["n3"].wait_for("quit")
            self.watchers["n3"].wait("the end", self.watchers["n3"].ended)
        finally:
            self.signal_corosync("n3", "CONT")


class BeatsOverUdp(Adapters):
    def test_everybody_hears_everybody(self) -> None:
        for number, name in enumerate(NAMES, start=1):
            watcher = self.watchers[name]
            for other in {1, 2, 3} - {number}:
                beat = watcher.wait_for("beat", sender=other)
                self.assertGreaterEqual(beat["age_us"], 0)
            counters = watcher.counters()
            self.assertEqual((0, 0, 0), (counters["wrong_key"], counters["old"], counters["duplicates"]))
            self.assertEqual([], watcher.of("warning"))

    def test_a_node_with_another_secret_is_not_heard(self) -> None:
        self.watchers["n3"].stop()
        secret = self.cluster.node("n3").disk / "upper/etc/corosync/authkey"
        before = secret.read_bytes()
        secret.chmod(0o600)
        secret.write_bytes(bytes(reversed(before)))
        try:
            first = self.watchers["n1"]
            since = len(first.events)
            third = self.watch("n3")
            first.wait_for("refused", since, reason=STRANGER)
            first.wait("a warning", lambda: first.of("warning"))
            third.wait_for("refused", reason=STRANGER)
            self.assertEqual([], third.of("beat"))
            self.assertEqual(1, len(first.of("warning")))
        finally:
            secret.write_bytes(before)

    def test_without_secrets_beats_work_and_each_node_says_so_once(self) -> None:
        secret, away = "/etc/corosync/authkey", "/etc/corosync/authkey.away"
        for name in NAMES:
            self.watchers[name].stop()
            self.addCleanup(self.cluster.run, name, ["mv", away, secret])
            self.cluster.run(name, ["mv", secret, away])
        for name in NAMES:
            self.watch(name)
        for number, name in enumerate(NAMES, start=1):
            watcher = self.watchers[name]
            for other in {1, 2, 3} - {number}:
                watcher.wait_for("beat", sender=other)
            self.assertFalse(watcher.last("cluster")["secret"])
            (warning,) = watcher.of("warning")
            self.assertIn("corosync-keygen", warning["text"])
            self.assertEqual([], watcher.of("refused"))

    def test_a_daemon_whose_port_is_taken_says_by_whom_and_ends(self) -> None:
        # The program of these tests has it.
        done = self.cluster.run("n3", ["timeout", "20", "buoyd", "--stderr"], check=False)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertRegex(done.stderr, "beats on 10.78.0.3: UDP port 5440 is taken; find by whom with")
        command = done.stderr.split("find by whom with `")[1].split("`")[0]
        self.assertIn("io_watch", self.cluster.run("n3", command.split()).stdout)


class Configuration(Adapters):
    def test_a_node_added_to_the_nodelist_is_told(self) -> None:
        before = self.cluster.run("n1", ["cat", "/etc/corosync/corosync.conf"]).stdout
        self.addCleanup(self.configure, before)
        end = before.rindex("}\n}\nlogging") + 2
        node = "    node {\n        name: n4\n        nodeid: 4\n        ring0_addr: 10.78.0.4\n    }\n"
        self.configure(before[:end] + node + before[end:])
        for watcher in self.watchers.values():
            watcher.wait("n4", lambda w=watcher: "n4" in w.last("cluster")["nodes"])
            watcher.wait("four nodes", lambda w=watcher: w.last("quorum")["expected"] == 4)
            self.assertEqual(["10.78.0.4"], watcher.last("cluster")["nodes"]["n4"]["addresses"])
        self.configure(before)
        for watcher in self.watchers.values():
            watcher.wait("three nodes", lambda w=watcher: w.last("quorum")["expected"] == 3)
            self.assertEqual(list(NAMES), sorted(watcher.last("cluster")["nodes"]))

    def configure(self, text: str) -> None:
        """Give all nodes another corosync.conf and have it read."""
        for name in NAMES:
            self.cluster.node(name).run(
                ["sh", "-c", "cat > /etc/corosync/corosync.conf"], stdin=text
            )
        self.cluster.run("n1", ["corosync-cfgtool", "-R"])


class PacemakersTools(ClusterTest):
    """Fencing and attributes go by Pacemaker's programs."""

    def setUp(self) -> None:
        super().setUp()
        self.watcher = Watcher(self.cluster, "n1")
        self.addCleanup(self.watcher.stop)
        self.watcher.wait_for("configuration")

    def attributes(self) -> str:
        return self.cluster.run("n1", ["crm_mon", "-1A"]).stdout

    def test_a_node_that_pacemaker_fences_is_reported(self) -> None:
        self.watcher.tell("lost 3")
        self.cluster.power_off("n3")
        report = self.watcher.wait_for("fencing", node=3, succeeded=True)
        self.assertEqual(OFF, report["action"])
        self.assertGreaterEqual(report["age_ms"], 0)

    def test_fencing_before_the_loss_is_not_reported(self) -> None:
        self.cluster.run("n1", ["stonith_admin", "--fence", "n3"])
        # Times are rounded down to a second, and one that is not surely later than the loss does not count.
        self.cluster.run("n1", ["sleep", "1.1"])
        self.watcher.tell("lost 3")
        self.cluster.run("n1", ["sleep", "1.1"])
        self.cluster.run("n1", ["stonith_admin", "--confirm", "n3"])
        self.watcher.wait_for("fencing", node=3)
        self.assertEqual(1, len(self.watcher.of("fencing")))

    def test_failed_fencing_is_not_reported_but_a_persons_word_is(self) -> None:
        self.cluster.set_fencing("fail")
        self.watcher.tell("lost 3")
        self.cluster.power_off("n3")
        self.watcher.wait(
            "fencing to fail",
            lambda: 'status="failed"'
            in self.cluster.run(
                "n1", ["stonith_admin", "--history=n3", "--verbose", "--output-as=xml"]
            ).stdout,
            60,
        )
        self.assertEqual([], self.watcher.of("fencing"))
        self.cluster.run("n1", ["stonith_admin", "--confirm", "n3"])
        report = self.watcher.wait_for("fencing", node=3)
        self.assertEqual((OFF, True), (report["action"], report["succeeded"]))

    def test_attributes_are_shown_and_deleted(self) -> None:
        for value in range(8):
            self.watcher.tell(f"set web {value}/20")
        wait_until("the last value", lambda: "7/20" in self.attributes())
        self.assertRegex(self.attributes(), r"buoy-web\s*: 7/20")
        self.watcher.tell("erase web")
        wait_until("the attribute to go", lambda: "buoy-web" not in self.attributes())
        self.assertEqual([], self.watcher.of("attribute-failed"))


if __name__ == "__main__":
    unittest.main()
