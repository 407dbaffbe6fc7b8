# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong values of every parameter: what the administrator is told, and that nothing happens."""

from __future__ import annotations

import os
import unittest

from rig import IP4, IP6, PROBE, AgentTest

GENERIC, CONFIGURED = 1, 6
A_POOL = "ocf:buoy:pool"

# parameter, wrong value, what the reason has to say; with which address (IPv4 unless said otherwise)
WRONG = [
    ("ip", "", ["ip is not set", "192.0.2.10"]),
    ("ip", "10.9.0.500", ["ip='10.9.0.500'", "not an IP address", "192.0.2.1"]),
    ("ip", "10.9.0", ["ip='10.9.0'", "not an IP address"]),
    ("ip", "10.9.0.50/24", ["ip='10.9.0.50/24'", "not an IP address"]),
    ("ip", "010.9.0.50", ["ip='010.9.0.50'", "not an IP address"]),
    ("ip", " 10.9.0.50", ["not an IP address"]),
    ("ip", "fe80::1%eth0", ["ip='fe80::1%eth0'", "not an IP address"]),
    ("ip", "vip.example.com", ["ip='vip.example.com'", "not an IP address"]),
    ("ip", "224.0.0.1", ["ip='224.0.0.1'", "unicast"]),
    ("ip", "255.255.255.255", ["unicast"]),
    ("ip", "0.0.0.0", ["unicast"]),
    ("ip", "ff02::1", ["ip='ff02::1'", "unicast"]),
    ("ip", "::", ["unicast"]),
    ("ip", "fe80::50", ["nic is not set", "link-local"]),
    ("nic", ":web", ["nic", "no interface", "':'"]),
    ("cidr_netmask", "33", ["cidr_netmask='33'", "1 to 32", "IPv4"]),
    ("cidr_netmask", "0", ["cidr_netmask='0'", "1 to 32"]),
    ("cidr_netmask", "-1", ["cidr_netmask='-1'", "1 to 32"]),
    ("cidr_netmask", "/24", ["cidr_netmask='/24'", "1 to 32"]),
    ("cidr_netmask", "24 ", ["cidr_netmask='24 '", "1 to 32"]),
    ("cidr_netmask", "99999999999999999999", ["cidr_netmask", "1 to 32"]),
    ("cidr_netmask", "255.0.255.0", ["cidr_netmask='255.0.255.0'", "not a netmask", "24"]),
    ("cidr_netmask", "0.0.0.0", ["not a netmask"]),
    ("cidr_netmask", "129", ["cidr_netmask='129'", "1 to 128", "IPv6"], IP6),
    ("cidr_netmask", "255.255.255.0", ["cidr_netmask='255.255.255.0'", "1 to 128"], IP6),
    ("netmask", "x", ["netmask='x'", "1 to 32"]),
    ("broadcast", "10.9.0.256", ["broadcast='10.9.0.256'", "IPv4 address", "+ - none"]),
    ("broadcast", "++", ["broadcast='++'", "+ - none"]),
    ("broadcast", "+", ["broadcast", "IPv6", "remove"], IP6),
    ("iflabel", "much-too-long", ["iflabel='much-too-long'", "too long", "15"]),
    ("lvs_support", "maybe", ["lvs_support='maybe'", "neither true nor false"]),
    ("lvs_support", "true", ["lvs_support", "IPv4", "lvs_ipv6_addrlabel=true"], IP6),
    ("lvs_ipv6_addrlabel", "x", ["lvs_ipv6_addrlabel='x'", "neither true nor false"], IP6),
    ("lvs_ipv6_addrlabel", "true", ["lvs_ipv6_addrlabel", "IPv6 only"]),
    ("lvs_ipv6_addrlabel_value", "-1", ["lvs_ipv6_addrlabel_value='-1'", "0 to 4294967294"], IP6),
    ("arp_interval", "0", ["arp_interval='0'", "1 to 60000", "ms"]),
    ("arp_interval", "200ms", ["arp_interval='200ms'", "1 to 60000"]),
    ("arp_count", "-5", ["arp_count='-5'", "1 to 1000"]),
    ("arp_count", "five", ["arp_count='five'", "1 to 1000"]),
    ("arp_count_refresh", "101", ["arp_count_refresh='101'", "0 to 100"]),
    ("arp_bg", "2", ["arp_bg='2'", "neither true nor false"]),
    ("flush_routes", "x", ["flush_routes='x'", "neither true nor false"]),
    ("run_arping", "x", ["run_arping='x'", "neither true nor false"]),
    ("nodad", "x", ["nodad='x'", "neither true nor false"]),
    ("noprefixroute", "x", ["noprefixroute='x'", "neither true nor false"]),
    ("preferred_lft", "soon", ["preferred_lft='soon'", "seconds", "forever"]),
    ("preferred_lft", "-1", ["preferred_lft='-1'", "seconds"]),
    ("preferred_lft", "4294967296", ["preferred_lft='4294967296'", "seconds"]),
    ("check_link_status", "x", ["check_link_status='x'", "neither true nor false"]),
    ("mac", "virtual", ["mac='virtual'", "auto", "vrrp:N", "02:00:5e:00:00:01"]),
    ("mac", "02:00:5e:00:00", ["mac='02:00:5e:00:00'", "auto"]),
    ("mac", "02:00:5e:00:00:0g", ["auto"]),
    ("mac", "02:00-5e:00:00:01", ["auto"]),
    ("mac", "00:00:00:00:00:00", ["mac='00:00:00:00:00:00'", "no address"]),
    ("mac", "01:00:5e:00:00:01", ["mac='01:00:5e:00:00:01'", "group", A_POOL]),
    ("mac", "ff:ff:ff:ff:ff:ff", ["group", A_POOL]),
    ("mac", "vrrp:0", ["mac='0'", "1 to 255", "vrrp:N"]),
    ("mac", "vrrp:256", ["1 to 255"]),
    ("mac", "vrrp:", ["1 to 255"]),
    ("conflict_check", "yes", ["conflict_check='yes'", "off, fast, rfc5227"]),
    ("announce", "shout", ["announce='shout'", "request, reply, both, none"]),
    ("announce", "reply:0", ["announce='0'", "1 to 20"]),
    ("announce", "request:x", ["announce='x'", "1 to 20"]),
    ("announce_to", "10.9.0.x", ["announce_to='10.9.0.x'", "not an IP address"]),
    ("announce_to", "10.9.0.1 fe80::1", ["announce_to='fe80::1'", "same family", IP4]),
    ("announce_to", "10.9.0.1", ["announce_to='10.9.0.1'", "same family", IP6], IP6),
    ("gateway_check", "maybe", ["gateway_check='maybe'", "auto, off", "IPv4 address"]),
    ("gateway_check", "10.9.0.1", ["gateway_check='10.9.0.1'", "IPv6 address"], IP6),
    ("kill_connections", "x", ["kill_connections='x'", "neither true nor false"]),
]  # fmt: skip


