# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's judgement of who held an address when, on made-up frames and on a real network."""

from __future__ import annotations

import os
import unittest

from lab.client import Client
from lab.cluster import temporary
from lab.commands import ip, ip_batch
from lab.evidence import ANNOUNCED, Evidence, overlaps
from lab.probe import now_ms
from lab.settings import Settings
from lab.sweep import counts
from lab.waiting import wait_until


def told(*frames: tuple[float, str]) -> list[Evidence]:
    return [Evidence(time_ms, host, "answered an echo") for time_ms, host in frames]


class Judgement(unittest.TestCase):
    def assert_fine(self, *frames: tuple[float, str]) -> None:
        self.assertEqual([], overlaps("x", told(*frames)))

    def assert_overlap(self, *frames: tuple[float, str]) -> None:
        self.assertNotEqual([], overlaps("x", told(*frames)))

    def test_a_handover_is_one_change(self) -> None:
        self.assert_fine((0, "a"), (5, "a"), (6, "b"), (7, "b"), (8, "b"))

    def test_there_and_back_takes_its_time(self) -> None:
        self.assert_fine((0, "a"), (10, "b"), (20, "b"), (30, "a"))
        self.assert_overlap((0, "a"), (1, "b"), (2, "a"))

    def test_two_that_take_turns_both_hold_it(self) -> None:
        self.assert_overlap((0, "a"), (20, "b"), (40, "a"), (60, "b"))
        self.assert_fine((0, "a"), (200, "b"), (400, "a"), (600, "b"))

    def test_an_answer_after_the_next_node_announced(self) -> None:
        self.assert_overlap((0, "a"), (5, "b"), (15, "a"), (20, "b"))

    def test_three_that_take_turns(self) -> None:
        self.assert_overlap((0, "a"), (5, "b"), (10, "c"), (15, "a"))
        self.assert_fine((0, "a"), (5, "b"), (10, "c"), (15, "d"))

    def test_turns_that_are_announced_are_handovers(self) -> None:
        for said, expected in (((ANNOUNCED,) * 3, 0), ((ANNOUNCED, "answered an echo", ANNOUNCED), 1)):
            turns = [Evidence(20.0 * number, host, how) for number, host, how in zip((1, 2, 3), "bab", said)]
            self.assertEqual(expected, len(overlaps("x", [Evidence(0, "a", "answered an echo"), *turns])))
        at_once = [Evidence(at, host, ANNOUNCED) for at, host in ((0, "a"), (1, "b"), (2, "a"))]
        self.assertEqual(1, len(overlaps("x", at_once)))

    def test_frames_may_come_in_any_order(self) -> None:
        self.assert_overlap((40, "a"), (60, "b"), (0, "a"), (20, "b"))

    def test_who_and_when_is_said(self) -> None:
        (found,) = overlaps("10.0.0.1", told((1000, "a"), (1001, "b"), (1002, "a")))
        self.assertEqual(frozenset("ab"), found.hosts())
        self.assertEqual(
            "10.0.0.1 at 1000.000: a answered an echo (+0.000 ms), b answered an echo (+1.000 ms),"
            " a answered an echo (+2.000 ms)",
            str(found),
        )


class OnTheWire(unittest.TestCase):
    """No cluster: the test itself gives addresses to nodes and takes them."""

    def test_holders_gaps_and_a_second_holder(self) -> None:
        addresses = ["10.77.0.60", "10.77.0.61", "2001:db8:77::60", "2001:db8:77::61"]
        with temporary("sweep", Settings(nodes=3, pacemaker=False)) as cluster:
            nodes = cluster.nodes()
            wait_until("the nodes to boot", lambda: all(node.booted() for node in nodes), 30)
            # A node that has no link-local address yet cannot answer neighbours.
            tentative = ["ip", "-6", "address", "show", "tentative"]
            wait_until("addresses", lambda: not any(n.run(tentative).stdout for n in nodes), 30)

            def change(node: str, verb: str, *these: str) -> None:
                lines = [f"address {verb} {one}/{64 if ':' in one else 24} dev eth0" for one in these]
                nodad = " nodad" if verb == "add" else ""
                ip_batch([line + nodad * (":" in line) for line in lines], cluster.switch.netns_of(node))

            change("n1", "add", *addresses[::2])
            change("n2", "add", *addresses[1::2])
            with Client(cluster).sweep(addresses, 5.0, audit_ms=10) as sweep:
                held = sweep.wait("all to be answered")
                self.assertEqual({"n1": 2, "n2": 2}, counts(held))
                self.assertEqual("n2", held["2001:db8:77::61"])
                began_ms = now_ms()
                change("n1", "del", *addresses[::2])
                wait_until("silence", lambda: len(sweep.holders()) == 2)
                change("n3", "add", *addresses[::2])
                # No announcement here: the client has to find out.
                ip("neighbor", "flush", "all", netns=cluster.switch.netns_of("client"))
                sweep.wait("n3 to answer", lambda held: counts(held) == {"n2": 2, "n3": 2})
                self.assertEqual([], sweep.overlaps())
                second_ms = now_ms()
                change("n1", "add", *addresses[:1])
                wait_until("the second holder to be noticed", lambda: sweep.overlaps(second_ms))
                self.assertEqual({"n1", "n3"}, {h for one in sweep.overlaps(second_ms) for h in one.hosts()})
                reports = sweep.stop()
            self.assertEqual({addresses[0]}, {one.address for one in sweep.overlaps()})
            for address, report in reports.items():
                since = report.since(began_ms, second_ms).longest_gap_ms()
                moved = address in addresses[::2]
                self.assertEqual(moved, since > 0, f"{address}: {since} ms")
                self.assertEqual(["n1", "n3"] if moved else ["n2"], [turn.host for turn in report.turns()])
        self.assertFalse(os.path.exists(f"/run/netns/{cluster.switch.netns}"))


if __name__ == "__main__":
    unittest.main()
