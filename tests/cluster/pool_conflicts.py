# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool among hosts that are none of its members: one that claims its addresses, and one told by unicast."""

from __future__ import annotations

import ipaddress
import re
import unittest
from concurrent.futures import ThreadPoolExecutor

from claiming import RIVAL, Claiming, advertisement, gratuitous_reply
from pooling import PoolTest

from lab.capture import Capture
from lab.frames import Advertisement, Arp, Frame, Solicitation
from lab.pool import Pool, expand
from lab.shared import long
from lab.switch import CLIENT, socket_of
from lab.waiting import wait_until

AGENT_FILE = "/usr/lib/ocf/resource.d/buoy/pool"
DEGRADED = 190  # OCF 1.1


class AmongOthers(PoolTest):
    """The client may have an address of the pool."""

    def put(self, action: str, address: str) -> None:
        """Give the client an address, or take it away."""
        length, device = ipaddress.ip_address(address).max_prefixlen, socket_of(CLIENT, "lan").device
        nodad = ["nodad"] if ":" in address and action == "add" else []
        self.cluster.run(CLIENT, ["ip", "address", action, f"{address}/{length}", "dev", device, *nodad])


class Conflicts(Claiming, AmongOthers):
    watched = False

    def set_option(self, name: str, value: str) -> None:
        """Another value for one of the pool's parameters, by pcs; unset again after the test."""
        self.cluster.pcs("resource", "update", "web", f"{name}={value}")
        self.addCleanup(self.cluster.pcs, "resource", "update", "web", f"{name}=")
        self.cluster.settle()
        self.before = self.settled()

    def held(self, version: int) -> tuple[str, str]:
        """A node and an address of it that no test here has used: claims are counted as long as a daemon lives."""
        used = {address for node in self.cluster.node_names() for address in self.conflicts(node)}
        return next(
            (node, address) for address, node in self.before.owners.items()
            if address not in used and ipaddress.ip_address(address).version == version
        )  # fmt: skip

    def neighbour_of_client(self, address: str) -> str:
        """The MAC that the client has for an address, which it has just asked."""
        self.assertTrue(self.client.answers(address, 20))
        return self.client.neighbour(address) or ""

    def test_claim_is_counted_shown_and_defended(self) -> None:
        for version, frame in ((4, gratuitous_reply), (6, advertisement)):
            node, address = self.held(version)
            own = socket_of(node, "lan").mac
            with self.subTest(address=address):
                self.assertEqual(own, self.neighbour_of_client(address))
                with self.client.capture() as capture:
                    self.claim(frame(RIVAL, address))
                    self.wait_claimed(node, address, 1)
                    at_holder = f"the client to have {address} at {node}"
                    wait_until(at_holder, lambda: self.client.neighbour(address) == own)
                    self.claim(*[frame(RIVAL, address)] * 2)
                    self.wait_claimed(node, address, 3)
                    # One announcement in every form, and no second one.
                    defences = {4: 2, 6: 1}[version]
                    defended = lambda seen: self.says(seen, address, own)  # noqa: E731
                    capture.wait("it to be announced again", defended, defences)
                    self.assertEqual(defences, len(capture.frames(defended)))
                for other in self.others(node):
                    self.assertNotIn(address, self.conflicts(other), "counted where it is not held")
                shown = self.pool.buoy(node, "status")
                self.assertRegex(shown, rf"pool web: {re.escape(address)} is claimed .* {RIVAL}: 3 times")
                metrics = self.pool.buoy(node, "metrics")
                self.assertIn(f'buoy_conflicting_claims_total{{pool="web",address="{address}"}} 3\n', metrics)

    def says(self, frame: Frame, address: str, mac: str) -> bool:
        """Whether a frame tells everybody that an address is at a MAC."""
        packet = frame.packet
        if isinstance(packet, Arp):
            return packet.gratuitous and packet.sender_ip == address and packet.sender_mac == mac
        return isinstance(packet, Advertisement) and packet.target == address and packet.link_layer == mac

    def test_report_only_counts(self) -> None:
        self.set_option("on_conflict", "report")
        node, address = self.held(4)
        own = socket_of(node, "lan").mac
        self.assertEqual(own, self.neighbour_of_client(address))
        with self.client.capture() as capture:
            self.claim(gratuitous_reply(RIVAL, address))
            self.wait_claimed(node, address, 1)
            self.assertEqual([], capture.frames(lambda seen: self.says(seen, address, own)))

    def state(self, node: str, address: str) -> str:
        """What a node says of its gate for an address."""
        status = self.pool.status(node)
        rows = [row for pool in status["pools"] for row in pool["table"]] if status else []
        return next((row["state"] for row in rows if row.get("address") == address), "unknown")

    def asks(self, frame: Frame, node: str, address: str) -> bool:
        """Whether a node asks if anybody has an address, claiming nothing (RFC 5227 2.1.1, RFC 4862 5.4.2)."""
        packet = frame.packet
        if isinstance(packet, Arp):
            probe = packet.request and packet.sender_ip == "0.0.0.0" and packet.target_ip == address
        else:
            probe = isinstance(packet, Solicitation) and packet.source_ip == "::" and packet.target == address
        return probe and frame.host == node and frame.source == socket_of(node, "lan").mac

    def give_up(self, capture: Capture) -> list[tuple[str, str]]:
        """Let the client have an address of each family; the nodes that then answer for them no more."""
        self.set_option("on_conflict", "release")
        contested = [(*self.held(4), gratuitous_reply), (*self.held(6), advertisement)]
        for node, address, frame in contested:
            self.put("add", address)
            self.addCleanup(self.cluster.run, CLIENT, ["sh", "-c", f"ip -br address flush to {address} || true"])

            def given_up() -> bool:
                self.claim(frame(socket_of(CLIENT, "lan").mac, address))
                return self.state(node, address) == "withheld"

            wait_until(f"{node} to give up {address}", given_up)
            defended = capture.frames(lambda seen: self.says(seen, address, socket_of(node, "lan").mac))
            self.assertTrue(defended, "given up at the first claim")
        return [(node, address) for node, address, _ in contested]

    def assert_answering(self, node: str, address: str) -> None:
        """A node has an address that it had given up, or has it in a moment, and the client finds it there."""
        wait_until(f"{address} back", lambda: self.state(node, address) == "open", 60)
        own = socket_of(node, "lan").mac
        wait_until(f"the client to find {address} at {node}", lambda: self.neighbour_of_client(address) == own)
        self.assertEqual(0, self.monitor(node))

    def test_address_that_is_claimed_again_is_given_up_until_it_is_not_to_be(self) -> None:
        with self.client.capture() as capture:
            contested = self.give_up(capture)
        for node, address in contested:
            for one in self.cluster.node_names():
                self.assertNotIn(address, self.pool.held_by_kernel(one))
            self.assertTrue(self.conflicts(node)[address]["withheld"])
            self.assertRegex(self.pool.buoy(node, "status"), rf"{re.escape(address)} is claimed .*does not answer")
            self.assertIn("a host outside the pool claims it", self.pool.buoy(node, "explain", address))
            self.assertRegex(self.pool.buoy(node, "metrics"), r'buoy_slots_withheld{pool="web"} [12]\n')
            self.assertEqual(DEGRADED, self.monitor(node), "a restart would help nobody")
        standing = self.pool.standing("n1")
        assert standing is not None
        self.assertEqual(self.before.owners, standing.owners, "a contested address is not to wander")
        for _, address in contested:
            self.put("del", address)
        self.cluster.pcs("resource", "update", "web", "on_conflict=defend")
        for node, address in contested:
            self.assert_answering(node, address)

    @long
    def test_address_that_was_given_up_is_taken_back_from_nobody(self) -> None:
        with self.client.capture() as capture:
            contested = self.give_up(capture)
            for node, address in contested:
                # It asks, is answered, and leaves it.
                capture.wait(f"{node} to ask for {address}", lambda seen: self.asks(seen, node, address), 2, 60)
                self.assertEqual("withheld", self.state(node, address))
        for _, address in contested:
            self.put("del", address)
        for node, address in contested:
            self.assert_answering(node, address)

    def monitor(self, node: str) -> int:
        """The exit code of the agent's monitor."""
        values = ["OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=web:0", "OCF_RESKEY_CRM_meta_interval=2000"]
        values += [f"OCF_RESKEY_addresses={self.pool.text}", "OCF_RESKEY_nic=eth0"]
        return self.cluster.run(node, ["env", *values, AGENT_FILE, "monitor"], check=False).returncode

    def test_moving_and_losing_addresses_is_no_conflict(self) -> None:
        self.sweep()
        before = {node: self.conflicts(node) for node in self.cluster.node_names()}
        counts = {node: {ip: one["claims"] for ip, one in found.items()} for node, found in before.items()}
        for node in self.cluster.node_names():
            self.pool.buoy("n1", "drain", node)
            self.settled(balanced=False)
            self.pool.buoy("n1", "undrain", node)
            self.settled()
        for node in self.cluster.node_names():
            now = {ip: one["claims"] for ip, one in self.conflicts(node).items()}
            self.assertEqual(counts[node], now, f"{node} takes a member's word for another host's claim")

    def test_router_is_told_by_unicast_at_a_move(self) -> None:
        self.addCleanup(self.even_out)
        router = socket_of(CLIENT, "lan")
        self.set_option("announce_to", " ".join(a.partition("/")[0] for a in router.addresses))
        for version in (4, 6):
            address = next(
                address for address, node in self.before.owners.items()
                if node != "n2" and ipaddress.ip_address(address).version == version
            )  # fmt: skip
            with self.subTest(address=address):
                # So that n2's kernel knows the router's MAC.
                theirs = router.addresses[0 if version == 4 else 1].partition("/")[0]
                self.cluster.run("n2", ["ping", "-c", "1", "-W", "5", theirs])
                with self.client.capture() as capture:
                    self.pool.buoy("n3", "move", address, "n2")
                    (told, *_) = capture.wait(
                        f"{address} to be told the router alone",
                        lambda frame: frame.host == "n2" and frame.destination == router.mac
                        and self.tells(frame, address),
                    )  # fmt: skip
                    broadcast = capture.frames(lambda frame: self.says(frame, address, socket_of("n2", "lan").mac))
                self.assertEqual(socket_of("n2", "lan").mac, told.source)
                self.assertLess(broadcast[0].time_ns, told.time_ns, "the others had to wait for it")

    def test_router_that_the_new_owner_knows_is_told_by_unicast_unasked(self) -> None:
        self.addCleanup(self.even_out)
        router = socket_of(CLIENT, "lan")
        for version in (4, 6):
            address, old = next(
                (address, node) for address, node in self.before.owners.items()
                if ipaddress.ip_address(address).version == version
            )  # fmt: skip
            new = self.others(old)[0]
            with self.subTest(address=address):
                # So that its kernel knows the router's MAC.
                theirs = router.addresses[0 if version == 4 else 1].partition("/")[0]
                self.cluster.run(new, ["ping", "-c", "1", "-W", "5", theirs])
                with self.client.capture() as capture:
                    self.pool.buoy("n3", "move", address, new)
                    capture.wait(
                        f"{address} to be told the router alone",
                        lambda frame: frame.host == new and frame.source == socket_of(new, "lan").mac
                        and frame.destination == router.mac and self.tells(frame, address),
                    )  # fmt: skip

    def even_out(self) -> None:
        """Undo what moves have done to the pool's balance."""
        for mode in ("never", "auto"):
            self.pool.buoy("n1", "pool", "rebalance", "web", mode)

    def tells(self, frame: Frame, address: str) -> bool:
        """Whether a frame says unasked where an address is."""
        packet = frame.packet
        if isinstance(packet, Arp):
            return packet.reply and packet.sender_ip == address
        return isinstance(packet, Advertisement) and packet.target == address and not packet.solicited


