# SPDX-License-Identifier: GPL-2.0-or-later
"""Where an address is put: interface, prefix length, broadcast, label, flags."""

from __future__ import annotations

import unittest

from rig import IP4, IP6, NET4, NET6, PROBE, AgentTest

GENERIC, INSTALLED, CONFIGURED, NOT_RUNNING = 1, 5, 6, 7


class WhichInterface(AgentTest):
    def test_by_name(self) -> None:
        self.start(ip=IP4, nic="eth0")
        self.assertEqual([("eth0", IP4, 24)], self.node.addresses(IP4))
        self.assertTrue(self.client.reaches(IP4))

    def test_by_the_route(self) -> None:
        self.start(ip=IP4)
        self.start(ip=IP6)
        self.assertEqual([("eth0", IP4, 24)], self.node.addresses(IP4))
        self.assertEqual([("eth0", IP6, 64)], self.node.addresses(IP6))
        self.assertTrue(self.client.reaches(IP4) and self.client.reaches(IP6))

    def test_by_altname(self) -> None:
        long = "enp0s31f6-uplink-to-the-rack-switch"
        self.node.ip("link property add dev eth0 altname uplink")
        self.node.ip(f"link property add dev eth0 altname {long}")
        for name in ("uplink", long):
            for way in ({"ip": IP4}, {"ip": IP6, "nodad": "true"}, {"ip": IP4, "mac": "auto"}):
                with self.subTest(name=name, way=way), self.nothing_changes():
                    self.start(nic=name, **way)
                    self.ok(self.node.agent("monitor", nic=name, meta=PROBE, **way))
                    self.ok(self.node.agent("monitor", nic=name, level=10, **way))
                    self.assertTrue(self.client.reaches(way["ip"]))
                    self.stop(nic=name, **way)

    def test_a_label_goes_with_the_name_not_the_altname(self) -> None:
        self.node.ip("link property add dev eth0 altname uplink-to-the-rack-switch")
        self.start(ip=IP4, nic="uplink-to-the-rack-switch", iflabel="web")
        self.assertEqual("eth0:web", self.node.address(IP4)["label"])
        self.ok(self.node.agent("monitor", ip=IP4, nic="uplink-to-the-rack-switch", iflabel="web"))

    def test_names_that_are_words_of_ip(self) -> None:
        for number, name in enumerate(("dev", "via", "to", "all1", "nexthop", "lo0", "eth0.5", "-x"), 2):
            with self.subTest(name=name):
                self.segment.plug_in(self.node, number, name, f"port{number}")
                for way in ({"ip": IP4}, {"ip": IP6, "nodad": "true"}, {"ip": IP4, "mac": "auto"}):
                    self.start(nic=name, **way)
                    self.ok(self.node.agent("monitor", nic=name, **way))
                    self.assertEqual(1, len(self.node.addresses(way["ip"])))
                    self.stop(nic=name, **way)
                    self.assertEqual([], self.node.addresses(way["ip"]))
                self.segment.switch.ip(f"link delete port{number}")

    def test_a_name_that_nearly_fits_is_no_match(self) -> None:
        for name in ("eth", "eth00", "ETH0", "eth0 ", "eth0/..", "*", "1", "2"):
            with self.subTest(name=name), self.nothing_changes():
                self.refused(INSTALLED, self.node.agent("start", ip=IP4, nic=name), "no such interface")

    def test_an_address_elsewhere_is_not_on_this_interface(self) -> None:
        self.segment.plug_in(self.node, 2, "eth1", "node2")
        self.start(ip=IP4, nic="eth1")
        self.assertEqual(NOT_RUNNING, self.node.agent("monitor", ip=IP4, nic="eth0", meta=PROBE).code)

    def test_the_longest_prefix_wins(self) -> None:
        self.segment.plug_in(self.node, 2, "eth1", "node2")
        self.node.ip(f"route add {NET4}.48/28 dev eth1")
        self.start(ip=IP4)
        self.assertEqual([("eth1", IP4, 28)], self.node.addresses(IP4))
        self.ok(self.node.agent("monitor", ip=IP4))

    def test_the_lowest_metric_wins_among_equal_prefixes(self) -> None:
        self.segment.plug_in(self.node, 2, "eth1", "node2")
        self.node.batch(f"route add 198.51.100.0/24 dev eth0 metric 200",
                        f"route add 198.51.100.0/24 dev eth1 metric 100",
                        f"route add 2001:db8:51::/64 dev eth0 metric 200",
                        f"route add 2001:db8:51::/64 dev eth1 metric 100")  # fmt: skip
        for ip, bits in (("198.51.100.7", 24), ("2001:db8:51::7", 64)):
            self.start(ip=ip)
            self.assertEqual([("eth1", ip, bits)], self.node.addresses(ip))

    def test_neither_a_gateway_nor_a_default_route_says_where_an_address_belongs(self) -> None:
        self.node.batch(f"route add default via {NET4}.100", f"route add 198.51.100.0/24 via {NET4}.100")
        self.refused(GENERIC, self.node.agent("start", ip="198.51.100.7"), "no interface", "nic")

    def test_with_a_name_only_its_own_routes_count(self) -> None:
        self.segment.plug_in(self.node, 2, "eth1", "node2")
        self.node.ip(f"route add {NET4}.48/28 dev eth1")
        self.start(ip=IP4, nic="eth0")
        self.assertEqual([("eth0", IP4, 24)], self.node.addresses(IP4))

    def test_link_local_addresses(self) -> None:
        self.refused(CONFIGURED, self.node.agent("start", ip="fe80::50"), "nic is not set")
        for more in ({}, {"mac": "auto"}):
            with self.nothing_changes():
                self.start(ip="fe80::50", nic="eth0", **more)
                self.assertEqual(1, len(self.node.addresses("fe80::50")))
                self.ok(self.node.agent("monitor", ip="FE80:0::50", nic="eth0", **more))
                self.stop(ip="fe80:0:0::50", nic="eth0", **more)

    def test_an_ipv4_mapped_address_is_no_ipv4_address(self) -> None:
        self.start(ip=IP4)
        self.assertEqual(NOT_RUNNING, self.node.agent("monitor", ip=f"::ffff:{IP4}", nic="eth0", meta=PROBE).code)


