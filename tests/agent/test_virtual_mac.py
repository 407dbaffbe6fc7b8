# SPDX-License-Identifier: GPL-2.0-or-later
"""A MAC that travels with the address: what the segment hears from it, and what the node is left with."""

from __future__ import annotations

import itertools
import random
import socket
import struct
import unittest

from rig import IP4, IP6, NET4, NET6, PROBE, AgentTest, Sending, mac_of
from sniffer import Seen, announces, claims, speaks_from
from lab.frames import Advertisement, Arp, Solicitation

GENERIC = 1
VMAC = "02:00:5e:77:00:01"
DEVICE = "bv02005e770001"
NIC_SETTINGS = ("arp_ignore", "arp_announce")


def arp_request(sender_mac: str, sender_ip: str, target_ip: str) -> bytes:
    """One ARP request as a frame."""
    mac = bytes.fromhex(sender_mac.replace(":", ""))
    return (
        b"\xff" * 6 + mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + mac
        + socket.inet_aton(sender_ip) + b"\0" * 6 + socket.inet_aton(target_ip)
    )  # fmt: skip


class VirtualMacTest(AgentTest):
    """What the tests of virtual MACs have in common."""

    def devices(self) -> list[str]:
        """The virtual MAC devices on the node."""
        return [link["ifname"] for link in self.node.json("link") if link["ifname"].startswith("bv")]

    def nic_settings(self, nic: str = "eth0") -> tuple[int, ...]:
        """arp_ignore and arp_announce of the NIC."""
        return tuple(self.node.sysctl(f"ipv4/conf/{nic}/{key}") for key in NIC_SETTINGS)