class WrongValues(AgentTest):
    def test_each_is_named_with_what_would_be_right(self) -> None:
        with self.nothing_changes():
            for parameter, value, words, *address in WRONG:
                given = {"ip": address[0] if address else IP4, parameter: value}
                with self.subTest(**given):
                    self.refused(CONFIGURED, self.node.agent("start", **given), *words)
                    if parameter != "iflabel":  # its length depends on the interface that is found
                        answer = self.node.agent("monitor", meta={"interval": 10000}, **given)
                        self.refused(GENERIC, answer, *words)

    def test_validate_and_probe_say_the_same(self) -> None:
        for parameter, value, words, *address in WRONG[::7]:
            given = {"ip": address[0] if address else IP4, parameter: value}
            with self.subTest(**given):
                self.refused(CONFIGURED, self.node.agent("validate-all", **given), *words)

    def test_every_parameter_has_a_wrong_value_here(self) -> None:
        """What takes any text has none: those four are looked up on the node instead."""
        stdout = self.node.agent("meta-data").stdout
        names = {part.split('"')[0] for part in stdout.split('<parameter name="')[1:]}
        free = {"arp_sender", "send_arp_opts", "network_namespace"}
        self.assertEqual(names - free, {parameter for parameter, *_ in WRONG})

    def test_lvs_support_and_a_virtual_mac_exclude_each_other(self) -> None:
        answer = self.node.agent("start", ip=IP4, lvs_support="true", mac="auto")
        self.refused(CONFIGURED, answer, "lvs_support", "mac", "exclude")

    def test_a_virtual_mac_needs_ethernet(self) -> None:
        with self.nothing_changes():
            for action in ("start", "validate-all"):
                answer = self.node.agent(action, ip="127.0.0.50", nic="lo", mac="auto")
                self.refused(CONFIGURED, answer, "mac is set", "lo", "Ethernet")

    def test_booleans_are_those_of_pacemaker(self) -> None:
        for word in ("true", "YES", "on", "1", "y", "False", "no", "OFF", "0", "N"):
            self.ok(self.node.agent("validate-all", ip=IP4, nodad=word))

    def test_an_empty_value_is_no_value(self) -> None:
        names = [parameter for parameter, *_ in WRONG if parameter != "ip"]
        self.ok(self.node.agent("validate-all", ip=IP4, **{name: "" for name in names}))


