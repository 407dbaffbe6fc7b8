# SPDX-License-Identifier: GPL-2.0-or-later
"""The client of a lab: an ordinary host on the LAN that is in no cluster."""

from __future__ import annotations

import json

from lab.capture import Capture
from lab.cluster import Cluster
from lab.commands import ip
from lab.probe import Probe
from lab.sweep import Sweep
from lab.switch import CLIENT


class Client:
    """Looks at addresses the way users do."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._netns = cluster.switch.netns_of(CLIENT)

    def probe(self, address: str, interval_ms: float = 5.0, count: int = 0) -> Probe:
        """Start to ask an address every so often."""
        return Probe(self._cluster.state.name, address, interval_ms, count)

    def sweep(self, addresses: list[str], interval_ms: float = 5.0, audit_ms: float = 0.0) -> Sweep:
        """Start to ask many addresses, and with `audit_ms` all nodes whether they have them."""
        return Sweep(self._cluster, addresses, interval_ms, audit_ms)

    def capture(self, at: str = "switch", network: str = "lan") -> Capture:
        """Start to record ARP, ICMP and ICMPv6."""
        return Capture(self._cluster.switch, at, network)

    def answers(self, address: str, count: int = 1) -> bool:
        """Whether some of a few requests to an address are answered."""
        with self.probe(address, 20, count) as probe:
            report = probe.stop()
        return any(request.answered_ms is not None for request in report.requests)

    def neighbour(self, address: str) -> str | None:
        """The MAC that the client's kernel has for an address."""
        entries = json.loads(ip("-json", "neighbor", "show", address, netns=self._netns) or "[]")
        return entries[0].get("lladdr") if entries else None

    def forget_neighbours(self) -> None:
        """Empty the client's neighbour cache."""
        ip("neighbor", "flush", "all", netns=self._netns)
