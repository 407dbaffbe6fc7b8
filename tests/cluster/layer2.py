# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtual MACs and IPv6 on a real cluster: what client and switch learn, and what is on the wire."""

from __future__ import annotations

import unittest

from floating import AGENT, IP4, IP6, FloatingTest, mac_of

from lab.frames import Arp
from lab.waiting import wait_until


class VirtualMac(FloatingTest):
    def test_mac_follows_the_address_from_port_to_port(self) -> None:
        with self.client.capture() as capture:
            node = self.create("vip", f"ip={IP4}", "mac=auto")
            self.assert_held_only_by(node, IP4)
            mac = self.client.neighbour(IP4)
            self.assertNotIn(mac, [mac_of(name) for name in self.cluster.node_names()])
            self.assert_announced_both_ways(capture, IP4, node, mac)
        self.assertEqual([node], self.cluster.switch.forwarding(mac))
        target = self.others(node)[0]
        with self.client.capture() as capture, self.client.probe(IP4) as probe:
            probe.wait_answer(node)
            self.cluster.pcs("resource", "move", "vip", target)
            self.cluster.wait_running("vip", on=target)
            probe.wait_answer(target)
            self.assert_announced_both_ways(capture, IP4, target, mac)
            report = probe.stop()
        self.assertEqual(mac, self.client.neighbour(IP4), "the client had to learn a new MAC")
        self.assertEqual({mac}, {turn.mac for turn in report.turns()})
        self.assertEqual([target], self.cluster.switch.forwarding(mac))
        self.assert_one_at_a_time(report)
        leaked = capture.frames(lambda frame: frame.host == node and frame.source == mac
                                and frame.time_ns / 1e6 > report.turns()[-1].since_ms)  # fmt: skip
        self.assertEqual([], leaked, "the old node still sends from the virtual MAC")

    def test_two_on_one_interface(self) -> None:
        second = "10.77.0.51"
        node = self.create("vip", f"ip={IP4}", "mac=auto", "nic=eth0")
        self.cluster.pcs("resource", "create", "vip2", AGENT, f"ip={second}", "mac=auto", "nic=eth0")
        self.cluster.pcs("constraint", "colocation", "add", "vip2", "with", "vip")
        self.cluster.wait_running("vip2", on=node)
        with self.client.capture() as capture:
            self.client.forget_neighbours()
            self.assert_held_only_by(node, IP4)
            self.assert_held_only_by(node, second)
            first_mac, second_mac = self.client.neighbour(IP4), self.client.neighbour(second)
            own = mac_of(node)
            self.assertEqual(3, len({first_mac, second_mac, own}), "each has a MAC of its own")
            # ARP flux: a question for one address must not be answered from another device.
            for address, mac in ((IP4, first_mac), (second, second_mac)):
                answers = capture.frames(
                    lambda frame, address=address: isinstance(frame.packet, Arp)
                    and frame.packet.reply
                    and frame.packet.sender_ip == address
                )
                self.assertTrue(answers)
                said = {(frame.source, frame.packet.sender_mac) for frame in answers}
                self.assertEqual({(mac, mac)}, said)
        target = self.others(node)[0]
        self.cluster.pcs("resource", "move", "vip", target)
        self.cluster.wait_running("vip2", on=target)
        self.assert_held_only_by(target, IP4)
        self.assert_held_only_by(target, second)
        self.assertEqual(first_mac, self.client.neighbour(IP4))
        self.assertEqual(second_mac, self.client.neighbour(second))
        for mac in (first_mac, second_mac):
            wait_until(f"{mac} to be behind {target}", lambda mac=mac: self.cluster.switch.forwarding(mac) == [target], 10)

    def test_vrrp_mac_survives_a_power_off(self) -> None:
        mac = "00:00:5e:00:01:07"
        node = self.create("vip", f"ip={IP4}", "mac=vrrp:7")
        with self.client.probe(IP4) as probe:
            self.assertEqual(mac, probe.wait_answer(node).mac)
            self.cluster.power_off(node)
            target = self.cluster.wait_running("vip")
            self.cluster.wait_view("the fencing", lambda view: node in view.offline - view.unclean)
            target = self.cluster.wait_running("vip")
            self.assertEqual(mac, probe.wait_answer(target).mac)
            self.assert_one_at_a_time(probe.stop())
        self.assertEqual([target], self.cluster.switch.forwarding(mac))

    def test_nothing_is_left_of_it_after_stop(self) -> None:
        before = {name: self.links(name) for name in self.cluster.node_names()}
        self.create("vip", f"ip={IP4}", "mac=auto")
        self.cluster.pcs("resource", "delete", "vip")
        self.cluster.settle()
        self.assertEqual(before, {name: self.links(name) for name in self.cluster.node_names()})

    def links(self, node: str) -> str:
        """A node's interfaces, and the settings that virtual MACs change on the parent."""
        settings = ("arp_ignore", "arp_announce", "arp_filter", "rp_filter")
        values = [f"/proc/sys/net/ipv4/conf/eth0/{setting}" for setting in settings]
        # The addresses' remaining lifetimes would differ; names, MACs and flags do not.
        return self.cluster.run(node, ["sh", "-c", f"ip -o link; cat {' '.join(values)}"]).stdout


class Ipv6(FloatingTest):
    def test_create_and_move(self) -> None:
        with self.client.capture() as capture:
            node = self.create("vip6", f"ip={IP6}")
            self.assert_held_only_by(node, IP6)
            self.assert_advertised(capture, IP6, node, mac_of(node))
        target = self.others(node)[0]
        with self.client.capture() as capture, self.client.probe(IP6) as probe:
            probe.wait_answer(node)
            self.cluster.pcs("resource", "move", "vip6", target)
            self.cluster.wait_running("vip6", on=target)
            probe.wait_answer(target)
            self.assert_advertised(capture, IP6, target, mac_of(target))
            self.assert_one_at_a_time(probe.stop())
        self.assertEqual(mac_of(target), self.client.neighbour(IP6))
        self.assertEqual([target], self.holders(IP6))

    def test_virtual_mac(self) -> None:
        with self.client.capture() as capture:
            node = self.create("vip6", f"ip={IP6}", "mac=auto")
            self.assert_held_only_by(node, IP6)
            mac = self.client.neighbour(IP6)
            self.assertNotEqual(mac_of(node), mac)
            self.assert_advertised(capture, IP6, node, mac)
        target = self.others(node)[0]
        with self.client.probe(IP6) as probe:
            self.cluster.pcs("resource", "move", "vip6", target)
            self.assertEqual(mac, probe.wait_answer(target).mac)
            self.assert_one_at_a_time(probe.stop())
        self.assertEqual([target], self.cluster.switch.forwarding(mac))

    def test_other_spelling_is_the_same_address(self) -> None:
        node = self.create("vip6", "ip=2001:DB8:77:0::0050")
        self.assert_held_only_by(node, IP6)


if __name__ == "__main__":
    unittest.main()