class AsSeenByTheSegment(VirtualMacTest):
    def test_the_client_knows_the_address_by_it(self) -> None:
        for ip in (IP4, IP6):
            self.start(ip=ip, mac=VMAC)
            self.assertTrue(self.client.reaches(ip))
            self.assertEqual(VMAC, self.client.neighbour(ip))
            self.client.ip("neighbor flush all")
            self.assertTrue(self.client.reaches(ip))
            self.assertEqual(VMAC, self.client.neighbour(ip))

    def test_whatever_comes_from_the_address_comes_from_it(self) -> None:
        self.client.batch("address add 198.51.100.9/32 dev lo", "address add 2001:db8:99::9/128 dev lo nodad")
        self.node.batch(f"route add default via {NET4}.100", f"route add default via {NET6}::64")
        for ip, far in ((IP4, "198.51.100.9"), (IP6, "2001:db8:99::9")):
            with self.subTest(ip=ip), self.segment.sniff() as wire:
                self.start(ip=ip, mac=VMAC)
                for number in range(3):
                    self.client.ip("neighbor flush all")
                    self.node.ip("neighbor flush all")
                    self.assertTrue(self.client.reaches(ip))
                    self.assertTrue(self.reaches_from(far, ip), "from behind the gateway")
                self.assertTrue(self.node_reaches_from(ip, f"{NET4}.100" if ip == IP4 else f"{NET6}::64"))
                from_node = wire.frames(lambda frame: frame.port == "node")
                ours = [frame for frame in from_node if claims(ip)(frame) or speaks_from(ip)(frame)]
                self.assertGreater(len(ours), 10)
                self.assertEqual({VMAC}, {frame.source for frame in ours})
                named = {getattr(f.packet, "sender_mac", getattr(f.packet, "link_layer", None)) for f in ours if claims(ip)(f)}
                self.assertLessEqual(named, {VMAC, None})
                self.stop(ip=ip, mac=VMAC)

    def reaches_from(self, source: str, ip: str) -> bool:
        """Whether the client reaches an address from another one of its own."""
        return self.client.reaches(ip, 3, source)

    def node_reaches_from(self, source: str, ip: str) -> bool:
        """Whether the node reaches the client from the floating address."""
        return self.node.reaches(ip, 3, source)

    def test_there_is_no_moment_at_which_the_nic_speaks_for_the_address(self) -> None:
        """Asked all the time, by broadcast and with packets, through starts and stops."""
        self.client.ip(f"neighbor replace {IP4} lladdr {VMAC} dev eth0 nud permanent")
        syn = self.syn()
        asking = [arp_request(mac_of(100), f"{NET4}.100", IP4), syn]
        with self.segment.sniff() as wire, Sending(self.client, asking):
            for _ in range(15):
                self.start(ip=IP4, mac=VMAC)
                wire.wait("an answer to a packet", lambda f: f.port == "node" and speaks_from(IP4)(f), 1)
                self.stop(ip=IP4, mac=VMAC)
            from_nic = wire.frames(lambda f: f.port == "node" and f.source != VMAC)
        wrong = [f for f in from_nic if claims(IP4)(f) or speaks_from(IP4)(f)]
        self.assertEqual([], [(f.source, f.packet, f.data.hex()) for f in wrong])

    def syn(self) -> bytes:
        """A TCP SYN from the client to the virtual MAC, to which the kernel answers with a reset."""
        mac = bytes.fromhex(mac_of(100).replace(":", ""))
        source, target = socket.inet_aton(f"{NET4}.100"), socket.inet_aton(IP4)
        tcp = struct.pack("!HHIIBBHHH", 4000, 9, 1, 0, 0x50, 2, 1000, 0, 0)
        tcp = tcp[:16] + struct.pack("!H", checksum(source + target + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + source + target
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        return bytes.fromhex(VMAC.replace(":", "")) + mac + b"\x08\x00" + header + tcp

    def test_the_nic_and_the_device_do_not_speak_for_each_other(self) -> None:
        own4, own6 = f"{NET4}.1", f"{NET6}::1"
        self.start(ip=IP4, mac=VMAC)
        self.start(ip=IP6, mac=VMAC)
        with self.segment.sniff() as wire:
            for _ in range(5):
                self.client.ip("neighbor flush all")
                for ip in (own4, own6, IP4, IP6):
                    self.assertTrue(self.client.reaches(ip))
            # Nobody is there: the node asks from its own address, by its own MAC.
            self.node.reaches(f"{NET4}.77", 0.3)
            self.node.reaches(f"{NET6}::77", 0.3)
            self.knock_through_nic(f"{NET4}.77")
            frames = wire.frames(lambda frame: frame.port == "node")
        for ip, mac in ((own4, mac_of(1)), (own6, mac_of(1)), (IP4, VMAC), (IP6, VMAC)):
            said = [f for f in frames if claims(ip)(f) or speaks_from(ip)(f)]
            self.assertTrue(said, ip)
            self.assertEqual({mac}, {f.source for f in said}, ip)
        asked = [f.packet for f in frames if isinstance(f.packet, Arp) and f.packet.target_ip == f"{NET4}.77"]
        self.assertTrue(asked)
        self.assertEqual({own4}, {packet.sender_ip for packet in asked})

    def knock_through_nic(self, ip: str) -> None:
        """A program that uses the floating address and insists on the NIC: the kernel asks for its peer there."""
        with self.node.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            one.bind((IP4, 0))
            self.node.ip("neighbor flush all")
            one.sendto(b"x", (ip, 9))
            with self.segment.sniff() as wire:
                wire.wait("a question", lambda f: f.port == "node" and getattr(f.packet, "target_ip", None) == ip)

    def test_nothing_is_heard_from_it_but_what_the_address_needs(self) -> None:
        """No router solicitation, no IGMP, no report of other groups: a switch would turn to a backup."""
        local = "fe80::50"
        macs = {IP4: VMAC, IP6: "02:00:5e:77:00:02", local: "02:00:5e:77:00:03"}
        with self.segment.sniff() as wire:
            for ip, mac in macs.items():
                self.start(ip=ip, mac=mac, nic="eth0")
                self.assertTrue(ip == local or self.client.reaches(ip))
            # Longer than the kernel waits with what it would send for a new interface.
            wire.wait("all repeats", announces(IP4), 8)
            wire.wait("all repeats", announces(IP6), 4)
            wire.wait("all repeats", announces(local), 4)
            for ip, mac in macs.items():
                self.stop(ip=ip, mac=mac, nic="eth0")
                self.assertFalse(ip != local and self.client.reaches(ip, 0.3))
                heard = wire.frames(lambda frame, mac=mac: frame.source == mac)
                self.assertTrue(heard)
                self.assertEqual([], [f.data.hex() for f in heard if not needed(f, ip)])

    def test_a_node_that_only_looks_is_not_heard(self) -> None:
        with self.segment.sniff() as wire:
            for ip in (IP4, IP6):
                self.node.agent("monitor", ip=ip, mac=VMAC, meta=PROBE)
                self.node.agent("validate-all", ip=ip, mac=VMAC)
                self.stop(ip=ip, mac=VMAC)
            self.node.agent("start", ip=IP4, mac=VMAC, nic="eth7")
            self.assertEqual([], wire.frames(lambda frame: frame.source == VMAC))

    def test_an_address_without_a_network_on_the_nic(self) -> None:
        ip = "192.0.2.9"
        more = {"ip": ip, "nic": "eth0", "cidr_netmask": 24, "mac": VMAC}
        self.client.ip("route add 192.0.2.0/24 dev eth0")
        with self.nothing_changes(), self.segment.sniff() as wire:
            self.start(**more)
            self.start(**more)
            self.assertTrue(self.client.reaches(ip))
            self.ok(self.node.agent("monitor", **more))
            self.assertEqual({VMAC}, {f.source for f in wire.frames(speaks_from(ip))})
            self.stop(**more)


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def needed(frame: Seen, ip: str) -> bool:
    """Whether the virtual MAC has to send this for its address."""
    packet = frame.packet
    if isinstance(packet, Arp):
        return packet.sender_ip == ip
    if isinstance(packet, Advertisement):
        return packet.target == ip
    if isinstance(packet, Solicitation):
        return packet.source_ip == ip or (packet.source_ip == "::" and packet.target == ip)
    if frame.ip_source == ip and frame.data[12:14] == b"\x08\x00":
        return True
    # IPv6: TCP from the address, or a report (MLDv2, behind a hop-by-hop header) of its group alone.
    if frame.ip_source == ip and frame.data[20] == 6:
        return True
    group = bytes.fromhex("ff0200000000000000000001ff000050")
    if frame.data[20] == 0 and frame.data[62] == 143:
        (records,) = struct.unpack_from("!H", frame.data, 68)
        return records == 1 and frame.data[74:90] == group
    return False


class Choice(VirtualMacTest):
    def test_by_number_by_itself_or_explicitly(self) -> None:
        for ip, mac, expected in (
            (IP4, "auto", "02:b0:0a:09:00:32"), (IP4, "vrrp:51", "00:00:5e:00:01:33"),
            (IP6, "vrrp:51", "00:00:5e:00:02:33"), (IP4, "02-00-5E-77-00-0A", "02:00:5e:77:00:0a"),
            (IP4, "vrrp:255", "00:00:5e:00:01:ff"),
        ):  # fmt: skip
            with self.subTest(ip=ip, mac=mac), self.nothing_changes():
                self.start(ip=ip, mac=mac)
                (device,) = self.devices()
                self.assertEqual(expected, self.node.mac(device))
                self.assertEqual([device], [entry[0] for entry in self.node.addresses(ip)])
                self.ok(self.node.agent("monitor", ip=ip, mac=mac))
                self.stop(ip=ip, mac=mac)

    def test_auto_differs_between_addresses_and_agrees_between_nodes(self) -> None:
        other = self.segment.add("other", 2)
        made = {}
        for ip in (IP4, f"{NET4}.51", IP6, f"{NET6}::51"):
            for host in (self.node, other):
                self.ok(host.agent("start", ip=ip, mac="auto", conflict_check="off"))
                ((device, _, _),) = host.addresses(ip)
                made.setdefault(ip, set()).add(host.mac(device))
                self.ok(host.agent("stop", ip=ip, mac="auto"))
        self.assertEqual([1, 1, 1, 1], [len(macs) for macs in made.values()])
        self.assertEqual(4, len(set.union(*made.values())))

    def test_one_that_is_taken_is_refused_and_nothing_is_left(self) -> None:
        taken = "02:00:5e:00:00:99"
        self.node.batch(f"link add other link eth0 address {taken} type macvlan mode bridge", "link set other addrgenmode none up")
        for mac in (taken, mac_of(1)):
            for ip in (IP4, IP6):
                with self.subTest(mac=mac, ip=ip), self.nothing_changes():
                    self.refused(GENERIC, self.node.agent("start", ip=ip, mac=mac), f"mac={mac}", "eth0", "choose another")

    def test_a_foreign_device_of_the_same_name_is_not_touched(self) -> None:
        self.node.ip(f"link add {DEVICE} type veth peer name peer0")
        with self.nothing_changes():
            self.refused(GENERIC, self.node.agent("start", ip=IP4, mac=VMAC), DEVICE, "remove it")
            self.stop(ip=IP4, mac=VMAC)

    def test_a_mac_that_is_in_use_on_another_nic_of_this_node(self) -> None:
        self.segment.plug_in(self.node, 2, "eth1", "node2")
        self.start(ip=IP4, mac=VMAC, nic="eth0")
        with self.nothing_changes():
            answer = self.node.agent("start", ip=f"{NET4}.51", mac=VMAC, nic="eth1")
            self.refused(GENERIC, answer, DEVICE)


class Change(VirtualMacTest):
    def test_an_address_on_the_nic_is_noticed_and_moved(self) -> None:
        self.start(ip=IP4)
        self.refused(GENERIC, self.node.agent("monitor", ip=IP4, mac=VMAC), IP4, "eth0", VMAC)
        self.start(ip=IP4, mac=VMAC)
        self.assertEqual([DEVICE], [entry[0] for entry in self.node.addresses(IP4)])
        self.ok(self.node.agent("monitor", ip=IP4, mac=VMAC))

    def test_an_address_with_another_mac_is_noticed_and_moved(self) -> None:
        with self.nothing_changes():
            self.start(ip=IP4, mac="vrrp:7")
            self.refused(GENERIC, self.node.agent("monitor", ip=IP4, mac=VMAC), "00:00:5e:00:01:07", VMAC)
            self.start(ip=IP4, mac=VMAC)
            self.assertEqual([DEVICE], self.devices())
            self.assertTrue(self.client.reaches(IP4))
            self.stop(ip=IP4, mac=VMAC)

    def test_an_address_that_shall_have_none_any_more(self) -> None:
        with self.nothing_changes():
            self.start(ip=IP4, mac=VMAC)
            self.refused(GENERIC, self.node.agent("monitor", ip=IP4), "mac")
            self.stop(ip=IP4)

    def test_stop_clears_up_after_a_stop_that_was_cut_short(self) -> None:
        with self.nothing_changes():
            self.start(ip=IP4, mac=VMAC)
            self.node.ip(f"address delete {IP4}/24 dev {DEVICE}")
            self.stop(ip=IP4, mac=VMAC)

    def test_start_makes_good_a_rule_that_was_left_over(self) -> None:
        self.node.ip(f"rule add from {IP4} lookup 1644167200 priority 5000")
        self.start(ip=IP4, mac=VMAC)
        self.assertEqual(1, self.node.ip("rule").count(IP4))
        self.stop(ip=IP4, mac=VMAC)
        self.assertNotIn(IP4, self.node.ip("rule"))

    def test_the_rules_of_others_are_left_alone(self) -> None:
        self.node.batch(f"rule add from {IP4} lookup 100 priority 5000", f"rule add from {IP4} lookup 101 priority 4000")
        with self.nothing_changes():
            self.start(ip=IP4, mac=VMAC)
            self.stop(ip=IP4, mac=VMAC)

    def test_monitor_brings_rule_and_routes_up_to_date(self) -> None:
        for family, ip, network, gateway in (
            ("-4", IP4, "198.51.100.0/24", f"{NET4}.100"), ("-6", IP6, "2001:db8:99::/64", f"{NET6}::64"),
        ):  # fmt: skip
            self.start(ip=ip, mac=VMAC)
            (rule,) = [rule for rule in self.node.json(f"{family} rule") if rule.get("src") == ip]
            table = f"{family} route show table {rule['table']}"
            self.node.ip(f"{family} route add {network} via {gateway} dev eth0")
            self.assertNotIn(network, self.node.ip(table))
            self.ok(self.node.agent("monitor", ip=ip, mac=VMAC))
            self.assertIn(f"{network} via {gateway}", self.node.ip(table))
            self.node.ip(f"{family} route delete {network}")
            self.node.ip(f"{family} rule delete from {ip}")
            self.ok(self.node.agent("monitor", ip=ip, mac=VMAC))
            self.assertNotIn(network, self.node.ip(table))
            self.assertIn(ip, self.node.ip(f"{family} rule"))
            self.stop(ip=ip, mac=VMAC)


class Settings(VirtualMacTest):
    def test_those_of_the_nic_come_back_with_the_last_of_two_in_any_order(self) -> None:
        ways = ({"ip": IP4, "mac": "auto"}, {"ip": f"{NET4}.51", "mac": "auto"})
        for before in ((0, 0), (1, 2), (2, 1), (0, 2), (8, 0)):
            for stops in itertools.permutations(ways):
                with self.subTest(before=before, stops=stops):
                    for key, value in zip(NIC_SETTINGS, before):
                        self.node.sysctl(f"ipv4/conf/eth0/{key}", value)
                    raised = tuple(max(was, least) for was, least in zip(before, (1, 2)))
                    for way in ways:
                        self.start(**way)
                        self.assertEqual(raised, self.nic_settings())
                    self.stop(**stops[0])
                    self.assertEqual(raised, self.nic_settings())
                    self.assertTrue(self.client.reaches(str(stops[1]["ip"])))
                    self.stop(**stops[1])
                    self.assertEqual(before, self.nic_settings())

    def test_those_of_all_interfaces_are_never_touched(self) -> None:
        before = {key: self.node.sysctl(f"ipv4/conf/all/{key}") for key in ("arp_ignore", "arp_announce", "rp_filter", "arp_filter")}
        self.start(ip=IP4, mac=VMAC)
        self.assertEqual(before, {key: self.node.sysctl(f"ipv4/conf/all/{key}") for key in before})

    def test_two_nics_are_told_apart(self) -> None:
        self.segment.plug_in(self.node, 2, "eth1", "node2")
        self.start(ip=IP4, nic="eth0", mac="auto")
        self.start(ip=f"{NET4}.51", nic="eth1", mac="auto")
        self.stop(ip=IP4, nic="eth0", mac="auto")
        self.assertEqual(((0, 0), (1, 2)), (self.nic_settings(), self.nic_settings("eth1")))
        self.stop(ip=f"{NET4}.51", nic="eth1", mac="auto")
        self.assertEqual(((0, 0), (0, 0)), (self.nic_settings(), self.nic_settings("eth1")))

    def test_strict_reverse_path_filters_do_not_stand_in_the_way(self) -> None:
        for scope in ("all", "default", "eth0"):
            self.node.sysctl(f"ipv4/conf/{scope}/rp_filter", 1)
        self.start(ip=IP4, mac=VMAC)
        self.assertTrue(self.client.reaches(IP4))

    def test_strict_arp_filters_do_not_stand_in_the_way(self) -> None:
        for scope in ("all", "default", "eth0"):
            self.node.sysctl(f"ipv4/conf/{scope}/arp_filter", 1)
        self.start(ip=IP4, mac=VMAC)
        self.assertTrue(self.client.reaches(IP4))
        self.assertEqual(VMAC, self.client.neighbour(IP4))

    def test_a_router_may_have_one(self) -> None:
        self.node.sysctl("ipv4/ip_forward", 1)
        self.node.sysctl("ipv6/conf/all/forwarding", 1)
        for ip in (IP4, IP6):
            self.start(ip=ip, mac=VMAC)
            self.assertTrue(self.client.reaches(ip))


class Shared(VirtualMacTest):
    ways = ({"ip": IP4, "mac": VMAC}, {"ip": IP6, "mac": VMAC, "nodad": "true"})

    def test_two_addresses_with_one_mac_come_and_go_in_any_order(self) -> None:
        for starts in itertools.permutations(self.ways):
            for stops in itertools.permutations(self.ways):
                with self.subTest(starts=starts, stops=stops), self.nothing_changes():
                    for way in starts:
                        self.start(**way)
                    self.assertEqual([DEVICE], self.devices())
                    for way in self.ways:
                        self.assertTrue(self.client.reaches(way["ip"]))
                        self.assertEqual(VMAC, self.client.neighbour(way["ip"]))
                    self.stop(**stops[0])
                    self.assertTrue(self.client.reaches(stops[1]["ip"]))
                    self.ok(self.node.agent("monitor", **stops[1]))
                    self.stop(**stops[1])

    def test_one_may_start_while_the_other_stops(self) -> None:
        """The device of the one that stops is the device of the one that starts."""
        first, second = {"ip": IP4, "mac": VMAC}, {"ip": f"{NET4}.51", "mac": VMAC}
        with self.nothing_changes():
            self.start(**first)
            for _ in range(60):
                stopping, starting = self.node.begin("stop", **first), self.node.begin("start", **second)
                self.ok(starting.wait())
                self.ok(stopping.wait())
                self.assertEqual([(DEVICE, second["ip"], 24)], self.node.addresses(second["ip"]))
                first, second = second, first
            self.stop(**first)


class ManyAtOnce(VirtualMacTest):
    def test_twenty_on_one_nic_start_and_stop_in_parallel(self) -> None:
        ways = [{"ip": f"{NET4}.{number}", "mac": "auto"} for number in range(60, 80)]
        ways[15:] = [{"ip": f"{NET6}::{number}", "mac": "auto", "nodad": "true"} for number in range(60, 65)]
        dice = random.Random(1)
        with self.nothing_changes():
            for _ in range(3):
                for action in ("start", "stop"):
                    dice.shuffle(ways)
                    running = [self.node.begin(action, arp_count=1, **way) for way in ways]
                    for one in running:
                        self.ok(one.wait())
                    self.assertEqual((1, 2) if action == "start" else (0, 0), self.nic_settings())
                    self.assertEqual(20 if action == "start" else 0, len(self.devices()))

    def test_starts_and_stops_among_each_other(self) -> None:
        ways = [{"ip": f"{NET4}.{number}", "mac": "auto"} for number in range(60, 80)]
        with self.nothing_changes():
            for way in ways[:10]:
                self.start(arp_count=1, **way)
            for _ in range(3):
                running = [self.node.begin("stop", **way) for way in ways[:10]]
                running += [self.node.begin("start", arp_count=1, **way) for way in ways[10:]]
                for one in running:
                    self.ok(one.wait())
                self.assertEqual((1, 2), self.nic_settings())
                ways = ways[10:] + ways[:10]
            for way in ways[:10]:
                self.stop(**way)


if __name__ == "__main__":
    unittest.main()