class ClusterMode(AgentTest):
    def test_its_parameters_name_the_agent_to_use(self) -> None:
        for name, value in (
            ("clusterip_hash", "sourceip"), ("clusterip_firewall", "nft"), ("clusterip_hash_seed", "7"),
            ("clusterip_mac_mangle", "true"), ("unique_clone_address", "true"),
        ):  # fmt: skip
            with self.subTest(name=name), self.nothing_changes():
                self.refused(CONFIGURED, self.node.agent("start", ip=IP4, **{name: value}), name, A_POOL)

    def test_its_parameters_with_their_default_do_no_harm(self) -> None:
        self.ok(self.node.agent("validate-all", ip=IP4, unique_clone_address="false"))

    def test_a_clone_names_the_agent_to_use(self) -> None:
        with self.nothing_changes():
            for action in ("start", "validate-all"):
                answer = self.node.agent(action, ip=IP4, meta={"clone_max": 3})
                self.refused(CONFIGURED, answer, "clone-max=3", A_POOL)

    def test_a_clone_of_one_is_no_clone(self) -> None:
        self.ok(self.node.agent("validate-all", ip=IP4, meta={"clone_max": 1}))

    def test_a_clone_on_loopback_is_what_real_servers_have(self) -> None:
        more = {"ip": "192.0.2.80", "nic": "lo"}
        with self.nothing_changes():
            self.ok(self.node.agent("start", meta={"clone_max": 3}, **more))
            self.assertEqual([("lo", "192.0.2.80", 32)], self.node.addresses("192.0.2.80"))
            self.ok(self.node.agent("monitor", meta={"clone_max": 3, "interval": 10000}, **more))
            self.ok(self.node.agent("stop", meta={"clone_max": 3}, **more))


class Notes(AgentTest):
    def test_what_has_no_effect_is_said_in_the_log_only(self) -> None:
        answer = self.start(ip=IP4, arp_sender="iputils_arping", frobnicate="7", trace_ra="1")
        self.assertIn("arp_sender=iputils_arping has no effect", answer.stderr)
        self.assertIn("there is no parameter 'frobnicate'", answer.stderr)
        self.assertNotIn("trace_ra", answer.stderr)

    def test_a_plain_start_has_nothing_to_say(self) -> None:
        self.assertEqual("", self.start(ip=IP4).stderr)
        self.assertEqual("", self.node.agent("monitor", ip=IP4, meta=PROBE).stderr)
        self.assertEqual("", self.stop(ip=IP4).stderr)