class PrefixLength(AgentTest):
    def test_given_in_bits_or_as_a_mask_or_by_the_old_name(self) -> None:
        for given, bits in (
            ({"cidr_netmask": 28}, 28), ({"cidr_netmask": "255.255.255.128"}, 25), ({"cidr_netmask": 32}, 32),
            ({"netmask": 27}, 27), ({"netmask": "255.255.0.0"}, 16), ({"cidr_netmask": 26, "netmask": 27}, 26),
        ):  # fmt: skip
            with self.subTest(given=given):
                self.start(ip=IP4, **given)
                self.assertEqual([("eth0", IP4, bits)], self.node.addresses(IP4))
                self.stop(ip=IP4, **given)
        self.start(ip=IP6, cidr_netmask=128)
        self.assertEqual([("eth0", IP6, 128)], self.node.addresses(IP6))

    def test_the_same_address_with_another_one_is_the_same_address(self) -> None:
        for ip, other in ((IP4, 32), (IP4, 16), (IP6, 128), (IP6, 48)):
            with self.subTest(ip=ip, other=other), self.nothing_changes():
                self.node.ip(f"address add {ip}/{other} dev eth0" + (" nodad" if ":" in ip else ""))
                self.ok(self.node.agent("monitor", ip=ip, meta=PROBE))
                self.ok(self.node.agent("monitor", ip=ip))
                self.stop(ip=ip)
                self.assertEqual([], self.node.addresses(ip))

    def test_start_leaves_one_entry_with_the_right_one(self) -> None:
        for ip, other, right in ((IP4, 32, 24), (IP4, 16, 24), (IP6, 128, 64)):
            with self.subTest(ip=ip, other=other):
                self.node.ip(f"address add {ip}/{other} dev eth0" + (" nodad" if ":" in ip else ""))
                self.start(ip=ip, cidr_netmask=right)
                self.assertEqual([("eth0", ip, right)], self.node.addresses(ip))
                self.stop(ip=ip)

    def test_stop_removes_every_entry(self) -> None:
        for bits in (24, 32, 16):
            self.node.ip(f"address add {IP4}/{bits} dev eth0")
        self.stop(ip=IP4)
        self.assertEqual([], self.node.addresses(IP4))

    def test_putting_one_right_spares_the_addresses_beside_it(self) -> None:
        """Wherever it is done the kernel would take along all others of the network."""
        self.node.sysctl("ipv4/conf/eth0/promote_secondaries", 0)
        self.node.batch("address add 192.0.2.1/24 dev eth0 label eth0:old", "address add 192.0.2.2/24 dev eth0",
                        "address add 192.0.2.3/24 dev eth0")  # fmt: skip
        self.start(ip="192.0.2.1", nic="eth0", iflabel="new")
        self.assertEqual("eth0:new", self.node.address("192.0.2.1")["label"])
        self.assertEqual(1, len(self.node.addresses("192.0.2.2")))
        self.assertEqual(1, len(self.node.addresses("192.0.2.3")))
        self.assertEqual(0, self.node.sysctl("ipv4/conf/eth0/promote_secondaries"))

    def test_every_spelling_of_an_ipv6_address_is_the_same_address(self) -> None:
        self.start(ip="2001:DB8:9:0:0:0:0:50")
        for spelling in ("2001:db8:9::50", "2001:0db8:0009::0050", "2001:db8:9::0.0.0.80"):
            self.ok(self.node.agent("monitor", ip=spelling, meta=PROBE))
            self.start(ip=spelling)
            self.assertEqual([("eth0", IP6, 64)], self.node.addresses(IP6))
        self.stop(ip="2001:db8:0009:0::50")
        self.assertEqual([], self.node.addresses(IP6))


