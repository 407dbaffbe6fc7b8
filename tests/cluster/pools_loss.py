# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool whose nodes go without a word, or only half. Covered again, and never by two at a time."""

from __future__ import annotations

import signal
import time
import unittest
from dataclasses import replace

from pooling import PoolTest

from lab.pool import Pool
from lab.probe import now_ms
from lab.shared import long, put_right
from lab.sweep import Sweep
from lab.waiting import wait_until

PAUSE_S = 5.0
SLOW_FENCING_S = 20.0
BEATS = "udp dport 5440"


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
            self.assert_exclusive(sweep)

    def test_without_fencing_it_is_not_waited_for(self) -> None:
        known = len(self.cluster.fencings("n3"))
        self.cluster.set_fencing("fail")
        with self.sweep() as sweep:
            self.cluster.power_off("n3")
            self.assert_taken_over("n3", self.wait_covered(sweep, "n3"))
            self.assertEqual(known, len(self.cluster.fencings("n3")))
            self.settled("n1", "n2")
            self.assert_exclusive(sweep)

    @long
    def test_a_pool_with_on_loss_fenced_waits_for_fencing_and_another_does_not(self) -> None:
        guarded = Pool(self.cluster, "guarded", "10.77.0.90-10.77.0.95")
        guarded.create("on_loss=fenced")
        before = guarded.wait_settled()["n1"]
        self.cluster.set_fencing("slow", SLOW_FENCING_S)
        known = len(self.cluster.fencings("n2"))
        with self.sweep() as sweep, self.client.sweep(guarded.addresses, 10.0, audit_ms=20.0) as waiting:
            waiting.wait("the guarded ones to be answered")
            off_ms = now_ms()
            self.cluster.power_off("n2")
            self.assert_taken_over("n2", self.wait_covered(sweep, "n2"))
            self.assertEqual(known, len(self.cluster.fencings("n2")), "fencing was there first")
            waiting.wait("all to be answered without n2", lambda held: "n2" not in held.values(), 60)
            fenced_ms = self.cluster.fencings("n2")[known] * 1000
            for address in before.of("n2"):
                turns = [turn for turn in waiting.reports()[address].turns() if turn.host != "n2"]
                early = [turn for turn in turns if off_ms < turn.since_ms < fenced_ms]
                self.assertEqual([], early, f"{address} was answered before fencing was done")
            self.assert_exclusive(sweep)
            self.assert_exclusive(waiting)

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
            self.assert_exclusive(sweep)

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
            self.assert_exclusive(sweep)

    @long
    def test_buoyd_stands_still(self) -> None:
        with self.sweep() as sweep:
            self.stand_still("n1", sweep, "buoyd")
            self.settled()
            self.wait_covered(sweep)
            self.assert_exclusive(sweep)

    @long
    def test_corosync_stands_still(self) -> None:
        self.cluster.set_fencing("fail")
        with self.sweep() as sweep:
            self.stand_still("n1", sweep, "corosync")
            self.settled()
            self.wait_covered(sweep)
            self.assert_exclusive(sweep)

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
            self.assert_exclusive(sweep)

    def test_node_half_dead(self) -> None:
        self.cluster.set_fencing("fail")
        with self.sweep() as sweep:
            self.cluster.kill("n3")
            self.assert_taken_over("n3", self.wait_covered(sweep, "n3"))
            self.assert_exclusive(sweep)

    def corosync_ends(self, node: str, number: signal.Signals) -> None:
        with self.sweep() as sweep:
            self.signal_daemon(node, number, "corosync")
            self.assert_taken_over(node, self.wait_covered(sweep, node))
            self.settled(*self.others(node))
            self.assert_exclusive(sweep)

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
        self.assert_exclusive(sweep)

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


if __name__ == "__main__":
    unittest.main()
