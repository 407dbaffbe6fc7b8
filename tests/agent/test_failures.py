# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts that fail half-way leave nothing behind, and stops do what they can in a hostile environment."""

from __future__ import annotations

import ctypes
import platform
import resource
import signal
import struct
import unittest
from typing import Callable

from rig import IP4, IP6, PROBE, SANITIZED, AgentTest
from sniffer import announces

GENERIC, PERM = 1, 4
VMAC = "02:00:5e:77:00:01"
# Most without duplicate detection, which only takes time here.
WAYS = ({"ip": IP4}, {"ip": IP4, "mac": VMAC}, {"ip": IP6, "nodad": "true"}, {"ip": IP6, "mac": VMAC, "nodad": "true"},
        {"ip": IP6}, {"ip": IP4, "conflict_check": "fast"})  # fmt: skip

# Numbers of system calls, for kernels that are asked to fail them (seccomp(2)).
CALLS = {
    "x86_64": {"clone": 56, "fork": 57, "vfork": 58, "clone3": 435, "pipe2": 293, "flock": 73, "bind": 49,
               "sendto": 44, "setsockopt": 54, "write": 1, "listen": 50, "close_range": 436, "setns": 308},
    "aarch64": {"clone": 220, "clone3": 435, "pipe2": 59, "flock": 32, "bind": 200, "sendto": 206,
                "setsockopt": 208, "write": 64, "listen": 201, "close_range": 436, "setns": 268},
}.get(platform.machine(), {})  # fmt: skip


