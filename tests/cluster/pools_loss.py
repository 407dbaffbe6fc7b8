# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool whose nodes go without a word, or only half. Covered again, and never by two at a time."""

from __future__ import annotations

import signal
import socket
import time
import unittest
from dataclasses import replace

from pooling import PoolTest

from lab.kernel import inside_netns
from lab.pool import Pool, Standing
from lab.probe import now_ms
from lab.shared import long, put_right
from lab.sweep import Sweep
from lab.switch import socket_of
from lab.waiting import wait_until

PAUSE_S = 5.0
SLOW_FENCING_S = 20.0
BEATS = "udp dport 5440"


ETH_P_ALL = 3
UDP_CHECKSUM = slice(40, 42)


def is_beat(frame: bytes, receiver: str) -> bool:
    """Whether a frame is a beat to a MAC: IPv4, UDP, without options."""
    to_it = frame[:6] == bytes.fromhex(receiver.replace(":", ""))
    return to_it and frame[12:15] == b"\x08\x00\x45" and frame[23] == socket.IPPROTO_UDP and frame[36:38] == b"\x15\x40"


def again(frame: bytes, flipped: int = 0) -> bytes:
    """The same, perhaps with some last bits flipped. UDP has nothing to complain about: no checksum (RFC 768)."""
    changed = bytearray(frame)
    changed[-1] ^= flipped
    changed[UDP_CHECKSUM] = b"\0\0"
    return bytes(changed)


def elapse(since_s: float, duration_s: float) -> None:
    """Let a pause last as long as it is to last: the one thing that there is no event for."""
    time.sleep(max(0.0, since_s + duration_s - time.monotonic()))


class PowerOff(PoolTest):
    """Nobody waits for fencing: the leases are proof enough."""

    def test_with_working_fencing_and_return(self) -> None:
        known = len(self.cluster.fencings("n2"))
        with self.sweep() as sweep:
            self.cluster.power_off("n2")
            self.assert_taken_over("n2", self.wait_covered(sweep, "n2"))
            wait_until("n2 to be fenced", lambda: len(self.cluster.fencings("n2")) > known)
            self.settled("n1", "n3")
            self.cluster.power_on("n2")
            self.cluster.wait_online()
            self.settled()
            self.wait_covered(sweep)

    def with_guarded(self) -> tuple[Pool, Standing, Sweep]:
        """A second pool whose addresses wait for fencing, and a sweep of them."""
        guarded = Pool(self.cluster, "guarded", "10.77.0.90-10.77.0.95")
        guarded.create("on_loss=fenced")
        before = guarded.wait_settled()["n1"]
        sweep = self.watch(guarded.addresses)
        sweep.wait("the guarded ones to be answered")
        return guarded, before, sweep

    def lose(self, node: str, sweep: Sweep) -> float:
        """Cut a node's power and wait until what waits for nothing is taken over; the time of the cut, in ms."""
        off_ms = now_ms()
        self.cluster.power_off(node)
        self.assert_taken_over(node, self.wait_covered(sweep, node))
        return off_ms

    def assert_waited(self, waiting: Sweep, addresses: list[str], lost: str, off_ms: float, until_ms: float) -> None:
        """Nobody answered for a lost node's addresses before that node was known to be off."""
        for address in addresses:
            turns = [turn for turn in waiting.reports()[address].turns() if turn.host != lost]
            early = [turn for turn in turns if off_ms < turn.since_ms < until_ms]
            self.assertEqual([], early, f"{address} was answered before {lost} was known to be off")

    def test_without_fencing_auto_does_not_wait_and_fenced_waits_for_a_persons_word(self) -> None:
        guarded, before, waiting = self.with_guarded()
        known = len(self.cluster.fencings("n3"))
        self.cluster.set_fencing("off")
        with self.sweep() as sweep:
            off_ms = self.lose("n3", sweep)
            self.settled("n1", "n2")
            said = "until n3 is fenced, or `buoy confirm-down n3` vouches for it"
            address = before.of("n3")[0]
            wait_until("it to be explained", lambda: said in guarded.buoy("n1", "explain", address))
            self.assertEqual(set(before.of("n1") + before.of("n2")), set(waiting.holders()))
            word_ms = now_ms()
            self.pool.buoy("n1", "confirm-down", "n3", "--yes")
            waiting.wait("all to be answered without n3", lambda held: "n3" not in held.values())
            self.assert_waited(waiting, before.of("n3"), "n3", off_ms, word_ms)
            self.assertEqual(known, len(self.cluster.fencings("n3")))

    @long
    def test_a_fencing_device_that_comes_back_ends_the_waiting(self) -> None:
        _, before, waiting = self.with_guarded()
        known = len(self.cluster.fencings("n3"))
        self.cluster.set_fencing("off")
        with self.sweep() as sweep:
            off_ms = self.lose("n3", sweep)
            failed = lambda: self.cluster.fencings("n3", "failed")[-1:] > [off_ms / 1000]  # noqa: E731
            wait_until("fencing to fail", failed, 60)
            self.assertEqual(set(before.of("n1") + before.of("n2")), set(waiting.holders()))
            self.cluster.set_fencing("work")
            self.cluster.anywhere(["stonith_admin", "--fence", "n3"])
            waiting.wait("all to be answered without n3", lambda held: "n3" not in held.values(), 60)
            self.assert_waited(waiting, before.of("n3"), "n3", off_ms, self.cluster.fencings("n3")[known] * 1000)

    @long
    def test_a_pool_with_on_loss_fenced_waits_for_fencing_and_another_does_not(self) -> None:
        _, before, waiting = self.with_guarded()
        self.cluster.set_fencing("slow", SLOW_FENCING_S)
        known = len(self.cluster.fencings("n2"))
        with self.sweep() as sweep:
            off_ms = self.lose("n2", sweep)
            self.assertEqual(known, len(self.cluster.fencings("n2")), "fencing was there first")
            waiting.wait("all to be answered without n2", lambda held: "n2" not in held.values(), 60)
            self.assert_waited(waiting, before.of("n2"), "n2", off_ms, self.cluster.fencings("n2")[known] * 1000)

    @long
    def test_with_stock_timers_it_is_not_corosync_that_is_waited_for(self) -> None:
        nodes = self.cluster.node_names()
        self.configure(replace(self.settings, stock_timers=True), *nodes)
        self.addCleanup(self.restore_timers)
        with self.sweep() as sweep:
            off_ms = now_ms()
            self.cluster.power_off("n1")
            self.assert_taken_over("n1", self.wait_covered(sweep, "n1"))
            fenced = [one for one in self.cluster.fencings("n1") if one * 1000 > off_ms]
            self.assertEqual([], fenced, "Corosync and fencing were there first")

    def restore_timers(self) -> None:
        """With all nodes on: a reload makes votequorum wait for all of them again."""
        put_right(self.cluster, self.keep)
        self.configure(self.settings, *self.cluster.node_names())


