# SPDX-License-Identifier: GPL-2.0-or-later
"""Another host has the address: found, or not, by each of the checks, also while the segment is flooded."""

from __future__ import annotations

import os
import random
import socket
import struct
import unittest

from rig import IP4, IP6, NET4, AgentTest, Sending, mac_of
from sniffer import announces, claims
from test_virtual_mac import arp_request

GENERIC = 1
VMAC = "02:00:5e:77:00:01"


class ConflictTest(AgentTest):
    def setUp(self) -> None:
        super().setUp()
        self.rival = self.segment.add("rival", 2)

    def give_rival(self, ip: str) -> None:
        """Another host has the address, without having told anybody."""
        self.rival.ip(f"address add {ip}/{64 if ':' in ip else 24} dev eth0" + (" nodad" if ":" in ip else ""))


class Ipv4(ConflictTest):
    def test_it_is_found_and_nothing_is_left(self) -> None:
        self.give_rival(IP4)
        for given in ({"conflict_check": "fast"}, {"run_arping": "true"}, {"conflict_check": "fast", "mac": "auto"}):
            with self.subTest(given=given), self.nothing_changes(), self.segment.sniff() as wire:
                answer = self.node.agent("start", ip=IP4, **given)
                self.refused(GENERIC, answer, IP4, "in use already", mac_of(2), "choose another")
                self.assertEqual([], wire.frames(lambda f: f.port == "node" and claims(IP4)(f)))

    def test_nobody_is_asked_by_default(self) -> None:
        self.give_rival(IP4)
        with self.segment.sniff() as wire:
            self.start(ip=IP4)
            self.assertEqual([], wire.frames(lambda f: f.port == "node" and getattr(f.packet, "sender_ip", "") == "0.0.0.0"))

    def test_a_check_that_finds_nobody_is_a_probe_and_then_a_start(self) -> None:
        for more in ({}, {"mac": "auto"}):
            with self.subTest(more=more), self.segment.sniff() as wire:
                self.start(ip=IP4, conflict_check="fast", **more)
                probes = wire.frames(lambda f: f.port == "node" and getattr(f.packet, "sender_ip", "") == "0.0.0.0")
                self.assertEqual(3, len(probes))
                self.assertEqual({(mac_of(1), IP4)}, {(f.source, f.packet.target_ip) for f in probes})
                self.assertTrue(self.client.reaches(IP4))
                self.stop(ip=IP4, **more)

    def test_an_address_that_is_here_already_is_not_checked_again(self) -> None:
        self.start(ip=IP4)
        self.give_rival(IP4)
        self.start(ip=IP4, conflict_check="fast")

    def test_another_node_with_the_same_virtual_mac_is_found_and_not_robbed(self) -> None:
        """Two cluster nodes that do not see each other: whoever asks must not turn the switch to itself."""
        self.ok(self.rival.agent("start", ip=IP4, mac=VMAC))
        self.assertTrue(self.client.reaches(IP4))
        with self.nothing_changes(), self.segment.sniff() as wire:
            answer = self.node.agent("start", ip=IP4, mac=VMAC, conflict_check="fast")
            self.refused(GENERIC, answer, IP4, "in use already", VMAC)
            self.assertEqual([], wire.frames(lambda f: f.port == "node" and f.source == VMAC))
        self.assertIn(f"{VMAC} dev rival ", self.segment.switch.run("bridge", "fdb", "show", "dynamic"))

    def test_two_that_ask_at_the_same_moment_find_each_other(self) -> None:
        with self.nothing_changes(), self.nothing_changes(self.rival):
            both = [host.begin("start", ip=IP4, conflict_check="fast") for host in (self.node, self.rival)]
            codes = sorted(one.wait().code for one in both)
            # Whose last probe falls behind the other's start hears the announcement; both may give way.
            self.assertIn(codes, ([0, 1], [1, 1]))
            for host in (self.node, self.rival):
                self.ok(host.agent("stop", ip=IP4))

    def test_a_link_that_dies_during_the_check_is_a_failure(self) -> None:
        with self.segment.sniff() as wire:
            starting = self.node.begin("start", ip=IP4, conflict_check="rfc5227")
            wire.wait("a probe", lambda f: f.port == "node" and getattr(f.packet, "sender_ip", "") == "0.0.0.0")
            self.node.ip("link set eth0 down")
            answer = starting.wait()
        self.refused(GENERIC, answer, "eth0")
        self.assertEqual([], self.node.addresses(IP4))


class FullCheck(ConflictTest):
    """The standard's own timing takes seconds, so all cases are waited for together."""

    def test_full_check(self) -> None:
        free4, free6 = f"{NET4}.61", "2001:db8:9::61"
        self.give_rival(IP4)
        self.give_rival(IP6)
        cases = {
            name: self.node.begin("start", conflict_check="rfc5227", arp_count=1, **way)
            for name, way in {
                "taken 4": {"ip": IP4}, "taken 6": {"ip": IP6}, "free 4": {"ip": free4}, "free 6": {"ip": free6},
                "taken 4 with mac": {"ip": IP4, "mac": VMAC}, "taken 6 with mac": {"ip": IP6, "mac": "auto"},
            }.items()
        }  # fmt: skip
        answers = {name: one.wait() for name, one in cases.items()}
        for name, answer in answers.items():
            with self.subTest(name):
                if name.startswith("free"):
                    self.ok(answer)
                else:
                    self.refused(GENERIC, answer, "in use already")
        self.assertNotIn("tentative", self.node.address(free6))
        self.assertEqual([free4, free6], [ip for ip in (IP4, IP6, free4, free6) if self.node.addresses(ip)])


