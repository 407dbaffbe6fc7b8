# SPDX-License-Identifier: GPL-2.0-or-later
"""Pools with virtual MACs: every address has its own, and takes it along from node to node."""

from __future__ import annotations

import ipaddress
import itertools
import json
import signal
import socket
import struct
import unittest

from pooling import PoolTest

from lab.capture import Capture, Wanted
from lab.commands import ip
from lab.kernel import inside_netns
from lab.pool import Pool, Standing
from lab.switch import CLIENT
from lab.waiting import wait_until

AGENT_FILE = "/usr/lib/ocf/resource.d/buoy/pool"
NAME = "macs"


def virtual_mac(address: str) -> str:
    """Of an IPv4 address 02:b0 and the address, of an IPv6 address 02:b6 and its FNV-1a of 32 bits."""
    packed = ipaddress.ip_address(address).packed
    if len(packed) == 4:
        return "02:b0:" + packed.hex(":")
    value = 2166136261
    for byte in packed:
        value = (value ^ byte) * 16777619 % 2**32
    return "02:b6:" + value.to_bytes(4, "big").hex(":")


def listener_query() -> bytes:
    """A multicast listener query (RFC 3810 section 5.1) for all groups, to be answered within 1 ms."""
    source, everybody = (ipaddress.IPv6Address(text).packed for text in ("fe80::ff", "ff02::1"))
    message = struct.pack("!BBHHH16sBBH", 130, 0, 0, 1, 0, bytes(16), 2, 1, 0)
    covered = source + everybody + struct.pack("!II", len(message), 58) + message
    total = sum(struct.unpack(f"!{len(covered) // 2}H", covered))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
    router_alert = bytes((58, 0, 5, 2, 0, 0, 1, 0))
    header = struct.pack("!IHBB", 6 << 28, len(router_alert) + len(message), 0, 1) + source + everybody
    ethernet = bytes.fromhex("333300000001" "0200000000ff" "86dd")
    return ethernet + header + router_alert + message


class MacPoolTest(PoolTest):
    """Thirty addresses with virtual MACs, and a capture of all that is ever sent from one."""

    keep = frozenset({NAME})

    def made(self) -> Standing:
        self.pool = Pool(self.cluster, NAME)
        if NAME not in self.cluster.view().resources:
            self.pool.create("mac=auto")
        return self.settled()

    def setUp(self) -> None:
        super().setUp()
        self.macs = {address: virtual_mac(address) for address in self.pool.addresses}

    def received(self, node: str) -> set[str]:
        """The virtual MACs that a node's NIC was told to receive."""
        entries = json.loads(self.cluster.run(node, ["bridge", "-json", "fdb", "show", "dev", "eth0"]).stdout)
        return {entry["mac"] for entry in entries} & set(self.macs.values())

    def traces(self, node: str) -> str:
        """What might be left of virtual MACs on a node: links, rules, the NIC's settings and what it receives."""
        keys = ("arp_ignore", "arp_announce", "arp_filter", "rp_filter")
        files = " ".join(f"/proc/sys/net/ipv4/conf/eth0/{key}" for key in keys)
        look = f"ip -o link; ip rule; ip -6 rule; cat {files}; bridge fdb show dev eth0 | sort"
        return self.cluster.run(node, ["sh", "-c", look]).stdout

    def neighbours(self) -> dict[str, str]:
        """What the client's kernel has for the pool's addresses."""
        entries = json.loads(ip("-json", "neighbor", netns=self.cluster.switch.netns_of(CLIENT)) or "[]")
        known = {entry["dst"]: entry.get("lladdr", "") for entry in entries}
        return {address: known.get(address, "") for address in self.pool.addresses}

    def senders(self, capture: Capture, address: str) -> list[str]:
        """Who sent from an address's MAC, one after the other."""
        mac = self.macs[address]
        hosts = [frame.host for frame in capture.frames(lambda frame: frame.source == mac)]
        return [host for host, _ in itertools.groupby(hosts)]

    def assert_in_sequence(self, capture: Capture, moves: dict[str, list[str]]) -> None:
        """Nobody sent from a MAC before it had it, nor after it had given it away; whatever it sent."""
        sent = {address: self.senders(capture, address) for address in self.pool.addresses}
        self.assertEqual(moves, sent, "senders from each virtual MAC")

    def assert_at(self, owners: dict[str, str]) -> None:
        """Every address's MAC is received by its owner alone, and behind its port."""
        for node in set(owners.values()):
            mine = {self.macs[address] for address in owners if owners[address] == node}
            self.assertEqual(mine, self.received(node), f"received by {node}")
        for address, mac in self.macs.items():
            self.assertEqual([owners[address]], self.cluster.switch.forwarding(mac), f"port of {address}")


