# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool of addresses in a lab: made with pcs, looked at with buoy."""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from lab.cluster import Cluster
from lab.errors import LabError
from lab.waiting import wait_until

AGENT = "ocf:buoy:pool"
# Thirty addresses.
ADDRESSES = "10.77.0.60-10.77.0.79 2001:db8:77::60-2001:db8:77::69"


def expand(text: str) -> list[str]:
    """Addresses and ranges as the agent takes them, one by one."""
    found: list[str] = []
    for part in text.split():
        first, _, last = part.partition("-")
        begin, end = ipaddress.ip_address(first), ipaddress.ip_address(last or first)
        found += [str(begin + offset) for offset in range(int(end) - int(begin) + 1)]
    return found


def slot_name(row: dict[str, Any]) -> str:
    """A slot by its address; a bucket by its number."""
    return row.get("address") or str(row["slot"])


@dataclass(frozen=True)
class Standing:
    """What one node's daemon says of a pool. Slots are addresses, or numbers of buckets."""

    node: str
    primary: bool
    members: frozenset[str]
    lost: frozenset[str]
    owners: dict[str, str]
    open: frozenset[str]

    def of(self, node: str) -> list[str]:
        """The addresses that a node is to have."""
        return [address for address, owner in self.owners.items() if owner == node]

    def counts(self) -> dict[str, int]:
        """How many addresses each node is to have."""
        return dict(Counter(self.owners.values()))

    def __str__(self) -> str:
        shares = ", ".join(f"{node} {count}" for node, count in sorted(self.counts().items()))
        word = "primary" if self.primary else "NOT primary"
        lost = f", lost {'+'.join(sorted(self.lost))}" if self.lost else ""
        members = "+".join(sorted(self.members)) or "none"
        return f"{self.node}: {word}, members {members}{lost}, {shares}; {len(self.open)} open here"


class Pool:
    """One pool by name; cheap, and holds nothing."""

    def __init__(self, cluster: Cluster, name: str = "web", addresses: str = ADDRESSES) -> None:
        self.cluster, self.name = cluster, name
        self.text, self.addresses = addresses, expand(addresses)

    def create(self, *options: str, monitor_s: float = 2.0) -> None:
        """pcs resource create; the options are the agent's parameters."""
        self.cluster.pcs(
            "resource", "create", self.name, AGENT, f"addresses={self.text}", "nic=eth0", *options,
            "op", "monitor", f"interval={monitor_s:g}s", "clone",
        )  # fmt: skip

    def delete(self) -> None:
        """pcs resource delete."""
        self.cluster.pcs("resource", "delete", self.name)

    def buoy(self, node: str, *arguments: str) -> str:
        """The command line tool on a node."""
        return self.cluster.run(node, ["buoy", *arguments]).stdout

    def status(self, node: str) -> dict[str, Any] | None:
        """`buoy status --json`; nothing where no daemon answers."""
        command = ["timeout", "5", "buoy", "status", "--json"]
        try:
            done = self.cluster.run(node, command, check=False)
        except LabError:
            return None  # switched off
        if done.returncode != 0:
            return None
        status = json.loads(done.stdout)
        return status if status.get("ok", True) else None

    def standing(self, node: str) -> Standing | None:
        """What a node's daemon says of the pool; nothing where it knows nothing of it."""
        status = self.status(node)
        pools = [pool for pool in status["pools"] if pool["name"] == self.name] if status else []
        if not status or not pools:
            return None
        (pool,) = pools
        return Standing(
            node=node,
            primary=status["primary"],
            members=frozenset(pool["members"]),
            lost=frozenset(one["name"] for one in status["nodes"] if one["lost"] or one["condemned"]),
            owners={slot_name(row): row.get("owner") or "" for row in pool["table"]},
            open=frozenset(slot_name(row) for row in pool["table"] if row["state"] == "open"),
        )

    def wait_settled(
        self, *nodes: str, balanced: bool = True, timeout_s: float = 60
    ) -> dict[str, Standing]:
        """Wait until these nodes (all by default) are the members, agree, and have what is theirs."""
        wanted = frozenset(nodes or self.cluster.node_names())
        last: dict[str, Standing | None] = {}

        def settled() -> bool:
            last.clear()
            for node in sorted(wanted):
                last[node] = self.standing(node)
                standing = last[node]
                if standing is None or not standing.primary or standing.members - standing.lost != wanted:
                    return False
                if standing.open != set(standing.of(node)):
                    return False
            standings = [standing for standing in last.values() if standing]
            shares = [len(standings[0].of(node)) for node in wanted]
            even = not balanced or (min(shares) > 0 and max(shares) - min(shares) <= 1)
            return even and all(one.owners == standings[0].owners for one in standings)

        def seen() -> str:
            return "; ".join(str(one) if one else f"{node}: silent" for node, one in last.items())

        wait_until(f"pool {self.name} on {'+'.join(sorted(wanted))}", settled, timeout_s, 0.1, seen)
        return {node: standing for node, standing in last.items() if standing}

    def daemon(self, node: str) -> int:
        """The pid, inside the node, of its buoyd; 0 when there is none."""
        done = self.cluster.run(node, ["pidof", "-s", "buoyd"], check=False)
        return int(done.stdout.strip() or 0)

    def held_by_kernel(self, node: str) -> list[str]:
        """The pool's addresses that a node's interfaces have."""
        links = json.loads(self.cluster.run(node, ["ip", "-json", "address"]).stdout)
        held = [info["local"] for link in links for info in link["addr_info"]]
        return [address for address in self.addresses if address in held]
