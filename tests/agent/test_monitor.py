# SPDX-License-Identifier: GPL-2.0-or-later
"""Monitor: what it asks the gateway, what it costs, what it leaves alone."""

from __future__ import annotations

import subprocess
import unittest
from contextlib import contextmanager
from typing import Iterator

from rig import IP4, IP6, NET4, NET6, PROBE, AgentTest, mac_of
from sniffer import Seen

GENERIC = 1
VMAC = "02:00:5e:77:00:01"
GATEWAY = {IP4: f"{NET4}.100", IP6: f"{NET6}::64"}
PLAIN = [{"ip": IP4}, {"ip": IP6, "nodad": "true"}]
WITH_MAC = [{**way, "mac": VMAC} for way in PLAIN]
NOBODY = {IP4: f"{NET4}.77", IP6: f"{NET6}::77"}


class Gateway(AgentTest):
    def asked(self, frame: Seen) -> str | None:
        """Whom a frame of the node asks for its MAC."""
        packet = frame.packet
        if frame.port != "node":
            return None
        if type(packet).__name__ == "Arp" and packet.request and not packet.gratuitous:
            return packet.target_ip
        return packet.target if type(packet).__name__ == "Solicitation" else None

    @contextmanager
    def started(self, way: dict) -> Iterator[str]:
        """An address that is up, announced once; gives the address."""
        with self.subTest(way=way):
            self.start(arp_count=1, **way)
            yield way["ip"]
            self.stop(**way)

    def default_route(self, ip: str, gateway: str) -> None:
        self.node.ip(f"{'-6' if ':' in ip else '-4'} route replace default via {gateway} dev eth0")

    def test_that_of_the_default_route_answers(self) -> None:
        for way in PLAIN + WITH_MAC:
            with self.started(way) as ip:
                self.default_route(ip, GATEWAY[ip])
                with self.segment.sniff() as wire:
                    self.ok(self.node.agent("monitor", level=10, **way))
                    (question,) = wire.frames(lambda f: self.asked(f) == GATEWAY[ip])
                    self.assertEqual(way.get("mac", mac_of(1)), question.source)
                    self.assertEqual(ip, getattr(question.packet, "sender_ip", None) or question.packet.source_ip)

    def test_that_of_the_default_route_does_not_answer(self) -> None:
        for way in WITH_MAC:
            with self.started(way) as ip:
                self.default_route(ip, NOBODY[ip])
                self.ok(self.node.agent("monitor", **way))  # which mirrors the route
                with self.nothing_changes():
                    answer = self.node.agent("monitor", level=10, **way)
                    self.refused(GENERIC, answer, NOBODY[ip], "does not answer", ip, "gateway_check=off")

    def test_it_is_asked_at_that_depth_only(self) -> None:
        for way in PLAIN + WITH_MAC:
            with self.started(way) as ip:
                self.default_route(ip, NOBODY[ip])
                with self.segment.sniff() as wire:
                    self.ok(self.node.agent("monitor", **way))
                    self.ok(self.node.agent("monitor", level=9, **way))
                    self.ok(self.node.agent("monitor", level=10, meta=PROBE, **way))
                    self.ok(self.node.agent("monitor", level=10, gateway_check="off", **way))
                    self.assertEqual([], wire.frames(lambda f: self.asked(f) == NOBODY[ip]))

    def test_a_given_host_is_asked_instead(self) -> None:
        for way in PLAIN:
            with self.started(way) as ip:
                self.default_route(ip, NOBODY[ip])
                self.ok(self.node.agent("monitor", level=10, gateway_check=GATEWAY[ip], **way))
                self.default_route(ip, GATEWAY[ip])
                answer = self.node.agent("monitor", level=10, gateway_check=NOBODY[ip], **way)
                self.refused(GENERIC, answer, NOBODY[ip])

    def test_without_a_default_route_nobody_is_asked(self) -> None:
        for way in PLAIN + WITH_MAC:
            with self.started(way):
                self.ok(self.node.agent("monitor", level=10, **way))

    def test_of_several_the_one_with_the_lowest_metric_by_this_interface(self) -> None:
        self.segment.plug_in(self.node, 2, "eth1", "node2")
        self.node.batch(f"route add default via {NOBODY[IP4]} dev eth1 metric 1",
                        f"route add default via {NOBODY[IP4]} dev eth0 metric 300",
                        f"route add default via {GATEWAY[IP4]} dev eth0 metric 200")  # fmt: skip
        self.start(ip=IP4, nic="eth0")
        self.ok(self.node.agent("monitor", ip=IP4, nic="eth0", level=10))

    def test_an_answer_for_somebody_else_is_none(self) -> None:
        """The client answers for its own address; that says nothing of the gateway."""
        self.default_route(IP4, NOBODY[IP4])
        self.start(ip=IP4)
        asking = self.node.begin("monitor", ip=IP4, level=10)
        for _ in range(5):
            self.client.ip("neighbor flush all")
            self.assertTrue(self.client.reaches(IP4))
        self.refused(GENERIC, asking.wait(), NOBODY[IP4])


