# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that asks an address until the first answer; see bench/stopwatch.py for the other end.

Requests go through the kernel's own neighbour resolution, one every INTERVAL_NS. Usage: echoes.py
NETNS INTERVAL_NS. Reads an address a line and answers "asking" once it asks, then
"answered NS COUNT LONGEST_NS": when the kernel got the first answer (monotonic clock), how many
requests were sent and the longest time between two of them; or "silent".
"""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.kernel import inside_netns  # noqa: E402
from lab.prober import ICMP6_FILTER, ICMP_FILTER, SOL_RAW, checksum  # noqa: E402
from lab.taps import SO_TIMESTAMPNS  # noqa: E402

PR_SET_TIMERSLACK = 29
PATIENCE_NS = 15_000_000_000
# So many requests must stay without an answer before the address is called asked for in vain.
UNANSWERED_FIRST = 20


class Family:
    """What differs between ICMP and ICMPv6 on a raw socket."""

    def __init__(self, v6: bool) -> None:
        self.request, self.reply, self.offset = (128, 129, 0) if v6 else (8, 0, 20)
        if v6:
            self.socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            wanted = bytearray(b"\xff" * 32)
            wanted[self.reply // 8] &= ~(1 << self.reply % 8)
            self.socket.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, bytes(wanted))
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            blocked = 0xFFFFFFFF & ~(1 << self.reply)
            self.socket.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", blocked))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setblocking(False)

    def packet(self, identifier: int, sequence: int) -> bytes:
        """An echo request; the kernel fills in the checksum of ICMPv6."""
        parts = (self.request, 0, 0, identifier, sequence & 0xFFFF)
        packet = struct.pack("!BBHHH", *parts)
        if self.request == 8:
            packet = struct.pack("!BBHHH", 8, 0, checksum(packet), *parts[3:])
        return packet

    def answered_ns(self, identifier: int, address: str) -> int | None:
        """When the kernel got an answer to one of our requests, on the wall clock."""
        while True:
            try:
                data, ancillary, _, source = self.socket.recvmsg(2048, 64)
            except OSError:
                # Nothing there; or an ICMP error that an earlier request brought about.
                return None
            kind, _, _, whose = struct.unpack_from("!BBHH", data, self.offset)
            if (kind, whose) != (self.reply, identifier) or source[0] != address:
                continue
            for level, name, value in ancillary:
                if (level, name) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, nanoseconds = struct.unpack("@ll", value)
                    return seconds * 1_000_000_000 + nanoseconds


def ask(family: Family, address: str, identifier: int, interval_ns: int) -> str:
    """Ask until there is an answer."""
    sequence, longest_ns, last_ns = 0, 0, 0
    next_ns = time.monotonic_ns()
    end_ns = next_ns + PATIENCE_NS
    while (now_ns := time.monotonic_ns()) < end_ns:
        if now_ns >= next_ns:
            try:
                family.socket.sendto(family.packet(identifier, sequence), (address, 0))
            except OSError:
                pass  # no neighbour: a request without an answer like any other
            sequence += 1
            if sequence == UNANSWERED_FIRST:
                print("asking", flush=True)
            longest_ns, last_ns = max(longest_ns, now_ns - last_ns if last_ns else 0), now_ns
            next_ns = max(next_ns + interval_ns, now_ns)
        wait_s = (next_ns - time.monotonic_ns()) / 1e9
        if select.select([family.socket], [], [], max(0.0, wait_s))[0]:
            at_ns = family.answered_ns(identifier, address)
            if at_ns is not None:
                offset_ns = time.monotonic_ns() - time.time_ns()
                return f"answered {at_ns + offset_ns} {sequence} {longest_ns}"
    return "silent"


def main() -> None:
    """Serve until the other end closes."""
    netns, interval_ns = sys.argv[1], int(sys.argv[2])
    # The default slack of 50 us would be a good part of the interval.
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    with inside_netns(netns):
        families = {v6: Family(v6) for v6 in (False, True)}
    for identifier, line in enumerate(sys.stdin):
        address = line.strip()
        print(ask(families[":" in address], address, identifier & 0xFFFF, interval_ns), flush=True)


if __name__ == "__main__":
    main()
