# SPDX-License-Identifier: GPL-2.0-or-later
"""What a stop does besides: connections are ended, real servers keep the address on loopback."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import unittest
from contextlib import ExitStack

from rig import IP4, IP6, NET4, PROBE, AgentTest, Host

NOT_RUNNING = 7


class Connections(AgentTest):
    def connect(self, ip: str, listen: str | None = None) -> tuple[socket.socket, socket.socket]:
        """A connection from the client: (the client's end, the node's end)."""
        listen = listen or ip
        family = socket.AF_INET6 if ":" in listen else socket.AF_INET
        with self.node.inside():
            listener = socket.socket(family)
        self.addCleanup(listener.close)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((listen, 0))
        listener.listen()
        with self.client.inside():
            mine = socket.create_connection((ip, listener.getsockname()[1]), 5)
        theirs, _ = listener.accept()
        self.addCleanup(mine.close)
        self.addCleanup(theirs.close)
        theirs.sendall(b"x")
        self.assertEqual(b"x", mine.recv(1))
        return mine, theirs

    def test_clients_hear_a_reset(self) -> None:
        for ip, more in ((IP4, {}), (IP6, {"nodad": "true"}), (IP4, {"mac": "auto"}), (IP6, {"mac": "auto", "nodad": "true"})):
            for listen in (ip, "::"):
                with self.subTest(ip=ip, more=more, listen=listen):
                    self.start(ip=ip, **more)
                    mine, theirs = self.connect(ip, listen)
                    self.assertIn("ended 1 connections", self.stop(ip=ip, **more).stderr)
                    self.assertTrue(select.select([mine], [], [], 10)[0], "the client heard nothing")
                    with self.assertRaises(ConnectionResetError):
                        mine.recv(1)
                    with self.assertRaises(ConnectionAbortedError):
                        theirs.recv(1)

    def test_nobody_hears_anything_when_that_is_asked_for(self) -> None:
        self.start(ip=IP4)
        mine, theirs = self.connect(IP4)
        with self.segment.sniff() as wire:
            self.stop(ip=IP4, kill_connections="false")
            self.assertEqual([], wire.frames(lambda f: f.ip_source == IP4))
        # The connection goes on where the address comes back in time.
        self.start(ip=IP4)
        theirs.sendall(b"y")
        self.assertEqual(b"y", mine.recv(1))

    def test_those_of_other_addresses_and_listeners_stay(self) -> None:
        self.start(ip=IP4)
        mine, theirs = self.connect(f"{NET4}.1")
        self.connect(IP4)
        self.stop(ip=IP4)
        theirs.sendall(b"y")
        self.assertEqual(b"y", mine.recv(1))

    def test_hundreds_are_ended(self) -> None:
        self.start(ip=IP4)
        with ExitStack() as open_sockets, self.node.inside():
            with self.client.inside():
                clients = [open_sockets.enter_context(socket.socket()) for _ in range(400)]
            listener = open_sockets.enter_context(socket.socket())
            listener.bind((IP4, 0))
            listener.listen(500)
            for one in clients:
                one.connect(listener.getsockname())
            for _ in clients:
                open_sockets.enter_context(listener.accept()[0])
            self.assertIn("ended 400 connections", self.stop(ip=IP4).stderr)


class RealServer(AgentTest):
    def setUp(self) -> None:
        super().setUp()
        self.node.sysctl("ipv4/conf/all/arp_ignore", 1)

    def test_the_address_waits_on_loopback(self) -> None:
        for more in ({}, {"iflabel": "vip"}):
            with self.subTest(more=more):
                self.start(ip=IP4, lvs_support="true", **more)
                self.assertEqual([("eth0", IP4, 24)], self.node.addresses(IP4))
                self.stop(ip=IP4, lvs_support="true", **more)
                self.assertEqual([("lo", IP4, 32)], self.node.addresses(IP4))
                self.assertEqual("lo:vip" if more else "lo", self.node.address(IP4)["label"])
                self.client.ip("neighbor flush all")
                self.assertFalse(self.client.reaches(IP4, 0.3), "loopback is heard of on the segment")
                self.stop(ip=IP4, lvs_support="true", **more)
                self.assertEqual([("lo", IP4, 32)], self.node.addresses(IP4))
                for nic in ({}, {"nic": "eth0"}):
                    answer = self.node.agent("monitor", ip=IP4, lvs_support="true", meta=PROBE, **nic)
                    self.assertEqual(NOT_RUNNING, answer.code)
                self.start(ip=IP4, lvs_support="true", **more)
                self.assertEqual([("eth0", IP4, 24)], self.node.addresses(IP4))
                self.stop(ip=IP4, **more)
                self.assertEqual([], self.node.addresses(IP4))

    def test_it_is_not_put_where_the_kernel_would_answer_for_it(self) -> None:
        self.node.sysctl("ipv4/conf/all/arp_ignore", 0)
        self.start(ip=IP4, lvs_support="true")
        answer = self.stop(ip=IP4, lvs_support="true")
        self.assertIn("arp_ignore=1", answer.stderr)
        self.assertEqual([], self.node.addresses(IP4))

    def test_its_connections_go_on(self) -> None:
        """They are the load balancer's, which sends them to the address on loopback."""
        self.start(ip=IP4, lvs_support="true")
        self.assertNotIn("ended", self.stop(ip=IP4, lvs_support="true").stderr)

    def test_a_stop_of_what_was_never_started_puts_nothing_there(self) -> None:
        with self.nothing_changes():
            self.stop(ip=IP4, lvs_support="true")


class Lock(AgentTest):
    def test_a_user_who_holds_the_lock_keeps_nobody_from_stopping(self) -> None:
        """Anybody may open the namespace's file and lock it."""
        self.start(ip=IP4, mac="auto")
        with self.node.inside():
            held = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            self.stop(ip=IP4, mac="auto")
        finally:
            os.close(held)
        self.assertEqual([], self.node.addresses(IP4))


class FromAnotherNamespace(AgentTest):
    def test_connections_in_a_named_namespace_are_ended_there(self) -> None:
        outside = Host("outside")
        self.addCleanup(outside.remove)
        where = {"ip": IP4, "network_namespace": self.node.netns}
        self.ok(outside.agent("start", **where))
        with self.node.inside():
            listener = socket.create_server((IP4, 0))
        self.addCleanup(listener.close)
        with self.client.inside():
            mine = socket.create_connection(listener.getsockname(), 5)
        self.addCleanup(mine.close)
        theirs, _ = listener.accept()
        self.addCleanup(theirs.close)
        self.assertIn("ended 1 connections", self.ok(outside.agent("stop", **where)).stderr)


if __name__ == "__main__":
    unittest.main()
