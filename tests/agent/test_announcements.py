# SPDX-License-Identifier: GPL-2.0-or-later
"""Announcements as the segment sees them, and the process that repeats them."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import unittest

from rig import AGENT, IP4, IP6, NET4, NET6, AgentTest, environment, mac_of
from sniffer import Seen, announces
from lab.waiting import wait_until

BROADCAST = "ff:ff:ff:ff:ff:ff"
REQUEST, REPLY = 1, 2
ONCE = {"arp_count": 1}
# So many that only somebody who ends them sees their end.
FOR_EVER = {"arp_count": 1000, "arp_interval": 20}


def burst(requests: int = 1, replies: int = 1) -> list[int]:
    """The ARP operations of one burst."""
    return [REQUEST] * requests + [REPLY] * replies


class Form(AgentTest):
    def announced(self, ip: str = IP4, **given: object) -> list[Seen]:
        """What one start sends, its repeats left out; stopped again."""
        with self.segment.sniff() as wire:
            self.start(ip=ip, **{**ONCE, **given})
            seen = wire.frames(announces(ip))
            self.stop(ip=ip, **given)
        return seen

    def test_both_arp_forms_come_from_the_right_mac_to_everybody(self) -> None:
        for given, mac in (({}, mac_of(1)), ({"mac": "02:00:5e:77:00:01"}, "02:00:5e:77:00:01")):
            seen = self.announced(**given)
            self.assertEqual(burst(), [frame.packet.operation for frame in seen])
            for frame in seen:
                self.assertEqual((mac, BROADCAST, "node"), (frame.source, frame.destination, frame.port))
                self.assertEqual((mac, IP4, IP4), (frame.packet.sender_mac, frame.packet.sender_ip, frame.packet.target_ip))

    def test_ipv6_is_advertised_to_all_nodes_and_overrides(self) -> None:
        for given, mac in (({}, mac_of(1)), ({"mac": "02:00:5e:77:00:01"}, "02:00:5e:77:00:01")):
            (frame,) = self.announced(IP6, nodad="true", **given)
            self.assertEqual((mac, "33:33:00:00:00:01"), (frame.source, frame.destination))
            packet = frame.packet
            self.assertEqual((IP6, "ff02::1", 255, mac), (packet.source_ip, packet.destination_ip, packet.hop_limit, packet.link_layer))
            self.assertEqual((True, False), (packet.override, packet.solicited))

    def test_ipv6_says_whether_the_node_is_a_router(self) -> None:
        router_flag = 0x80  # first byte after Ethernet, IPv6 header and the four bytes of ICMPv6
        for forwarding in (0, 1):
            self.node.sysctl("ipv6/conf/eth0/forwarding", forwarding)
            (frame,) = self.announced(IP6, nodad="true")
            self.assertEqual(forwarding, int(frame.data[58] & router_flag != 0))

    def test_the_forms_that_are_asked_for(self) -> None:
        for announce, expected in (
            ("request", burst(1, 0)), ("reply", burst(0, 1)), ("request reply", burst()), ("both", burst()),
            ("request:2 reply:3", burst(2, 3)), ("reply:2", burst(0, 2)), ("both:2", burst(2, 2)),
            ("request,reply", burst()), ("none", []),
        ):  # fmt: skip
            with self.subTest(announce=announce):
                self.assertEqual(expected, [frame.packet.operation for frame in self.announced(announce=announce)])

    def test_ipv6_takes_the_larger_number(self) -> None:
        for announce, expected in (("request:2 reply:3", 3), ("reply", 1), ("none", 0)):
            self.assertEqual(expected, len(self.announced(IP6, announce=announce, nodad="true")))

    def test_the_way_to_ask_for_replies_in_ipaddr2(self) -> None:
        self.assertEqual(burst(0, 1), [f.packet.operation for f in self.announced(send_arp_opts="-A")])
        self.assertEqual(burst(), [f.packet.operation for f in self.announced(send_arp_opts="-q")])

    def test_a_named_neighbour_is_told_by_unicast_too(self) -> None:
        for ip, neighbour in ((IP4, f"{NET4}.100"), (IP6, f"{NET6}::64")):
            for more in ({}, {"mac": "02:00:5e:77:00:01"}):
                with self.subTest(ip=ip, more=more), self.segment.sniff() as wire:
                    self.node.ip(f"neighbor replace {neighbour} lladdr {mac_of(100)} dev eth0")
                    self.start(ip=ip, announce_to=neighbour, nodad="true", **ONCE, **more)
                    mac = more.get("mac", mac_of(1))
                    (told,) = wire.frames(lambda f: f.port == "node" and f.destination == mac_of(100) and IP_of(f) == ip)
                    self.assertEqual(mac, told.source)
                    self.stop(ip=ip, announce_to=neighbour, **more)

    def test_a_named_neighbour_whose_mac_is_unknown_is_asked_for_it(self) -> None:
        for ip, neighbour in ((IP4, f"{NET4}.100"), (IP6, f"{NET6}::64")):
            with self.subTest(ip=ip), self.segment.sniff() as wire:
                self.start(ip=ip, announce_to=neighbour, nodad="true", **ONCE)
                def asks(frame: Seen) -> bool:
                    packet = frame.packet
                    return frame.port == "node" and getattr(packet, "target_ip", getattr(packet, "target", None)) == neighbour
                (asked,) = wire.wait("the question", asks)
                self.assertEqual(mac_of(1), asked.source)
                self.assertEqual(ip, getattr(asked.packet, "sender_ip", None) or asked.packet.source_ip)
                self.stop(ip=ip)

    def test_nothing_is_announced_on_loopback(self) -> None:
        self.start(ip="192.0.2.9", nic="lo")
        self.assertEqual([], [p for p in self.node.processes() if p.alive()])


def IP_of(frame: Seen) -> str | None:
    """Whose address a unicast announcement tells."""
    return getattr(frame.packet, "sender_ip", getattr(frame.packet, "target", None))


class Schedule(AgentTest):
    def test_the_first_is_out_before_start_returns(self) -> None:
        for _ in range(10):
            for ip in (IP4, IP6):
                with self.segment.sniff() as wire:
                    self.start(ip=ip, nodad="true", **FOR_EVER)
                    self.assertTrue(wire.frames(announces(ip)))
                    self.stop(ip=ip)

    def ended(self, processes: list) -> None:
        """They end by themselves."""
        for process in processes:
            descriptor = os.pidfd_open(process.pid) if process.alive() else None
            if descriptor is not None:
                self.assertTrue(select.select([descriptor], [], [], 20)[0], "it does not end by itself")
                os.close(descriptor)

    def test_as_many_as_asked_for_then_the_process_ends(self) -> None:
        for background in ("true", "false"):
            with self.subTest(background=background), self.segment.sniff() as wire:
                self.start(ip=IP4, arp_count=5, arp_interval=10, arp_bg=background)
                if background == "true":
                    wire.wait("five bursts", announces(IP4), 10)
                else:
                    self.assertEqual([], self.node.processes())
                self.ended(self.node.processes())
                self.assertEqual(10, len(wire.frames(announces(IP4))))
                self.stop(ip=IP4)

    def test_one_is_one(self) -> None:
        with self.segment.sniff() as wire:
            self.start(ip=IP4, **ONCE)
            self.assertEqual([], self.node.processes())
            self.assertEqual(2, len(wire.frames(announces(IP4))))

    def test_a_monitor_refreshes_as_often_as_asked_for(self) -> None:
        for ip, forms in ((IP4, 2), (IP6, 1)):
            self.start(ip=ip, nodad="true", **ONCE)
            with self.segment.sniff() as wire:
                self.ok(self.node.agent("monitor", ip=ip))
                self.assertEqual([], wire.frames(announces(ip)))
                self.ok(self.node.agent("monitor", ip=ip, meta={"interval": 0}, arp_count_refresh=2))
                self.assertEqual([], wire.frames(announces(ip)), "a probe is no refresh")
                self.ok(self.node.agent("monitor", ip=ip, arp_count_refresh=2))
                self.assertEqual(2 * forms, len(wire.frames(announces(ip))))

    def test_reload_announces_with_the_new_numbers(self) -> None:
        self.start(ip=IP4, announce="request", **FOR_EVER)
        with self.segment.sniff() as wire:
            self.ok(self.node.agent("reload-agent", ip=IP4, announce="reply:3", **ONCE))
            self.assertEqual([], self.node.processes(), "the old repeats go on")
            self.assertEqual(3, len(wire.frames(announces(IP4, REPLY))))


class RepeatingProcess(AgentTest):
    def one(self) -> object:
        (process,) = self.node.processes()
        return process

    def test_stop_ends_it_and_nothing_is_announced_after_stop_returned(self) -> None:
        for ip, more in ((IP4, {}), (IP6, {}), (IP4, {"mac": "auto"}), (IP6, {"mac": "auto"})):
            for _ in range(5):
                with self.subTest(ip=ip, more=more), self.segment.sniff() as wire:
                    self.start(ip=ip, nodad="true", arp_count=1000, arp_interval=1, **more)
                    wire.wait("repeats", announces(ip), 20)
                    self.stop(ip=ip, **more)
                    self.assertEqual([], self.node.processes())
                    wire.forget()
                    self.node.run("sleep", "0.02")
                    self.assertEqual([], wire.frames(announces(ip)))

    def test_a_second_start_replaces_it(self) -> None:
        self.start(ip=IP4, **FOR_EVER)
        first = self.one()
        self.start(ip=IP4, **FOR_EVER)
        self.assertNotEqual(first.pid, self.one().pid)

    def test_each_address_has_its_own(self) -> None:
        other = f"{NET4}.51"
        self.start(ip=IP4, **FOR_EVER)
        self.start(ip=other, **FOR_EVER)
        self.assertEqual(2, len(self.node.processes()))
        self.stop(ip=IP4)
        with self.segment.sniff() as wire:
            wire.wait("the other's repeats", announces(other), 6)
            self.assertEqual([], wire.frames(announces(IP4)))

    def test_it_holds_none_of_the_callers_descriptors(self) -> None:
        """Pacemaker reads the agent's output until everybody has closed it."""
        pipes = [os.pipe() for _ in range(5)]
        with self.node.inside():
            child = subprocess.Popen(
                [str(AGENT), "start"], env=environment({"ip": IP4, **FOR_EVER}), stdin=pipes[0][0],
                stdout=pipes[1][1], stderr=pipes[2][1], pass_fds=(pipes[3][1], pipes[4][0]),
            )  # fmt: skip
        for index in (1, 2, 3):
            os.close(pipes[index][1])
        self.assertEqual(0, child.wait(20))
        for index in (1, 2, 3):
            self.assertTrue(select.select([pipes[index][0]], [], [], 20)[0], f"pipe {index} is held open")
            self.assertEqual(b"", os.read(pipes[index][0], 1))
            os.close(pipes[index][0])
        for index in (0, 4):
            os.close(pipes[index][0])
            with self.assertRaises(BrokenPipeError):
                os.write(pipes[index][1], b"x")
            os.close(pipes[index][1])
        self.assertTrue(self.one().alive())

    def test_it_outlives_a_signal_to_the_group_of_the_agent(self) -> None:
        with self.node.inside():
            child = subprocess.Popen(
                [str(AGENT), "start"], env=environment({"ip": IP4, **FOR_EVER}), start_new_session=True,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        # Until it is waited for the group exists, and has to be empty but for the zombie.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        self.assertTrue(self.one().alive())
        self.assertEqual("/", os.readlink(f"/proc/{self.one().pid}/cwd"))

    def test_it_notices_that_the_address_is_gone(self) -> None:
        self.start(ip=IP4, **FOR_EVER)
        descriptor = os.pidfd_open(self.one().pid)
        self.node.ip(f"address delete {IP4}/24 dev eth0")
        self.assertTrue(select.select([descriptor], [], [], 20)[0])
        os.close(descriptor)

    def test_one_that_is_stopped_itself_holds_up_neither_start_nor_stop(self) -> None:
        self.start(ip=IP4, **FOR_EVER)
        paused = self.one()
        paused.signal(signal.SIGSTOP)
        self.fill_queue_of_its_socket()
        self.start(ip=IP4, **ONCE)
        self.stop(ip=IP4)
        with self.segment.sniff() as wire:
            descriptor = os.pidfd_open(paused.pid)
            paused.signal(signal.SIGCONT)
            self.assertTrue(select.select([descriptor], [], [], 20)[0])
            os.close(descriptor)
            self.assertEqual([], wire.frames(announces(IP4)))

    def fill_queue_of_its_socket(self) -> None:
        """So that another one who connects would wait."""
        index = self.node.json("link show eth0")[0]["ifindex"]
        for _ in range(100):
            with self.node.inside(), socket.socket(socket.AF_UNIX) as one:
                one.setblocking(False)
                try:
                    one.connect(f"\0buoy/announce/{index}/{IP4}")
                except BlockingIOError:
                    return
        self.fail("its queue has no end")

    def test_somebody_elses_socket_of_its_name_spoils_nothing(self) -> None:
        index = self.node.json("link show eth0")[0]["ifindex"]
        with self.node.inside(), socket.socket(socket.AF_UNIX) as squatter:
            squatter.bind(f"\0buoy/announce/{index}/{IP4}")
            with self.segment.sniff() as wire:
                self.assertEqual(0, self.node.agent("start", ip=IP4).code)
                self.assertEqual(2, len(wire.frames(announces(IP4))))
            self.stop(ip=IP4)


class Takeover(AgentTest):
    def test_the_clients_neighbour_entry_follows_the_address(self) -> None:
        other = self.segment.add("other", 2)
        for ip in (IP4, IP6):
            with self.subTest(ip=ip):
                self.start(ip=ip, nodad="true")
                self.assertTrue(self.client.reaches(ip))
                self.assertEqual(mac_of(1), self.client.neighbour(ip))
                self.stop(ip=ip)
                # Older than locktime by decree: what comes later is for the schedule to mend.
                self.client.sysctl("ipv4/neigh/eth0/locktime", 0)
                self.ok(other.agent("start", ip=ip, nodad="true"))
                self.assertEqual(mac_of(2), self.client.neighbour(ip))
                self.assertTrue(self.client.reaches(ip))
                self.ok(other.agent("stop", ip=ip))

    def test_the_repeats_outlast_the_locktime_of_the_clients_kernel(self) -> None:
        other = self.segment.add("other", 2)
        self.start(ip=IP4)
        self.assertTrue(self.client.reaches(IP4))
        self.stop(ip=IP4)
        with self.segment.sniff() as wire:
            self.ok(other.agent("start", ip=IP4))
            (repeating,) = other.processes()
            wire.wait("four bursts", announces(IP4), 8)
            wait_until("its process to end by itself", lambda: not repeating.alive())
            self.assertEqual(8, len(wire.frames(announces(IP4))), "without numbers there are four")
        self.assertEqual(mac_of(2), self.client.neighbour(IP4))

    def test_a_virtual_mac_stays_the_same_for_the_client(self) -> None:
        other = self.segment.add("other", 2)
        mac = "00:00:5e:00:01:07"
        for host, port in ((self.node, "node"), (other, "other"), (self.node, "node")):
            self.ok(host.agent("start", ip=IP4, mac="vrrp:7"))
            self.assertTrue(self.client.reaches(IP4))
            self.assertEqual(mac, self.client.neighbour(IP4))
            table = self.segment.switch.run("bridge", "fdb", "show", "dynamic")
            self.assertIn(f"{mac} dev {port} ", table)
            self.ok(host.agent("stop", ip=IP4, mac="vrrp:7"))


if __name__ == "__main__":
    unittest.main()
