# SPDX-License-Identifier: GPL-2.0-or-later
"""Every frame that the hosts of a segment send, seen at the switch's ports."""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import Callable

from lab.frames import Advertisement, Arp, decode
from lab.kernel import inside_netns
from lab.taps import ETH_P_ALL, PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE, SOL_PACKET


@dataclass(frozen=True)
class Seen:
    """One frame: through which port it came, its addresses, and what is in it."""

    port: str
    data: bytes
    packet: object

    @property
    def source(self) -> str:
        """The Ethernet source."""
        return self.data[6:12].hex(":")

    @property
    def destination(self) -> str:
        """The Ethernet destination."""
        return self.data[:6].hex(":")

    @property
    def ip_source(self) -> str | None:
        """The sender of an IP packet."""
        (kind,) = struct.unpack_from("!H", self.data, 12)
        if kind == 0x0800:
            return str(ipaddress.ip_address(self.data[26:30]))
        if kind == 0x86DD:
            return str(ipaddress.ip_address(self.data[22:38]))
        return None


Wanted = Callable[[Seen], bool]


class Sniffer:
    """Records from its making on; frames are read when they are asked for."""

    def __init__(self, netns: str) -> None:
        self._seen: list[Seen] = []
        with inside_netns(netns):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        self._socket.setblocking(False)

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def frames(self, wanted: Wanted = lambda frame: True) -> list[Seen]:
        """The frames so far that fit."""
        while True:
            try:
                data, where = self._socket.recvfrom(65536)
            except BlockingIOError:
                break
            # The bridge hands up what floods; it has been seen at its port already.
            if where[0] != "br0" and len(data) >= 14:
                frame = decode(0, where[0], data)
                self._seen.append(Seen(where[0], data, frame.packet if frame else None))
        return [frame for frame in self._seen if wanted(frame)]

    def wait(self, what: str, wanted: Wanted, count: int = 1, patience_s: float = 20) -> list[Seen]:
        """Wait until so many fitting frames have come."""
        deadline = time.monotonic() + patience_s
        while True:
            found = self.frames(wanted)
            if len(found) >= count:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"waited in vain for {what}: {len(found)} of {count} seen")
            select.select([self._socket], [], [], left)

    def forget(self) -> None:
        """Begin anew."""
        self.frames()
        self._seen.clear()


def announces(ip: str, operation: int | None = None) -> Wanted:
    """Frames that tell everybody who has an address: gratuitous ARP, unsolicited advertisements."""

    def fits(frame: Seen) -> bool:
        packet = frame.packet
        if isinstance(packet, Arp):
            return packet.gratuitous and packet.sender_ip == ip and operation in (None, packet.operation)
        return isinstance(packet, Advertisement) and packet.target == ip and not packet.solicited

    return fits


def claims(ip: str) -> Wanted:
    """Frames that name an address as their sender's: all ARP from it, all advertisements of it."""

    def fits(frame: Seen) -> bool:
        packet = frame.packet
        if isinstance(packet, Arp):
            return packet.sender_ip == ip
        return isinstance(packet, Advertisement) and packet.target == ip

    return fits


def speaks_from(ip: str) -> Wanted:
    """IP packets from an address."""
    return lambda frame: frame.ip_source == ip