class Daemons(PoolTest):
    """Daemons that are killed, or stand still, on a node whose kernel goes on."""

    def stand_still(self, node: str, sweep: Sweep, name: str) -> None:
        began_s = time.monotonic()
        self.signal_daemon(node, signal.SIGSTOP, name)
        self.assert_taken_over(node, self.wait_covered(sweep, node, what=f"while its {name} stands still"))
        elapse(began_s, PAUSE_S)
        self.signal_daemon(node, signal.SIGCONT, name)

    def test_buoyd_killed(self) -> None:
        with self.sweep() as sweep:
            old = self.pool.daemon("n1")
            self.signal_daemon("n1", signal.SIGKILL)
            wait_until("another buoyd on n1", lambda: self.pool.daemon("n1") not in (0, old), 30)
            self.settled()
            self.wait_covered(sweep)

    @long
    def test_buoyd_stands_still(self) -> None:
        with self.sweep() as sweep:
            self.stand_still("n1", sweep, "buoyd")
            self.settled()
            self.wait_covered(sweep)

    @long
    def test_corosync_stands_still(self) -> None:
        self.cluster.set_fencing("fail")
        with self.sweep() as sweep:
            self.stand_still("n1", sweep, "corosync")
            self.settled()
            self.wait_covered(sweep)

    def test_node_stands_still(self) -> None:
        self.cluster.set_fencing("fail")
        with self.sweep() as sweep:
            began_s = time.monotonic()
            self.cluster.pause("n2")
            self.assert_taken_over("n2", self.wait_covered(sweep, "n2", what="while it stands still"))
            elapse(began_s, PAUSE_S)
            self.cluster.resume("n2")
            self.settled()
            self.wait_covered(sweep)

    def test_node_half_dead(self) -> None:
        self.cluster.set_fencing("fail")
        with self.sweep() as sweep:
            self.cluster.kill("n3")
            self.assert_taken_over("n3", self.wait_covered(sweep, "n3"))

    def corosync_ends(self, node: str, number: signal.Signals) -> None:
        with self.sweep() as sweep:
            self.signal_daemon(node, number, "corosync")
            self.assert_taken_over(node, self.wait_covered(sweep, node))
            self.settled(*self.others(node))

    def test_corosync_killed(self) -> None:
        self.corosync_ends("n2", signal.SIGKILL)

    @long
    def test_corosync_terminated(self) -> None:
        self.corosync_ends("n3", signal.SIGTERM)


