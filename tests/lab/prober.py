# SPDX-License-Identifier: GPL-2.0-or-later
"""Sends echo requests from the client through its kernel and reports what comes back.

A process of its own, so that its timing does not share an interpreter with a test. Prints one line
per event: "S seq sent_ns", "A seq arrived_ns mac" (the client has the answer) and
"P seq seen_ns host" (the answer left that host). Ends when its standard input does.
Usage: prober.py LAB ADDRESS INTERVAL_NS COUNT (0: until told to end).
"""

from __future__ import annotations

import ipaddress
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.frames import Echo, decode  # noqa: E402
from lab.kernel import inside_netns  # noqa: E402
from lab.taps import ArrivalClock, open_tap  # noqa: E402

SOL_RAW, ICMP_FILTER, ICMP6_FILTER = 255, 1, 1
# How long answers to the last requests may take once the probe has been told to end.
LINGER_NS = 200_000_000


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Prober:
    """One address, one interval."""

    def __init__(self, lab: str, address: str, interval_ns: int, count: int) -> None:
        self._address = ipaddress.ip_address(address)
        self._text = str(self._address)
        self._interval_ns, self._count = interval_ns, count
        self._identifier = os.getpid() & 0xFFFF
        self._clock = ArrivalClock()
        self._client = open_tap(f"buoy-{lab}-client", "eth0")
        self._switch = open_tap(f"buoy-{lab}-switch")
        with inside_netns(f"buoy-{lab}-client"):
            self._sender = self._open_sender()
        self._sequences: dict[int, int] = {}
        self._lines: list[str] = []

    def _open_sender(self) -> socket.socket:
        if self._address.version == 4:
            sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            sender.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF))
        else:
            sender = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            sender.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, b"\xff" * 32)
        sender.setblocking(False)
        return sender

    def _send(self, sequence: int) -> None:
        short = sequence & 0xFFFF
        kind = 8 if self._address.version == 4 else 128
        packet = struct.pack("!BBHHH", kind, 0, 0, self._identifier, short)
        if kind == 8:
            packet = struct.pack("!BBHHH", kind, 0, checksum(packet), self._identifier, short)
        self._sequences[short] = sequence
        self._lines.append(f"S {sequence} {time.monotonic_ns()}")
        try:
            self._sender.sendto(packet, (self._text, 0))
        except OSError:
            pass  # no neighbour, no carrier: a request without an answer like any other

    def _receive(self, tap: socket.socket) -> None:
        try:
            time_ns, device, data = self._clock.receive(tap)
        except (BlockingIOError, OSError):
            return
        host, dash, network = device.partition("-")
        if tap is self._switch and (not dash or network != "lan"):
            return
        frame = decode(time_ns, host, data)
        echo = frame.packet if frame else None
        if not isinstance(echo, Echo) or not echo.reply or echo.identifier != self._identifier:
            return
        if echo.source_ip != self._text or echo.sequence not in self._sequences:
            return
        sequence = self._sequences[echo.sequence]
        who = f"A {sequence} {time_ns} {frame.source}"
        if tap is self._switch:
            who = f"P {sequence} {time_ns} {host}"
        self._lines.append(who)

    def run(self) -> None:
        """Send on the beat until told to end, then wait for the last answers."""
        polled = select.poll()
        taps = {tap.fileno(): tap for tap in (self._client, self._switch)}
        for descriptor in (*taps, 0):
            polled.register(descriptor, select.POLLIN | select.POLLHUP)
        next_ns, sequence, end_ns = time.monotonic_ns(), 0, None
        while end_ns is None or time.monotonic_ns() < end_ns:
            now_ns = time.monotonic_ns()
            if end_ns is None and now_ns >= next_ns:
                self._send(sequence)
                sequence += 1
                # After a stall go on from now: a burst would not be a probe every N ms.
                next_ns = max(next_ns + self._interval_ns, now_ns)
                if self._count and sequence >= self._count:
                    end_ns = now_ns + LINGER_NS
            wake_ns = next_ns if end_ns is None else end_ns
            for descriptor, _ in polled.poll(max(0.0, (wake_ns - time.monotonic_ns()) / 1e6)):
                if descriptor:
                    self._receive(taps[descriptor])
                elif end_ns is None and not os.read(0, 1):
                    polled.unregister(0)
                    end_ns = time.monotonic_ns() + LINGER_NS
            if self._lines:
                print("\n".join(self._lines), flush=True)
                self._lines.clear()


if __name__ == "__main__":
    try:
        Prober(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])).run()
    except (KeyboardInterrupt, BrokenPipeError):
        pass