class Broadcast(AgentTest):
    def broadcast_of(self, **given: object) -> str | None:
        self.start(ip=IP4, **given)
        found = self.node.address(IP4).get("broadcast")
        self.stop(ip=IP4)
        return found

    def test_rules(self) -> None:
        for given, expected in (
            ({}, f"{NET4}.255"), ({"broadcast": "+"}, f"{NET4}.255"), ({"broadcast": "-"}, f"{NET4}.0"),
            ({"broadcast": "none"}, None), ({"broadcast": f"{NET4}.200"}, f"{NET4}.200"),
            ({"cidr_netmask": 28}, f"{NET4}.63"), ({"cidr_netmask": 28, "broadcast": "-"}, f"{NET4}.48"),
            ({"cidr_netmask": 31}, None), ({"cidr_netmask": 32}, None),
        ):  # fmt: skip
            with self.subTest(given=given):
                self.assertEqual(expected, self.broadcast_of(**given))

    def test_that_of_the_interface_in_the_same_network_is_followed(self) -> None:
        self.node.batch(f"address delete {NET4}.1/24 dev eth0", f"address add {NET4}.1/24 broadcast {NET4}.0 dev eth0")
        self.assertEqual(f"{NET4}.0", self.broadcast_of())


class Label(AgentTest):
    def test_is_set_and_a_lost_one_is_noticed_and_restored(self) -> None:
        self.start(ip=IP4, iflabel="web")
        self.assertEqual("eth0:web", self.node.address(IP4)["label"])
        self.node.batch(f"address delete {IP4}/24 dev eth0", f"address add {IP4}/24 dev eth0")
        answer = self.node.agent("monitor", ip=IP4, iflabel="web")
        self.refused(GENERIC, answer, IP4, "'eth0'", "'eth0:web'")
        self.start(ip=IP4, iflabel="web")
        self.assertEqual("eth0:web", self.node.address(IP4)["label"])
        self.ok(self.node.agent("monitor", ip=IP4, iflabel="web"))

    def test_may_be_written_into_nic(self) -> None:
        self.start(ip=IP4, nic="eth0:db")
        self.assertEqual("eth0:db", self.node.address(IP4)["label"])
        self.ok(self.node.agent("monitor", ip=IP4, nic="eth0:db"))
        self.stop(ip=IP4, nic="eth0:db")
        self.assertEqual([], self.node.addresses(IP4))

    def test_an_empty_one_in_nic_is_none(self) -> None:
        self.start(ip=IP4, nic="eth0:")
        self.assertEqual("eth0", self.node.address(IP4)["label"])

    def test_the_longest(self) -> None:
        self.start(ip=IP4, iflabel="abcdefghij")
        self.assertEqual("eth0:abcdefghij", self.node.address(IP4)["label"])
        answer = self.node.agent("validate-all", ip=IP4, iflabel="abcdefghijk")
        self.refused(CONFIGURED, answer, "iflabel='abcdefghijk'", "too long", "eth0:abcdefghijk", "15")

    def test_has_no_meaning_for_ipv6_and_virtual_macs(self) -> None:
        self.start(ip=IP6, iflabel="longer-than-any-label-could-be")
        self.start(ip=IP4, iflabel="web", mac="auto")
        self.ok(self.node.agent("monitor", ip=IP4, iflabel="web", mac="auto"))