class Cuts(PoolTest):
    """Networks that are cut, without fencing: what the cluster does by itself."""

    def setUp(self) -> None:
        super().setUp()
        self.cluster.set_fencing("fail")

    def heal(self, sweep: Sweep) -> None:
        self.cluster.heal()
        self.settled()
        self.wait_covered(sweep)

    def test_partition_and_heal(self) -> None:
        with self.sweep() as sweep:
            self.cluster.partition([["n1", "n2"], ["n3"]])
            self.assert_taken_over("n3", self.wait_covered(sweep, "n3"))
            self.heal(sweep)

    def test_ring_cut_and_the_clients_network_alive(self) -> None:
        with self.sweep() as sweep:
            self.cluster.partition([["n1"], ["n2", "n3"]], ("ring",))
            self.assert_taken_over("n1", self.wait_covered(sweep, "n1"))
            self.heal(sweep)

    @long
    def test_clients_network_cut_and_the_ring_alive(self) -> None:
        with self.sweep() as sweep:
            self.cluster.partition([["n1", "n2"], ["n3"]], ("lan",))
            gone = set(self.before.of("n3"))
            wait_until("n3 to be out of reach", lambda: set(sweep.holders()) == set(self.pool.addresses) - gone)
            # Nobody but its clients can know, so nothing moves.
            self.assertEqual(self.before.owners, self.settled().owners)
            self.heal(sweep)

    def test_quorum_lost_and_regained(self) -> None:
        with self.sweep() as sweep:
            self.cluster.partition([["n1"], ["n2"], ["n3"]], ("ring",))
            wait_until("silence", lambda: not sweep.holders(), 30, explain=lambda: str(sweep.holders()))
            self.heal(sweep)

    def cut_beats(self, node: str, *hooks: str) -> None:
        """Lose a node's beats, those that leave it (output), come to it (input) or both."""
        self.addCleanup(self.let_beats_through, node)
        for hook in hooks:
            rules = f"add table inet cut; add chain inet cut {hook} {{ type filter hook {hook} priority 0; }}"
            self.cluster.run(node, ["nft", f"{rules}; add rule inet cut {hook} {BEATS} drop"])

    def let_beats_through(self, node: str) -> None:
        self.cluster.run(node, ["nft", "delete table inet cut"], False)

    def stays_out(self, node: str, *hooks: str) -> None:
        """While its beats are cut others have what it had, all the time; then it comes back."""
        with self.sweep() as sweep:
            self.cut_beats(node, *hooks)
            held = self.wait_covered(sweep, node)
            self.assert_taken_over(node, held)
            # Each of the others may say so, which is an entry, and so may the node itself.
            wait_until("its loss to be in the order", lambda: self.is_lost(node))
            since_ms, began_s = now_ms(), time.monotonic()
            entries = self.entries(node)
            elapse(began_s, PAUSE_S)
            self.assertEqual(held, sweep.holders(), "something moved while nothing changed")
            self.assert_undisturbed(sweep, self.pool.addresses, since_ms)
            self.assertLess(self.entries(node) - entries, 3, "it keeps asking to be let in")
            said = self.pool.buoy(node, "explain", self.before.of(node)[0])
            self.assertIn("UDP port 5440", said)
            self.let_beats_through(node)
            self.heal(sweep)

    def is_lost(self, node: str) -> bool:
        """Whether a node is lost in the order, as another one knows it."""
        status = self.pool.status(self.others(node)[0])
        assert status is not None
        return any(one["lost"] for one in status["nodes"] if one["name"] == node)

    def entries(self, node: str) -> int:
        """How many entries of the ring a node has applied."""
        status = self.pool.status(node)
        assert status is not None
        return int(status["entries"])

    def test_beats_cut_while_corosync_is_fine(self) -> None:
        self.stays_out("n2", "input", "output")

    @long
    def test_a_node_that_nobody_hears_stays_out(self) -> None:
        self.stays_out("n2", "output")

    @long
    def test_a_node_that_hears_no_beats_stays_out(self) -> None:
        self.stays_out("n2", "input")

    def refused(self, node: str, reason: str) -> int:
        """How many messages a node has dropped for a reason."""
        (line,) = [
            line for line in self.pool.buoy(node, "metrics").splitlines()
            if line.startswith(f'buoy_messages_refused_total{{reason="{reason}"}}')
        ]  # fmt: skip
        return int(line.split()[-1])

    def test_beats_replayed_or_tampered_with_change_nothing(self) -> None:
        with inside_netns(self.cluster.switch.netns_of("n2")):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(ETH_P_ALL))
        with self.sweep() as sweep, wire:
            wire.bind(("eth1", ETH_P_ALL))
            beats: list[bytes] = []
            while len(beats) < 10:
                frame = wire.recv(2048)
                if is_beat(frame, socket_of("n1", "ring").mac):
                    beats.append(frame)
            old, strange, entries = self.refused("n1", "old"), self.refused("n1", "stranger"), self.entries("n1")
            # The last one may be the newest there is, which is no replay but a second copy.
            for frame in beats[:-1]:
                wire.send(again(frame))
                wire.send(again(frame, flipped=1))
            wait_until("the replayed ones to be counted", lambda: self.refused("n1", "old") >= old + 9)
            wait_until("the others to be counted", lambda: self.refused("n1", "stranger") >= strange + 9)
            self.assertEqual(entries, self.entries("n1"))
            self.assertEqual(self.before.owners, sweep.holders())
            self.assert_undisturbed(sweep, self.pool.addresses)
            log = self.cluster.run("n1", ["grep", "-c", "do not have this cluster's key", "/var/log/buoy/buoyd.log"])
            self.assertEqual("1", log.stdout.strip(), "warnings of a wrong key")


if __name__ == "__main__":
    unittest.main()
