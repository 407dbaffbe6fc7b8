# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's own reading of frames and of probe results: a wrong ruler would pass any test."""

from __future__ import annotations

import unittest

from lab.frames import Advertisement, Arp, Echo, decode
from lab.pool import expand
from lab.probe import Report, Request
from lab.timeline import State, seen, timeline

NODE = bytes.fromhex("02b001000001")
ALL = b"\xff" * 6


def arp(operation: int, sender_ip: str, target_ip: str) -> bytes:
    def address(text: str) -> bytes:
        return bytes(map(int, text.split(".")))

    header = bytes.fromhex("0001080006040000")[:6] + operation.to_bytes(2, "big")
    return ALL + NODE + b"\x08\x06" + header + NODE + address(sender_ip) + b"\0" * 6 + address(target_ip)


class Frames(unittest.TestCase):
    def test_gratuitous_arp_is_told_from_a_question(self) -> None:
        announcement = decode(1, "n1", arp(2, "10.0.0.1", "10.0.0.1")).packet
        question = decode(1, "n1", arp(1, "10.0.0.1", "10.0.0.2")).packet
        self.assertIsInstance(announcement, Arp)
        self.assertTrue(announcement.gratuitous and announcement.reply)
        self.assertFalse(question.gratuitous or question.reply)

    def test_neighbour_advertisement_flags_and_option(self) -> None:
        ip6 = bytes.fromhex("6000000000203aff") + b"\xfe" + b"\0" * 14 + b"\x01" + b"\xff\x02" + b"\0" * 13 + b"\x01"
        target = bytes.fromhex("20010db8" + "0" * 22 + "50")
        frame = ALL + NODE + b"\x86\xdd" + ip6 + b"\x88\0\0\0" + b"\x20\0\0\0" + target + b"\x02\x01" + NODE
        packet = decode(1, "n1", frame).packet
        self.assertIsInstance(packet, Advertisement)
        self.assertEqual(("2001:db8::50", "02:b0:01:00:00:01"), (packet.target, packet.link_layer))
        self.assertEqual((True, False, 255), (packet.override, packet.solicited, packet.hop_limit))

    def test_malformed_frames_are_frames_with_nothing_in_them(self) -> None:
        whole = arp(1, "10.0.0.1", "10.0.0.2")
        self.assertIsNone(decode(1, "n1", whole[:13]))
        for length in range(14, len(whole)):
            self.assertIsNone(decode(1, "n1", whole[:length]).packet)

    def test_echo_reply(self) -> None:
        ip4 = bytes.fromhex("4500001c0000000040010000") + bytes([10, 0, 0, 1, 10, 0, 0, 2])
        packet = decode(1, "n1", ALL + NODE + b"\x08\0" + ip4 + bytes.fromhex("0000000000070009")).packet
        self.assertEqual(Echo(True, "10.0.0.1", "10.0.0.2", 7, 9), packet)


def requests(pattern: str) -> Report:
    """One request every 5 ms: a letter is the node that answered at once, "." nobody, "l" late."""
    made = []
    for index, letter in enumerate(pattern):
        request = Request(index, index * 5.0)
        if letter == "l":
            request.answered_ms, request.hosts = index * 5.0 + 80, ["a"]
        elif letter != ".":
            request.answered_ms, request.hosts = index * 5.0 + 0.1, [letter]
            request.mac = "mac of " + letter
        made.append(request)
    return Report(made, late_ms=15)


class Gaps(unittest.TestCase):
    def test_gap_reaches_from_answered_to_answered(self) -> None:
        (gap,) = requests("aaa..bb").gaps()
        self.assertEqual((15.0, 2, "a", "b"), (gap.length_ms, gap.unanswered, gap.before, gap.after))

    def test_late_answers_count_as_silence(self) -> None:
        self.assertEqual(15.0, requests("allb").longest_gap_ms())

    def test_open_gap_is_endless(self) -> None:
        self.assertEqual(float("inf"), requests("aa..").longest_gap_ms())
        self.assertEqual(0.0, requests("aaaa").longest_gap_ms())

    def test_part_of_a_report_keeps_the_start_of_its_gap(self) -> None:
        report = requests("a..ab...ba")
        self.assertEqual(20.0, report.since(27).longest_gap_ms())
        self.assertEqual(0.0, report.since(41).longest_gap_ms())

    def test_turns_and_double_answers(self) -> None:
        report = requests("aab")
        self.assertEqual(["a", "b"], [turn.host for turn in report.turns()])
        self.assertEqual([], report.answered_twice())
        report.requests[1].hosts.append("b")
        self.assertEqual([1], [request.sequence for request in report.answered_twice()])


class Pools(unittest.TestCase):
    def test_ranges_of_both_families_become_addresses(self) -> None:
        self.assertEqual(
            ["10.0.0.9", "10.0.0.10", "2001:db8::9", "2001:db8::a", "10.0.1.1"],
            expand("10.0.0.9-10.0.0.10 2001:db8::9-2001:db8::a 10.0.1.1"),
        )

    def test_timeline_counts_who_answers_and_who_is_silent(self) -> None:
        reports = {"x": requests("aaa..bbb"), "y": requests("ccccc.cc")}
        self.assertEqual(
            [
                State(0, {"a": 1, "c": 1}, 0),
                State(15, {"c": 1}, 1),
                State(25, {"b": 1}, 1),
                State(30, {"b": 1, "c": 1}, 0),
            ],
            timeline(reports, 0, shortest_ms=1),
        )

    def test_states_that_do_not_last_are_left_out(self) -> None:
        reports = {"x": requests("aaa.bbb")}
        self.assertEqual(
            [State(0, {"a": 1}, 0), State(20, {"b": 1}, 0)], timeline(reports, 0, shortest_ms=8)
        )
        # A blink and back is nothing that lasted.
        self.assertEqual([State(0, {"a": 1}, 0)], timeline({"x": requests("aaa.aaa")}, 0, shortest_ms=8))

    def test_what_a_client_saw_of_a_change(self) -> None:
        reports = {"x": requests("aa..bb"), "y": requests("aaaaaa"), "z": requests("aa.bbb")}
        self.assertEqual("2 of 3 silent: median 12 ms, longest 15 ms", str(seen(reports, 0)))
        self.assertEqual("nothing: every request was answered", str(seen({"y": requests("aa")}, 0)))
        self.assertEqual("1 of 1 silent, 1 of them for good", str(seen({"x": requests("a..")}, 0)))


if __name__ == "__main__":
    unittest.main()