class ConflictChecks(AmongOthers):
    """A second pool, started by its agent as Pacemaker would, where the client has one of its addresses."""

    addresses = "10.77.0.90-10.77.0.92 2001:db8:77::90-2001:db8:77::91"

    def agent(self, node: str, action: str, check: str = "fast") -> tuple[int, str]:
        """The exit code of an action of the agent, and what it says."""
        values = {"addresses": self.addresses, "nic": "eth0", "conflict_check": check}
        words = [f"OCF_RESKEY_{name}={value}" for name, value in values.items()]
        words += ["OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=other"]
        done = self.cluster.run(node, ["env", *words, AGENT_FILE, action], check=False)
        return done.returncode, done.stdout + done.stderr

    def start(self, node: str, check: str = "fast") -> str:
        """Start the pool on a node; what a failed start says."""
        self.addCleanup(self.agent, node, "stop")
        code, said = self.agent(node, "start", check)
        return "" if code == 0 else said

    def test_first_start_is_refused_with_address_and_mac_of_who_has_it(self) -> None:
        rival = socket_of(CLIENT, "lan").mac
        for address in ("10.77.0.91", "2001:db8:77::91"):
            for check in ("fast", "rfc5227"):
                with self.subTest(address=address, check=check):
                    self.put("add", address)
                    try:
                        said = self.start("n1", check)
                        self.assertRegex(said, rf"ocf-exit-reason:{address} is in use already, by the host with MAC {rival}")
                        self.assertEqual(7, self.agent("n1", "monitor")[0], "a failed start leaves nothing behind")
                    finally:
                        self.put("del", address)
        self.put("add", "10.77.0.91")
        self.addCleanup(self.put, "del", "10.77.0.91")
        self.assertEqual("", self.start("n1", "off"))

    def test_only_the_first_member_asks_and_members_are_no_conflict(self) -> None:
        with self.client.capture() as capture:
            self.assertEqual("", self.start("n1"))
            probes = capture.frames(lambda frame: self.is_probe(frame, "n1"))
            self.assertEqual(3 * 5, len(probes), "not each address three times")
            self.assertEqual("", self.start("n2"))
            self.assertEqual([], capture.frames(lambda frame: self.is_probe(frame, "n2")))
        other = Pool(self.cluster, "other", self.addresses)
        before = other.wait_settled("n1", "n2")
        self.assertEqual((0, ""), self.agent("n1", "reload-agent", "rfc5227"))
        self.assertEqual(before["n1"].owners, other.wait_settled("n1", "n2")["n1"].owners)
        code, said = self.agent("n1", "validate-all", "on")
        self.assertEqual(6, code)
        self.assertIn("ocf-exit-reason:conflict_check='on' is none of off, fast, rfc5227", said)

    def test_nodes_that_start_at_the_same_time_do_not_refuse_each_other(self) -> None:
        with ThreadPoolExecutor() as all_nodes:
            said = list(all_nodes.map(self.start, self.cluster.node_names()))
        self.assertEqual(["", "", ""], said)
        Pool(self.cluster, "other", self.addresses).wait_settled()

    def is_probe(self, frame: Frame, node: str) -> bool:
        """Whether a node asks if anybody has one of the pool's addresses."""
        packet = frame.packet
        if isinstance(packet, Arp):
            asked = packet.target_ip if packet.request and packet.sender_ip == "0.0.0.0" else ""
        else:
            asked = packet.target if isinstance(packet, Solicitation) and packet.source_ip == "::" else ""
        return frame.host == node and asked in expand(self.addresses)


if __name__ == "__main__":
    unittest.main()