class Made(MacPoolTest):
    def test_every_address_has_a_mac_of_its_own(self) -> None:
        with self.sweep() as sweep:
            self.wait_covered(sweep)
            self.assertEqual(self.macs, self.neighbours())
            self.assertEqual(30, len(set(self.macs.values())))
            shown = [line.split() for line in self.pool.buoy("n2", "pool", "show", NAME).splitlines()]
            self.assertEqual(self.macs, {words[1]: words[2] for words in shown if words[0].startswith(f"{NAME}/")})
            self.assert_at(self.before.owners)

    def test_nodes_and_addresses_reach_each_other(self) -> None:
        mine, other = self.before.of("n1")[:2]
        theirs = self.before.of("n2")[0]
        last6 = {node: self.before.of(node)[-1] for node in ("n1", "n2")}
        ways = [([], mine), ([], theirs), (["-I", mine], other), (["-I", mine], theirs), ([], last6["n1"]),
                ([], last6["n2"]), (["-I", last6["n1"]], last6["n2"])]  # fmt: skip
        for options, to in ways:
            with self.subTest(options=options, to=to):
                self.cluster.run("n1", ["ping", "-n", "-c", "1", "-W", "5", *options, to])

    def test_is_the_way_to_what_is_behind_its_holder(self) -> None:
        """As of hosts whose router the address is: what comes to the MAC need not be for the address."""
        address = next(one for one in self.before.of("n1") if ":" not in one)
        behind = "192.0.2.1"
        netns = self.cluster.switch.netns_of(CLIENT)
        for node in self.cluster.node_names():
            self.cluster.run(node, ["ip", "address", "add", f"{behind}/32", "dev", "lo"])
            self.addCleanup(self.cluster.run, node, ["ip", "address", "delete", f"{behind}/32", "dev", "lo"])
        ip("route", "add", behind, "via", address, netns=netns)
        self.addCleanup(ip, "route", "delete", behind, netns=netns)
        with self.client.probe(behind) as probe:
            probe.wait_answer("n1")
            self.pool.buoy("n1", "move", address, "n3")
            probe.wait_answer("n3")
            self.assertEqual([], probe.stop().answered_twice())
        self.pool.buoy("n1", "move", address, "n1")
        self.settled()

    def test_what_an_administrator_does_to_it_is_put_right(self) -> None:
        address = self.before.of("n2")[0]
        mac = self.macs[address]
        device = "bv" + mac.replace(":", "")
        for command in (f"bridge fdb delete {mac} dev eth0 self",
                        f"ip address delete {address}/{64 if ':' in address else 24} dev eth0",
                        f"ip link add {device} link eth0 address {mac} type macvlan mode bridge"):  # fmt: skip
            with self.subTest(command=command):
                self.cluster.run("n2", ["sh", "-c", command])

                def right() -> bool:
                    return (self.client.answers(address, 3) and mac in self.received("n2")
                            and device not in self.traces("n2"))  # fmt: skip

                wait_until("it to be back", right)
        self.settled()
        self.assert_at(self.before.owners)


