# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes on the wire as values: Ethernet, ARP (RFC 826), neighbour discovery (RFC 4861), echoes.

Deliberately not Buoy's own decoders: the tests would not notice a mistake both sides share.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac_text(raw: bytes) -> str:
    """Six bytes as text."""
    return raw.hex(":")


def _ip_text(raw: bytes) -> str:
    return str(ipaddress.ip_address(raw))


@dataclass(frozen=True)
class Arp:
    """An ARP packet for IPv4 over Ethernet."""

    operation: int
    sender_mac: str
    sender_ip: str
    target_mac: str
    target_ip: str

    @property
    def gratuitous(self) -> bool:
        """Says who has an address rather than asks for one: sender and target are the same."""
        return self.sender_ip == self.target_ip

    @property
    def request(self) -> bool:
        """Operation 1."""
        return self.operation == 1

    @property
    def reply(self) -> bool:
        """Operation 2."""
        return self.operation == 2


@dataclass(frozen=True)
class Advertisement:
    """A neighbour advertisement."""

    source_ip: str
    destination_ip: str
    hop_limit: int
    target: str
    router: bool
    solicited: bool
    override: bool
    link_layer: str | None


@dataclass(frozen=True)
class Solicitation:
    """A neighbour solicitation; from the unspecified address it is duplicate detection."""

    source_ip: str
    destination_ip: str
    target: str


@dataclass(frozen=True)
class Echo:
    """An ICMP or ICMPv6 echo."""

    reply: bool
    source_ip: str
    destination_ip: str
    identifier: int
    sequence: int


@dataclass(frozen=True)
class Frame:
    """One frame: when it was seen, from whose port it came (if known), and what is in it."""

    time_ns: int
    host: str
    source: str
    destination: str
    packet: Arp | Advertisement | Solicitation | Echo | None


def decode(time_ns: int, host: str, data: bytes) -> Frame | None:
    """A frame from its bytes; None for one too short to be a frame."""
    if len(data) < 14:
        return None
    (kind,) = struct.unpack_from("!H", data, 12)
    packet = None
    try:
        if kind == ARP:
            packet = _arp(data[14:])
        elif kind == IPV4:
            packet = _ipv4(data[14:])
        elif kind == IPV6:
            packet = _ipv6(data[14:])
    except (struct.error, ValueError, IndexError):
        pass  # malformed: still a frame, with nothing we can name in it
    return Frame(time_ns, host, mac_text(data[6:12]), mac_text(data[:6]), packet)


def _arp(data: bytes) -> Arp | None:
    hardware, protocol, hardware_length, protocol_length, operation = struct.unpack_from("!HHBBH", data)
    if (hardware, protocol, hardware_length, protocol_length) != (1, IPV4, 6, 4) or len(data) < 28:
        return None
    return Arp(
        operation, mac_text(data[8:14]), _ip_text(data[14:18]), mac_text(data[18:24]),
        _ip_text(data[24:28]),
    )  # fmt: skip


def _ipv4(data: bytes) -> Echo | None:
    header = (data[0] & 0xF) * 4
    if data[9] != 1 or data[header] not in (0, 8):
        return None
    identifier, sequence = struct.unpack_from("!HH", data, header + 4)
    source, destination = _ip_text(data[12:16]), _ip_text(data[16:20])
    return Echo(data[header] == 0, source, destination, identifier, sequence)


def _ipv6(data: bytes) -> Echo | Advertisement | Solicitation | None:
    if data[6] != 58:
        return None
    source, destination, kind = _ip_text(data[8:24]), _ip_text(data[24:40]), data[40]
    if kind in (128, 129):
        identifier, sequence = struct.unpack_from("!HH", data, 44)
        return Echo(kind == 129, source, destination, identifier, sequence)
    if kind == 135:
        return Solicitation(source, destination, _ip_text(data[48:64]))
    if kind == 136:
        flags, target = data[44], _ip_text(data[48:64])
        link_layer = mac_text(data[66:72]) if data[64:66] == b"\x02\x01" else None
        return Advertisement(
            source, destination, data[7], target, bool(flags & 0x80), bool(flags & 0x40),
            bool(flags & 0x20), link_layer,
        )  # fmt: skip
    return None