class Cost(AgentTest):
    def pids_used(self, action: str, **parameters: object) -> int:
        """How many processes and threads one action makes, itself included, counted by the kernel."""
        script = (
            "read before </proc/sys/kernel/ns_last_pid; \"$0\" \"$@\" >&2; code=$?; "
            "read after </proc/sys/kernel/ns_last_pid; echo $((after - before)); exit $code"
        )
        wrapper = ("unshare", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c", script)
        answer = self.node.agent(action, wrapper=wrapper, **parameters)
        self.assertEqual(0, answer.code, answer.stderr)
        return int(answer.stdout)

    def test_a_monitor_makes_no_process(self) -> None:
        for way in ({"ip": IP4}, {"ip": IP6}, {"ip": IP4, "mac": "auto"}):
            self.start(**way)
            for level in (0, 10):
                with self.subTest(way=way, level=level):
                    self.assertEqual(1, self.pids_used("monitor", level=level, **way))
            self.stop(**way)

    def test_the_count_would_show_one(self) -> None:
        """start makes one process, for its repeats; else the test above would count nothing."""
        self.assertEqual(2, self.pids_used("start", ip=IP4))
        self.assertEqual(1, self.pids_used("stop", ip=IP4))

    def test_a_monitor_changes_and_sends_nothing(self) -> None:
        for way in ({"ip": IP4}, {"ip": IP6, "nodad": "true"}, {"ip": IP4, "mac": "auto"}):
            self.start(arp_count=1, **way)
            with self.nothing_changes(), self.segment.sniff() as wire:
                self.ok(self.node.agent("monitor", **way))
                self.ok(self.node.agent("monitor", meta=PROBE, **way))
                self.assertEqual([], wire.frames(lambda f: f.port == "node"))
            self.stop(**way)

    def test_a_listing_in_several_parts_is_read_whole_while_it_changes(self) -> None:
        """Hundreds of addresses come and go; the one looked for is there all the time."""
        last = f"{NET4}.250"
        self.node.batch(*(f"address add 10.200.{i // 250}.{i % 250}/32 dev eth0" for i in range(600)))
        self.node.ip(f"address add {last}/24 dev eth0")
        churn = "while :; do ip -batch - <<X\n" + "".join(
            f"address add 10.201.0.{i}/32 dev eth0\naddress delete 10.201.0.{i}/32 dev eth0\n" for i in range(200)
        ) + "X\ndone"  # fmt: skip
        with self.node.inside():
            churning = subprocess.Popen(["/bin/sh", "-c", churn], stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            for _ in range(60):
                self.ok(self.node.agent("monitor", ip=last))
        finally:
            churning.kill()
            churning.wait()


if __name__ == "__main__":
    unittest.main()
