# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of floating addresses on a real cluster have in common."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lab.frames import Advertisement, Arp
from lab.capture import Capture, announces
from lab.probe import Report
from lab.shared import ClusterTest
from lab.switch import socket_of

# Another agent with IPaddr2's parameters can be put to the same tests.
AGENT = os.environ.get("BUOY_TEST_AGENT", "ocf:buoy:address")
AGENT_FILE = Path("/usr/lib/ocf/resource.d") / AGENT.removeprefix("ocf:").replace(":", "/")
IP4, IP6 = "10.77.0.50", "2001:db8:77::50"


def mac_of(node: str) -> str:
    """The MAC of a node's own interface on the LAN."""
    return socket_of(node, "lan").mac


class FloatingTest(ClusterTest):
    """Creates addresses and looks at them from the client's side."""

    def create(self, name: str, *options: str, agent: str = AGENT) -> str:
        """pcs resource create; returns the node on which it runs."""
        self.cluster.pcs("resource", "create", name, agent, *options)
        return self.cluster.wait_running(name)

    def others(self, node: str) -> list[str]:
        """The nodes but one."""
        return [name for name in self.cluster.node_names() if name != node]

    def holders(self, address: str) -> list[str]:
        """The nodes whose kernel has an address on some interface."""
        found = []
        for node in self.cluster.nodes():
            if node.init() is None:
                continue
            links = json.loads(node.run(["ip", "-json", "address"]).stdout)
            held = [info["local"] for link in links for info in link["addr_info"]]
            found += [node.name] * held.count(address)
        return found

    def assert_held_only_by(self, node: str, address: str) -> None:
        """One node has it, once; the client reaches it there."""
        self.assertEqual([node], self.holders(address))
        with self.client.probe(address) as probe:
            probe.wait_answer(node)

    def assert_one_at_a_time(self, report: Report) -> None:
        """No request was answered by two nodes."""
        twice = report.answered_twice()
        self.assertEqual([], [(one.sequence, one.hosts) for one in twice], "two nodes answered")

    def assert_announced_both_ways(self, capture: Capture, address: str, node: str, mac: str) -> None:
        """The node sent gratuitous ARP as request and as reply, from the right MAC to everybody."""
        said = announces(address)
        for word, form in (("request", 1), ("reply", 2)):
            (first, *_) = capture.wait(
                f"a gratuitous ARP {word} for {address} from {node}",
                lambda frame, form=form: said(frame)
                and frame.host == node
                and isinstance(frame.packet, Arp)
                and frame.packet.operation == form,
            )
            assert isinstance(first.packet, Arp)
            self.assertEqual((mac, mac), (first.source, first.packet.sender_mac))
            self.assertEqual("ff:ff:ff:ff:ff:ff", first.destination)

    def assert_advertised(self, capture: Capture, address: str, node: str, mac: str) -> None:
        """The node sent an unsolicited neighbour advertisement that replaces cached entries."""
        said = announces(address)
        (first, *_) = capture.wait(
            f"an unsolicited advertisement of {address} from {node}",
            lambda frame: said(frame) and frame.host == node and frame.packet.override,
        )
        assert isinstance(first.packet, Advertisement)
        self.assertEqual((mac, mac), (first.source, first.packet.link_layer))
        self.assertEqual("ff02::1", first.packet.destination_ip)
        self.assertEqual(255, first.packet.hop_limit)