class Garbage(AgentTest):
    def test_a_reason_is_one_line_that_can_be_kept_in_xml(self) -> None:
        for value in (
            "10.9.0.1\nocf-exit-reason:all is well", "\r\n\n", "a\tb\x1b[31m", "x\u2028y", b"\xff\xfe\x80",
            "ü" * 3, "'\"<&>;$(reboot)`", "%s%n%d{}{0}",
        ):  # fmt: skip
            for name in ("ip", "nic", "broadcast", "mac", "announce", "gateway_check", "arp_count", "iflabel",
                         "network_namespace", "announce_to", "preferred_lft"):  # fmt: skip
                with self.subTest(name=name, value=value):
                    answer = self.node.agent("start", **{"ip": IP4, name: value})
                    self.assertIn(answer.code, (0, 5, 6), answer.stderr)
                    self.assertLessEqual(len(answer.reasons), 1)
                    self.assertTrue(answer.stderr.isascii() and "\\x" not in answer.stderr)
                    self.assertTrue(all(line.isprintable() for line in answer.stderr.split("\n")))
                    self.ok(self.node.agent("stop", **{"ip": IP4, name: value}))

    def test_huge_values_are_refused_with_a_reason_of_decent_length(self) -> None:
        huge = "x" * 120_000
        stdout = self.node.agent("meta-data").stdout
        with self.nothing_changes():
            for part in stdout.split('<parameter name="')[1:]:
                name = part.split('"')[0]
                if name in ("arp_sender", "send_arp_opts"):
                    continue
                with self.subTest(name=name):
                    answer = self.node.agent("start", **{"ip": IP4, name: huge})
                    self.assertIn(answer.code, (5, 6), answer.stderr[:300])
                    self.assertEqual(1, len(answer.reasons))
                    self.assertLess(len(answer.stderr), 2000)

    def test_huge_values_keep_no_address_from_being_stopped(self) -> None:
        huge = "x" * 120_000
        for name in ("iflabel", "cidr_netmask", "mac", "broadcast", "announce", "lvs_ipv6_addrlabel_value"):
            with self.subTest(name=name):
                self.client.sysctl("ipv4/conf/all/arp_ignore", 0)
                self.node.sysctl("ipv4/conf/all/arp_ignore", 1)
                self.start(ip=IP4)
                self.stop(**{"ip": IP4, "lvs_support": "true", name: huge})
                self.assertEqual([("lo", IP4, 32)], self.node.addresses(IP4))
                self.node.ip(f"address delete {IP4}/32 dev lo")

    def test_an_environment_of_noise(self) -> None:
        noise = {f"{os.urandom(4).hex()}": os.urandom(200).replace(b"\0", b"=") for _ in range(200)}
        answer = self.start(ip=IP4, **noise)
        self.assertEqual(200, answer.stderr.count("there is no parameter"))

    def test_a_check_level_that_is_none_counts_as_zero(self) -> None:
        self.start(ip=IP4)
        for level in ("x", "-1", "99999999999999999999", "1 0", ""):
            self.ok(self.node.agent("monitor", ip=IP4, wrapper=("env", f"OCF_CHECK_LEVEL={level}")))


class Descriptors(AgentTest):
    def test_an_agent_started_without_standard_descriptors_works(self) -> None:
        for closing in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            with self.subTest(closing=closing), self.segment.sniff() as wire:
                shell = ("/bin/sh", "-c", f'exec "$0" "$@" {closing}')
                answer = self.node.agent("start", ip=IP4, arp_count=2, arp_interval=100, wrapper=shell)
                self.assertEqual(0, answer.code, answer.stderr)
                wire.wait("the announcements", lambda frame: frame.port == "node" and IP4 in str(frame.packet), 4)
                self.assertEqual(0, self.node.agent("monitor", ip=IP4, wrapper=shell).code)
                self.assertEqual(0, self.node.agent("stop", ip=IP4, wrapper=shell).code)
                self.assertEqual([], self.node.addresses(IP4))


if __name__ == "__main__":
    unittest.main()
