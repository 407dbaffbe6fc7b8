# SPDX-License-Identifier: GPL-2.0-or-later
"""keepalived on the plain nodes of a lab, one VRRP instance with all addresses."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from lab.cluster import Cluster
from lab.commands import ip
from lab.waiting import wait_until

PID_FILE = "/run/keepalived.pid"
CONFIG = "etc/keepalived/keepalived.conf"
VRRP_GROUP = "224.0.0.18"
ROUTER_ID = 60
# One MAC for all addresses of the instance. What the nodes say to each other comes from it too, which tells the
# switch where it is, whatever a node that has given it up said last.
USE_VMAC = "use_vmac"
# Apart enough that two backups do not both claim the address, high enough that the wait (RFC 5798's
# skew time, (256 - priority) / 256 of an advert interval) is a small part of the gap.
PRIORITIES = {"n1": 250, "n2": 225, "n3": 200}

CONFIGURATION = """\
global_defs {{
    router_id {node}
    vrrp_version 3
}}
vrrp_instance vip {{
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id {router_id}
    {vmac}
    priority {priority}
    advert_int {advert_s:g}
    virtual_ipaddress {{
        {first}/{prefix}
    }}
    virtual_ipaddress_excluded {{
{others}
    }}
}}
"""


class Vrrp:
    """Three nodes that elect a master; none takes the addresses back when it returns."""

    def __init__(
        self, cluster: Cluster, advert_s: float, addresses: list[str], prefix: int = 24, vmac: bool = False
    ) -> None:
        self._cluster = cluster
        self._vmac = vmac
        self._advert_s = advert_s
        self._addresses, self._prefix = addresses, prefix

    def start_all(self) -> None:
        """Configure and start every node; the first is the master, with all addresses, before there are more."""
        first = next(iter(PRIORITIES))
        for node in PRIORITIES:
            self._configure(node)
            self.start(node)
            if node == first:
                wait_until(f"keepalived on {node} to be master", lambda: self._holds_all(first), 20, 0.05)

    def stop_all(self) -> None:
        """Stop every node and wait until all have ended."""
        for node in reversed(PRIORITIES):
            self.stop(node)
            self.wait_stopped(node)

    def start(self, node: str) -> None:
        """Start one and wait until it hears the others."""
        daemon = f"keepalived --vrrp --pid={PID_FILE} </dev/null >/dev/null 2>&1"
        self._cluster.run(node, ["sh", "-c", daemon])
        wait_until(f"keepalived on {node}", lambda: self._listens(node), 20, 0.02)

    def stop(self, node: str) -> None:
        """Ask one to end: it gives up the addresses and says so to the others."""
        self._cluster.run(node, ["sh", "-c", f"kill -TERM $(cat {PID_FILE})"])

    def wait_stopped(self, node: str) -> None:
        """Wait until it has ended."""
        gone = ["test", "!", "-e", PID_FILE]
        ended = lambda: self._cluster.run(node, gone, check=False).returncode == 0  # noqa: E731
        wait_until(f"keepalived on {node} to end", ended, 20, 0.02)

    def restart(self, node: str) -> None:
        """Back as a backup, after a stop or a power-off."""
        if self._cluster.node(node).init() is None:
            self._cluster.power_on(node)
            wait_until(f"{node} to boot", self._cluster.node(node).booted, 20, 0.02)
        else:
            self.wait_stopped(node)
        self.start(node)

    def _configure(self, node: str) -> None:
        first, *others = self._addresses
        text = CONFIGURATION.format(
            node=node, router_id=ROUTER_ID, vmac=USE_VMAC if self._vmac else "", priority=PRIORITIES[node], advert_s=self._advert_s,
            first=first, prefix=self._prefix,
            # More than a few do not fit in an advert; keepalived wants them named apart.
            others="\n".join(f"        {address}/{self._prefix}" for address in others),
        )  # fmt: skip
        target = PurePosixPath("/") / CONFIG
        write = f"mkdir -p {target.parent} && cat >{target} && chmod 644 {target}"
        self._cluster.node(node).run(["sh", "-c", write], stdin=text)

    def _holds_all(self, node: str) -> bool:
        netns = self._cluster.switch.netns_of(node)
        device = f"vrrp.{ROUTER_ID}" if self._vmac else "eth0"
        shown = json.loads(ip("-json", "address", "show", "dev", device, netns=netns))
        held = {info["local"] for link in shown for info in link["addr_info"]}
        return held >= set(self._addresses)

    def _listens(self, node: str) -> bool:
        netns = self._cluster.switch.netns_of(node)
        links = json.loads(ip("-json", "maddr", "show", netns=netns) or "[]")
        joined = [group.get("address") for link in links for group in link.get("maddr", [])]
        return VRRP_GROUP in joined
