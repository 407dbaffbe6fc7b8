# SPDX-License-Identifier: GPL-2.0-or-later
"""Packet sockets in the lab's namespaces, with the kernel's time of arrival."""

from __future__ import annotations

import ctypes
import socket
import struct
import time

from lab.frames import ARP, IPV4, IPV6
from lab.kernel import inside_netns

ETH_P_ALL = 0x0003
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23
SO_TIMESTAMPNS = 35
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 4 << 20

# Classic BPF: ARP, ICMP and ICMPv6, and whatever comes from a virtual MAC that is made from one of the lab's
# addresses. Corosync's traffic would drown a reader in Python.
_LOAD_HALF, _LOAD_BYTE, _JUMP_EQUAL, _RETURN = 0x28, 0x30, 0x15, 0x06
_FILTER = [
    (_LOAD_HALF, 0, 0, 6),
    (_JUMP_EQUAL, 12, 0, 0x02B6),
    (_JUMP_EQUAL, 0, 2, 0x02B0),
    (_LOAD_HALF, 0, 0, 8),
    (_JUMP_EQUAL, 9, 0, 0x0A4D),
    (_LOAD_HALF, 0, 0, 12),
    (_JUMP_EQUAL, 7, 0, ARP),
    (_JUMP_EQUAL, 0, 2, IPV4),
    (_LOAD_BYTE, 0, 0, 23),
    (_JUMP_EQUAL, 4, 5, 1),
    (_JUMP_EQUAL, 0, 4, IPV6),
    (_LOAD_BYTE, 0, 0, 20),
    (_JUMP_EQUAL, 1, 0, 58),
    # Listener reports are behind a hop-by-hop header.
    (_JUMP_EQUAL, 0, 1, 0),
    (_RETURN, 0, 0, 0xFFFF),
    (_RETURN, 0, 0, 0),
]


def open_tap(netns: str, device: str | None = None) -> socket.socket:
    """A socket that sees every incoming ARP, ICMP and ICMPv6 frame of a device, or of all of them.

    On a switch port "incoming" is what the host behind it sent.
    """
    with inside_netns(netns):
        protocol = 0 if device else socket.htons(ETH_P_ALL)
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, protocol)
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in _FILTER)
    buffer = ctypes.create_string_buffer(program)
    attached = struct.pack("@HP", len(_FILTER), ctypes.addressof(buffer))
    tap.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, attached)
    tap.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    tap.setblocking(False)
    if device:
        tap.bind((device, ETH_P_ALL))
    else:
        _drain(tap)
    return tap


def _drain(tap: socket.socket) -> None:
    """Throw away what came in before the filter was there: all interfaces means no bind to wait for."""
    try:
        while True:
            tap.recv(1)
    except BlockingIOError:
        pass


class ArrivalClock:
    """Turns the kernel's time stamps, which are of the wall clock, into monotonic time."""

    def __init__(self) -> None:
        self._offset_ns = time.monotonic_ns() - time.time_ns()

    def receive(self, tap: socket.socket) -> tuple[int, str, bytes]:
        """Read one frame: (monotonic ns, interface name, bytes)."""
        data, ancillary, _, source = tap.recvmsg(2048, 64)
        stamp_ns = time.time_ns()
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("@ll", value)
                stamp_ns = seconds * 1_000_000_000 + nanoseconds
        return stamp_ns + self._offset_ns, source[0], data