class OtherAddresses(AgentTest):
    def test_those_of_the_same_network_survive_the_stop_of_the_primary(self) -> None:
        for promote in (0, 1):
            with self.subTest(promote=promote):
                self.node.sysctl("ipv4/conf/all/promote_secondaries", 0)
                self.node.sysctl("ipv4/conf/eth0/promote_secondaries", promote)
                for last in (1, 2, 3):
                    self.start(ip=f"192.0.2.{last}", nic="eth0", cidr_netmask=24)
                self.stop(ip="192.0.2.1", nic="eth0")
                left = [entry[1] for entry in self.node.addresses() if entry[1].startswith("192.0.2.")]
                self.assertEqual(["192.0.2.2", "192.0.2.3"], sorted(left))
                self.assertEqual(promote, self.node.sysctl("ipv4/conf/eth0/promote_secondaries"))
                for last in (2, 3):
                    self.stop(ip=f"192.0.2.{last}", nic="eth0")

    def test_those_with_similar_bytes_are_left_alone(self) -> None:
        ips = [f"{NET4}.5", f"{NET4}.50", f"{NET4}.51", f"{NET6}::5", f"{NET6}::50", f"{NET6}::500"]
        for ip in ips:
            self.start(ip=ip, nodad="true")
        self.stop(ip=f"{NET4}.5")
        self.stop(ip=f"{NET6}::50")
        left = {entry[1] for entry in self.node.addresses()} & set(ips)
        self.assertEqual(set(ips) - {f"{NET4}.5", f"{NET6}::50"}, left)


class Flags(AgentTest):
    def test_preferred_lifetime(self) -> None:
        for ip in (IP4, IP6):
            self.start(ip=ip, preferred_lft=0)
            self.assertTrue(self.node.address(ip)["deprecated"])
            self.assertTrue(self.client.reaches(ip))
            self.stop(ip=ip)
            self.start(ip=ip, preferred_lft=1000)
            if ip == IP6:  # the kernel heeds it for IPv4 only where the valid lifetime has an end too
                self.assertLessEqual(self.node.address(ip)["preferred_life_time"], 1000)
            self.stop(ip=ip)
            self.start(ip=ip, preferred_lft="forever")
            self.assertGreater(self.node.address(ip)["preferred_life_time"], 1 << 31)

    def test_noprefixroute(self) -> None:
        for ip, network in (("192.0.2.1", "192.0.2.0/24"), ("2001:db8:52::1", "2001:db8:52::/64")):
            more = {"ip": ip, "nic": "eth0", "cidr_netmask": network.split("/")[1]}
            family = "-6" if ":" in ip else "-4"
            self.start(**more)
            self.assertIn(network, self.node.ip(f"{family} route"))
            self.stop(**more)
            self.start(noprefixroute="true", **more)
            self.assertNotIn(network, self.node.ip(f"{family} route"))
            self.assertTrue(self.node.address(ip)["noprefixroute"])
            self.stop(**more)

    def test_nodad(self) -> None:
        with self.segment.sniff() as wire:
            self.start(ip=IP6, nodad="true")
            self.assertTrue(self.node.address(IP6)["nodad"])
            self.assertNotIn("tentative", self.node.address(IP6))
            self.assertEqual([], wire.frames(lambda f: "Solicitation" in str(f.packet) and IP6 in str(f.packet)))

    def test_the_policy_label_of_an_ipv6_address(self) -> None:
        with self.nothing_changes():
            self.start(ip=IP6, lvs_ipv6_addrlabel="true", lvs_ipv6_addrlabel_value=77)
            self.assertIn(f"prefix {IP6}/128 label 77", self.node.ip("addrlabel"))
            self.start(ip=IP6, lvs_ipv6_addrlabel="true", lvs_ipv6_addrlabel_value=77)
            self.stop(ip=IP6, lvs_ipv6_addrlabel="true", lvs_ipv6_addrlabel_value=77)

    def test_the_policy_label_keeps_the_address_from_being_a_source(self) -> None:
        def source() -> str:
            (route,) = self.node.json(f"-6 route get {NET6}::100")
            return route["prefsrc"]

        # Of two equal addresses the kernel prefers the one with more bits in common.
        ip = f"{NET6}::101"
        self.start(ip=ip, nodad="true")
        self.assertEqual(ip, source())
        self.stop(ip=ip)
        self.start(ip=ip, nodad="true", lvs_ipv6_addrlabel="true")
        self.assertEqual(f"{NET6}::1", source())

    def test_flush_routes(self) -> None:
        for ip in (IP4, IP6):
            self.start(ip=ip)
            self.stop(ip=ip, flush_routes="true")


if __name__ == "__main__":
    unittest.main()
