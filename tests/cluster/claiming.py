# SPDX-License-Identifier: GPL-2.0-or-later
"""A host outside every pool that says that a pool's address is its own, and what the nodes make of it."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Any

from lab.cluster import Cluster
from lab.kernel import inside_netns
from lab.pool import Pool
from lab.waiting import wait_until

RIVAL = "02:66:00:00:00:01"


def packed(mac: str) -> bytes:
    """A MAC's six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def gratuitous_reply(mac: str, address: str) -> bytes:
    """RFC 826: to everybody, that an address is at a MAC."""
    ip = ipaddress.ip_address(address).packed
    packet = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + packed(mac) + ip + packed(mac) + ip
    return b"\xff" * 6 + packed(mac) + struct.pack("!H", 0x0806) + packet


def advertisement(mac: str, address: str) -> bytes:
    """RFC 4861 section 4.4: the same for IPv6, with override."""
    ip, everybody = ipaddress.ip_address(address).packed, ipaddress.ip_address("ff02::1").packed
    message = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + ip + b"\x02\x01" + packed(mac)
    summed = ip + everybody + struct.pack("!II", len(message), 58) + message
    total = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + ip + everybody
    return b"\x33\x33\x00\x00\x00\x01" + packed(mac) + struct.pack("!H", 0x86DD) + header + message


class Claiming:
    """For tests of one pool."""

    cluster: Cluster
    pool: Pool

    def claim(self, *frames: bytes) -> None:
        """Send frames to every host of the LAN, as the switch would flood a stranger's."""
        with inside_netns(self.cluster.switch.netns):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with wire:
            wire.bind(("lan", 0))
            for frame in frames:
                wire.send(frame)

    def conflicts(self, node: str) -> dict[str, Any]:
        """By address, what a node says of claims."""
        status = self.pool.status(node)
        assert status is not None
        (pool,) = [pool for pool in status["pools"] if pool["name"] == self.pool.name]
        return {one["address"]: one for one in pool["conflicts"]}

    def wait_claimed(self, node: str, address: str, claims: int) -> None:
        """Wait until a node has counted so many claims of an address."""
        wait_until(
            f"{claims} claims of {address} at {node}",
            lambda: self.conflicts(node).get(address, {}).get("claims") == claims,
            explain=lambda: str(self.conflicts(node)),
        )
        assert self.conflicts(node)[address]["mac"] == RIVAL