def failing(*calls: str, error: int) -> Callable[[], None]:
    """For preexec: from now on these system calls fail with this errno."""
    numbers = [CALLS[call] for call in calls if call in CALLS]
    program = [struct.pack("=HBBI", 0x20, 0, 0, 0)]  # load the number of the call
    for index, number in enumerate(numbers):
        program.append(struct.pack("=HBBI", 0x15, len(numbers) - index, 0, number))
    program += [struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000), struct.pack("=HBBI", 0x06, 0, 0, 0x00050000 | error)]
    buffer = ctypes.create_string_buffer(b"".join(program))
    described = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)

    def install(keep: object = buffer) -> None:
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        if libc.prctl(22, 2, described, 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
            raise OSError(ctypes.get_errno(), "seccomp")

    return install


READ_ONLY_SETTINGS = ("unshare", "-m", "/bin/sh", "-c", 'mount --bind -o ro /proc/sys /proc/sys && exec "$0" "$@"')
READ_ONLY_RUN = ("unshare", "-m", "/bin/sh", "-c", 'mount -t tmpfs -o ro none /run && exec "$0" "$@"')
WITHOUT_PROC = ("unshare", "-m", "/bin/sh", "-c", 'mount -t tmpfs none /proc && exec "$0" "$@"')


class HalfDone(AgentTest):
    def test_an_ipv6_address_that_the_kernel_refuses(self) -> None:
        self.node.sysctl("ipv6/conf/eth0/disable_ipv6", 1)
        with self.nothing_changes():
            answer = self.node.agent("start", ip=IP6, nic="eth0", cidr_netmask=64)
            self.refused(GENERIC, answer, f"cannot add {IP6}/64")

    def test_an_ipv6_address_on_a_device_that_is_too_narrow_for_it(self) -> None:
        """Everything but the address itself is there by then: device, settings, rule, routes."""
        self.node.batch("link set eth0 mtu 1279")
        for more in ({}, {"mac": VMAC}):
            with self.subTest(more=more), self.nothing_changes():
                answer = self.node.agent("start", ip=IP6, nic="eth0", cidr_netmask=64, **more)
                self.assertEqual(GENERIC, answer.code, answer.stderr)
                self.assertEqual(1, len(answer.reasons))

    def test_a_policy_label_goes_with_the_address(self) -> None:
        self.node.sysctl("ipv6/conf/eth0/disable_ipv6", 1)
        with self.nothing_changes():
            answer = self.node.agent("start", ip=IP6, nic="eth0", cidr_netmask=64, lvs_ipv6_addrlabel="true")
            self.assertEqual(GENERIC, answer.code)

    def test_an_announcement_that_cannot_be_sent(self) -> None:
        self.block_sending()
        for way in WAYS[:4]:
            for more in ({}, {"arp_bg": "false", "arp_count": 2, "arp_interval": 1}):
                with self.subTest(way=way, more=more), self.nothing_changes():
                    answer = self.node.agent("start", **way, **more)
                    self.refused(GENERIC, answer, way["ip"], "could not be announced")

    def block_sending(self) -> None:
        """Every frame is dropped on its way out, and the sender told so."""
        self.node.run("nft", "-f", "-", stdin="""table netdev t {
            chain out {
                type filter hook egress device eth0 priority 0; policy drop;
            }
        }""")

    def test_an_address_goes_back_to_loopback_when_its_start_fails(self) -> None:
        self.node.ip(f"address add {IP4}/32 dev lo label lo:vip")
        self.block_sending()
        with self.nothing_changes():
            self.refused(GENERIC, self.node.agent("start", ip=IP4, lvs_support="true"), "announced")

    def test_a_second_start_that_fails_takes_nothing_away(self) -> None:
        for way in WAYS[:4]:
            with self.subTest(way=way):
                self.start(arp_count=1, **way)
                self.block_sending()
                with self.nothing_changes():
                    self.refused(GENERIC, self.node.agent("start", **way), "announced")
                self.node.run("nft", "delete", "table", "netdev", "t")
                self.stop(**way)

    def test_addresses_beside_it_survive_a_start_that_fails(self) -> None:
        self.block_sending()
        with self.nothing_changes():
            starting = self.node.agent("start", ip="192.0.2.1", nic="eth0", cidr_netmask=24, broadcast="+")
            self.assertEqual(GENERIC, starting.code)
        self.node.batch("address add 192.0.2.2/24 dev eth0", "address add 192.0.2.3/24 dev eth0")
        with self.nothing_changes():
            self.assertEqual(GENERIC, self.node.agent("start", ip="192.0.2.1", nic="eth0").code)

    @unittest.skipUnless(CALLS, f"no system call numbers for {platform.machine()} here")
    @unittest.skipIf(SANITIZED, "the sanitizers' run-time needs these system calls itself")
    def test_system_calls_that_fail(self) -> None:
        eagain, eperm, enospc, enosys = 11, 1, 28, 38
        plain, with_mac, plain6, with_mac6, detected6, checked = WAYS
        for calls, error in (
            (("clone", "clone3", "fork", "vfork"), eagain), (("pipe2",), 24), (("flock",), 37), (("bind",), eperm),
            (("sendto",), 105), (("sendto",), 100), (("setsockopt",), 92), (("write",), enospc), (("write",), 30),
            (("listen",), 98), (("close_range",), enosys),
        ):  # fmt: skip
            ways = [plain, with_mac, plain6, with_mac6] + ([detected6, checked] if calls[0] in ("write", "flock", "sendto") else [])
            for way in ways:
                with self.subTest(calls=calls, error=error, way=way), self.nothing_changes():
                    answer = self.node.agent("start", preexec=failing(*calls, error=error), **way)
                    if answer.code == 0:
                        self.assertEqual(1, len(self.node.addresses(way["ip"])))
                        self.stop(**way)
                    else:
                        self.assertIn(answer.code, (GENERIC, PERM), answer.stderr)
                        if "write" not in calls:  # which is how a reason is told, too
                            self.assertEqual(1, len(answer.reasons), answer.stderr)

    @unittest.skipIf(SANITIZED, "the sanitizers' run-time needs descriptors of its own")
    def test_too_few_descriptors(self) -> None:
        succeeded = 0
        for limit in (3, 4, 5, 6, 7, 9, 12):
            def few(limit: int = limit) -> None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

            for way in WAYS[:4]:
                with self.subTest(limit=limit, way=way), self.nothing_changes():
                    answer = self.node.agent("start", preexec=few, **way)
                    self.assertIn(answer.code, (0, GENERIC), answer.stderr)
                    succeeded += answer.code == 0
                    self.node.agent("monitor", level=10, preexec=few, **way)
                    stopped = self.node.agent("stop", preexec=few, **way)
                    self.assertIn(stopped.code, (0, GENERIC), stopped.stderr)
                    if stopped.code == 0:
                        self.assertEqual([], self.node.addresses(way["ip"]))
                    self.stop(**way)
        self.assertGreater(succeeded, 0)

    def test_one_that_is_killed_is_cleared_up_by_stop(self) -> None:
        for way in WAYS[:4]:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with self.subTest(way=way, number=number), self.nothing_changes(), self.segment.sniff() as wire:
                    starting = self.node.begin("start", arp_bg="false", arp_count=1000, arp_interval=10, **way)
                    wire.wait("its announcements", announces(way["ip"]), 4)
                    starting.child.send_signal(number)
                    starting.wait()
                    self.stop(**way)


class ReadOnly(AgentTest):
    def test_settings_that_cannot_be_changed_refuse_a_virtual_mac_whole(self) -> None:
        for ip in (IP4, IP6):
            with self.subTest(ip=ip), self.nothing_changes():
                answer = self.node.agent("start", ip=ip, mac=VMAC, wrapper=READ_ONLY_SETTINGS)
                self.refused(GENERIC, answer, "net/ipv4/conf/", "Read-only")

    def test_settings_that_cannot_be_changed_leave_plain_addresses_possible(self) -> None:
        for ip in (IP4, IP6):
            with self.subTest(ip=ip), self.nothing_changes():
                self.ok(self.node.agent("start", ip=ip, wrapper=READ_ONLY_SETTINGS))
                self.ok(self.node.agent("monitor", ip=ip, wrapper=READ_ONLY_SETTINGS))
                self.ok(self.node.agent("stop", ip=ip, wrapper=READ_ONLY_SETTINGS, flush_routes="true"))

    def test_a_primary_is_stopped_without_those_beside_it_all_the_same(self) -> None:
        self.node.sysctl("ipv4/conf/all/promote_secondaries", 0)
        self.node.sysctl("ipv4/conf/eth0/promote_secondaries", 0)
        self.start(ip="192.0.2.1", nic="eth0", cidr_netmask=24)
        self.node.batch("address add 192.0.2.2/24 dev eth0 label eth0:b", "address add 192.0.2.3/24 broadcast + dev eth0")
        before = [self.node.address(ip) for ip in ("192.0.2.2", "192.0.2.3")]
        self.ok(self.node.agent("stop", ip="192.0.2.1", nic="eth0", wrapper=READ_ONLY_SETTINGS))
        self.assertEqual([], self.node.addresses("192.0.2.1"))
        after = [self.node.address(ip) for ip in ("192.0.2.2", "192.0.2.3")]
        for was, now in zip(before, after):
            for key in ("local", "prefixlen", "label", "broadcast"):
                self.assertEqual(was.get(key), now.get(key))

    def test_a_virtual_mac_that_is_up_can_be_stopped_but_for_the_settings(self) -> None:
        self.start(ip=IP4, mac=VMAC)
        answer = self.node.agent("stop", ip=IP4, mac=VMAC, wrapper=READ_ONLY_SETTINGS)
        self.assertEqual(0, answer.code, answer.stderr)
        self.assertIn("arp_ignore", answer.stderr)
        self.assertEqual([], self.node.addresses(IP4))
        self.assertNotIn(VMAC, self.node.ip("link"))

    def test_run_is_not_needed(self) -> None:
        for way in WAYS[:4]:
            with self.subTest(way=way), self.nothing_changes():
                for action in ("start", "monitor", "stop"):
                    self.ok(self.node.agent(action, wrapper=READ_ONLY_RUN, **way))

    def test_without_proc_there_is_an_answer(self) -> None:
        for way in WAYS[:4]:
            with self.subTest(way=way), self.nothing_changes():
                answer = self.node.agent("start", wrapper=WITHOUT_PROC, **way)
                self.refused(GENERIC, answer, "network namespace")
                self.node.agent("monitor", meta=PROBE, wrapper=WITHOUT_PROC, **way)


if __name__ == "__main__":
    unittest.main()