class Ipv6(ConflictTest):
    def test_a_duplicate_is_found_by_default(self) -> None:
        self.give_rival(IP6)
        for more in ({}, {"mac": "auto"}):
            with self.subTest(more=more), self.nothing_changes():
                answer = self.node.agent("start", ip=IP6, **more)
                self.refused(GENERIC, answer, IP6, "in use already", "duplicate address detection")

    def test_another_node_with_the_same_virtual_mac_is_found(self) -> None:
        """The kernel does not hear it: its frames come from the MAC of the node's own device."""
        self.ok(self.rival.agent("start", ip=IP6, mac=VMAC))
        for check in ("fast", "rfc5227"):
            with self.subTest(check=check), self.nothing_changes():
                answer = self.node.agent("start", ip=IP6, mac=VMAC, conflict_check=check)
                self.refused(GENERIC, answer, IP6, "in use already")
        self.ok(self.node.agent("start", ip=IP6, mac=VMAC, conflict_check="off"))

    def test_no_check_is_no_check(self) -> None:
        self.give_rival(IP6)
        for more in ({"nodad": "true"}, {"conflict_check": "off"}):
            self.start(ip=IP6, **more)
            self.stop(ip=IP6)

    def test_the_address_is_in_use_while_duplicates_are_looked_for(self) -> None:
        with self.segment.sniff() as wire:
            starting = self.node.begin("start", ip=IP6, conflict_check="rfc5227")
            wire.wait("the announcement", announces(IP6))
            self.assertTrue(self.node.address(IP6).get("optimistic"))
            self.assertTrue(self.client.reaches(IP6))
            self.assertIsNone(starting.child.poll(), "it answers only when the check is over")
            self.ok(starting.wait())
        self.assertNotIn("optimistic", self.node.address(IP6))

    def test_the_settings_of_the_link_stay_as_they_were(self) -> None:
        for before in (0, 1):
            self.node.sysctl("ipv6/conf/eth0/optimistic_dad", before)
            self.start(ip=IP6)
            self.assertEqual(before, self.node.sysctl("ipv6/conf/eth0/optimistic_dad"))
            self.stop(ip=IP6)

    def test_a_duplicate_found_later_is_noticed_by_monitor_and_mended_by_start(self) -> None:
        self.give_rival(IP6)
        self.node.ip(f"address add {IP6}/64 dev eth0")
        with self.segment.sniff() as wire:
            wire.wait("the rival's defence", lambda f: f.port == "rival" and claims(IP6)(f))
        for _ in range(1000):
            if self.node.address(IP6).get("dadfailed"):
                break
        self.refused(GENERIC, self.node.agent("monitor", ip=IP6), IP6, "duplicate")
        self.rival.ip(f"address delete {IP6}/64 dev eth0")
        self.start(ip=IP6)
        self.ok(self.node.agent("monitor", ip=IP6))


class Flood(ConflictTest):
    """Malformed and hostile frames while the agent listens: an answer, never a crash."""

    def flood(self, frames: list[bytes]) -> Sending:
        return Sending(self.rival, frames)

    def noise(self) -> list[bytes]:
        """ARP and neighbour discovery cut short, too long, with wrong lengths and with random bytes."""
        dice = random.Random(7)
        whole4 = arp_request(mac_of(2), f"{NET4}.2", IP4)
        na = bytes.fromhex("6000000000203aff") + os.urandom(16) + bytes.fromhex("ff02" + "00" * 13 + "01")
        na += b"\x88\0\0\0\x60\0\0\0" + socket.inet_pton(socket.AF_INET6, IP6) + b"\x02\x01" + b"\2" * 6
        whole6 = b"\x33\x33\0\0\0\1" + bytes.fromhex(mac_of(2).replace(":", "")) + b"\x86\xdd" + na
        frames = []
        for whole in (whole4, whole6):
            frames += [whole[:length] for length in range(14, len(whole) - 1)]
            for _ in range(60):
                broken = bytearray(whole)
                for _ in range(dice.randrange(1, 6)):
                    broken[dice.randrange(14, len(broken))] = dice.randrange(256)
                if whole is whole6 or (broken[28:32] != socket.inet_aton(IP4) and broken[38:42] != socket.inet_aton(IP4)):
                    frames.append(bytes(broken))
            frames += [whole[:14] + dice.randbytes(length) for length in (1, 27, 28, 29, 500, 1480)]
            frames += [whole + b"\0" * 1000, whole[:20] + b"\0" * 40]
        return frames

    def test_noise_is_no_conflict(self) -> None:
        with self.flood(self.noise()) as flooding:
            for more in ({"ip": IP4, "conflict_check": "fast"}, {"ip": IP4, "mac": "auto", "conflict_check": "fast"}):
                with self.subTest(more=more), self.nothing_changes():
                    self.start(**more)
                    self.assertEqual(0, self.node.agent("monitor", level=10, **more).code)
                    self.stop(**more)
            self.assertGreater(flooding.sent, 1000)

    def test_a_conflict_is_found_among_noise(self) -> None:
        self.give_rival(IP4)
        with self.flood(self.noise()), self.nothing_changes():
            self.refused(GENERIC, self.node.agent("start", ip=IP4, conflict_check="fast"), mac_of(2))

    def test_the_gateway_check_among_noise(self) -> None:
        for family, ip, gateway in (("-4", IP4, f"{NET4}.77"), ("-6", IP6, "2001:db8:9::77")):
            self.start(ip=ip, nodad="true")
            with self.flood(self.noise()):
                answer = self.node.agent("monitor", ip=ip, level=10, gateway_check=gateway)
            self.refused(GENERIC, answer, gateway, "does not answer")


if __name__ == "__main__":
    unittest.main()
