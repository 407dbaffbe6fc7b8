# SPDX-License-Identifier: GPL-2.0-or-later
"""keepalived on the plain nodes of a lab, one VRRP instance with one address."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from lab.client import Client
from lab.cluster import Cluster
from lab.commands import ip
from lab.errors import LabError
from lab.probe import Probe
from lab.waiting import wait_until

ADDRESS = "10.77.0.60"
PID_FILE = "/run/keepalived.pid"
CONFIG = "etc/keepalived/keepalived.conf"
VRRP_GROUP = "224.0.0.18"
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
    virtual_router_id 60
    priority {priority}
    advert_int {advert_s:g}
    virtual_ipaddress {{
        {address}/24
    }}
}}
"""


class Vrrp:
    """Three nodes that elect a master; none takes the address back when it returns."""

    def __init__(self, cluster: Cluster, advert_s: float) -> None:
        self._cluster = cluster
        self._advert_s = advert_s

    def start_all(self) -> None:
        """Configure and start every node."""
        for node in PRIORITIES:
            self._configure(node)
            self.start(node)

    def start(self, node: str) -> None:
        """Start one and wait until it hears the others."""
        daemon = f"keepalived --vrrp --pid={PID_FILE} </dev/null >/dev/null 2>&1"
        self._cluster.run(node, ["sh", "-c", daemon])
        wait_until(f"keepalived on {node}", lambda: self._listens(node), 20, 0.02)

    def stop(self, node: str) -> None:
        """Ask one to end: it gives up the address and says so to the others."""
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

    def master(self, probe: Probe) -> str:
        """Who answers the client."""
        hosts = probe.wait_answer().hosts
        if len(set(hosts)) != 1:
            raise LabError(f"{ADDRESS} is answered by {' and '.join(hosts)} at once")
        return hosts[0]

    def probe(self, interval_ms: float) -> Probe:
        """The client's view of the address."""
        return Client(self._cluster).probe(ADDRESS, interval_ms)

    def _configure(self, node: str) -> None:
        text = CONFIGURATION.format(
            node=node, priority=PRIORITIES[node], advert_s=self._advert_s, address=ADDRESS
        )
        target = PurePosixPath("/") / CONFIG
        write = f"mkdir -p {target.parent} && cat >{target} && chmod 644 {target}"
        self._cluster.node(node).run(["sh", "-c", write], stdin=text)

    def _listens(self, node: str) -> bool:
        netns = self._cluster.switch.netns_of(node)
        links = json.loads(ip("-json", "maddr", "show", "dev", "eth0", netns=netns) or "[]")
        joined = [group.get("address") for link in links for group in link.get("maddr", [])]
        return VRRP_GROUP in joined