class Moved(MacPoolTest):
    def test_move_and_standby_take_the_macs_along(self) -> None:
        address = self.before.of("n1")[0]
        moves = {one: [owner] for one, owner in self.before.owners.items()}
        with self.client.capture() as capture, self.sweep() as sweep:
            known = self.neighbours()
            self.pool.buoy("n1", "move", address, "n3")
            held = sweep.wait("n3 to answer", lambda held: held[address] == "n3")
            self.note(moves, held)
            self.cluster.pcs("node", "standby", "n2")
            held = self.wait_covered(sweep, "n2")
            self.note(moves, held)
            wait_until("n2 to receive none", lambda: self.received("n2") == set())
            standing = self.settled("n1", "n3")
            self.assert_at(standing.owners)
            self.note(moves, standing.owners)
            self.assertEqual(known, self.neighbours(), "the client had to learn another MAC")
            for one, report in sweep.reports().items():
                self.assertEqual({self.macs[one]}, {turn.mac for turn in report.turns()}, one)
            self.assert_in_sequence(capture, moves)

    def note(self, moves: dict[str, list[str]], held: dict[str, str]) -> None:
        """One more place for those that have moved."""
        for address, owner in held.items():
            if moves[address][-1] != owner:
                moves[address].append(owner)

    def test_power_off_takes_them_along(self) -> None:
        moves = {one: [owner] for one, owner in self.before.owners.items()}
        with self.client.capture() as capture, self.sweep() as sweep:
            known = self.neighbours()
            self.cluster.power_off("n3")
            held = self.wait_covered(sweep, "n3")
            self.note(moves, held)
            self.assert_taken_over("n3", held)
            self.assert_at(held)
            self.assertEqual(known, self.neighbours(), "the client had to learn another MAC")
            self.assert_in_sequence(capture, moves)

    def test_a_half_dead_node_is_silent_from_every_mac(self) -> None:
        moves = {one: [owner] for one, owner in self.before.owners.items()}
        node = self.before.owners[self.pool.addresses[-1]]
        self.cluster.set_fencing("fail")
        with self.client.capture() as capture, self.sweep() as sweep:
            self.cluster.kill(node)
            held = self.wait_covered(sweep, node)
            self.note(moves, held)
            self.assert_taken_over(node, held)
            # The capture has few frames to look at then, and misses none.
            sweep.stop()
            for _ in range(5):
                self.ask_for_listeners(capture)
            self.assert_in_sequence(capture, moves)

    def ask_for_listeners(self, capture: Capture) -> None:
        """Ask everybody for their multicast groups, as a switch that snoops does; every kernel answers in time."""

        def answers(host: str) -> Wanted:
            return lambda frame: frame.host == host and frame.destination == "33:33:00:00:00:16"

        known = {host: len(capture.frames(answers(host))) for host in self.cluster.node_names()}
        with inside_netns(self.cluster.switch.netns_of(CLIENT)):
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with tap:
            tap.bind(("eth0", 0))
            tap.send(listener_query())
        for host in self.cluster.node_names():
            # From its own MAC.
            capture.wait(f"{host} to tell its groups", answers(host), known[host] + 1)

    def test_daemon_killed_and_started_again(self) -> None:
        with self.sweep() as sweep:
            self.cluster.pcs("resource", "unmanage", NAME)
            self.addCleanup(self.cluster.pcs, "resource", "manage", NAME)
            self.signal_daemon("n1", signal.SIGKILL)
            self.wait_covered(sweep, "n1")
            self.assertEqual(set(), self.received("n1"))
            self.cluster.pcs("resource", "manage", NAME)
            standing = self.settled()
            self.wait_covered(sweep)
            self.assert_at(standing.owners)

    def test_stopped_while_the_daemon_is_dead_nothing_is_left(self) -> None:
        values = ["OCF_ROOT=/usr/lib/ocf", f"OCF_RESOURCE_INSTANCE={NAME}",
                  f"OCF_RESKEY_addresses={self.pool.text}", "OCF_RESKEY_mac=auto"]  # fmt: skip
        stop = f"kill -9 $(pidof -s buoyd); {AGENT_FILE} stop && ip -o address; bridge fdb show dev eth0"
        shown = self.cluster.run("n2", ["env", *values, "sh", "-c", stop]).stdout
        self.assertIn("eth0", shown)
        for address, mac in self.macs.items():
            self.assertNotIn(f" {address}/", shown)
            self.assertNotIn(mac, shown)
        self.settled()


class Gone(MacPoolTest):
    def test_deleted_it_leaves_every_node_as_it_was(self) -> None:
        nodes = self.cluster.node_names()
        self.pool.delete()
        self.cluster.settle()
        before = {node: self.traces(node) for node in nodes}
        for node in nodes:
            self.assertEqual(set(), self.received(node))
        self.made()
        self.assertNotEqual(before, {node: self.traces(node) for node in nodes})
        self.pool.delete()
        self.cluster.settle()
        self.assertEqual(before, {node: self.traces(node) for node in nodes})

    def test_beside_addresses_with_virtual_macs(self) -> None:
        self.cluster.pcs("resource", "create", "vip", "ocf:buoy:address", "ip=10.77.0.50", "mac=auto")
        node = self.cluster.wait_running("vip")
        look = ["cat", "/proc/sys/net/ipv4/conf/eth0/arp_ignore"]
        with self.client.probe("10.77.0.50") as probe, self.sweep() as sweep:
            probe.wait_answer(node)
            self.cluster.pcs("node", "standby", node)
            self.wait_covered(sweep, node)
            target = self.cluster.wait_running("vip")
            probe.wait_answer(target)
            self.cluster.pcs("node", "unstandby", node)
            self.settled()
            self.assertEqual("1\n", self.cluster.run(target, look).stdout)
            self.cluster.pcs("resource", "delete", "vip")
            self.cluster.settle()
            self.wait_covered(sweep)
            self.assertEqual("0\n", self.cluster.run(target, look).stdout)

    def test_members_without_are_refused(self) -> None:
        values = ["OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=other", "OCF_RESKEY_addresses=10.77.0.90"]
        self.addCleanup(self.cluster.run, "n1", ["env", *values, AGENT_FILE, "stop"])
        self.cluster.run("n1", ["env", *values, "OCF_RESKEY_mac=auto", AGENT_FILE, "start"])
        refused = self.cluster.run("n2", ["env", *values, AGENT_FILE, "start"], check=False)
        self.assertRegex(refused.stdout + refused.stderr, "ocf-exit-reason:.*mac is '' here, but 'auto' in the cluster")


if __name__ == "__main__":
    unittest.main()
