# SPDX-License-Identifier: GPL-2.0-or-later
"""The same floating address as a resource of each peer, side by side in one real cluster."""

from __future__ import annotations

from dataclasses import dataclass

from bench.peers import Agent
from lab.cluster import Cluster
from lab.errors import LabError
from lab.waiting import wait_until


@dataclass(frozen=True)
class Resource:
    """One agent as a cluster resource."""

    label: str
    name: str
    agent: Agent

    @property
    def address(self) -> str:
        """What the client asks for."""
        return self.agent.parameters["ip"]

    def create(self, cluster: Cluster, node: str) -> None:
        """Create it, with its agent's recommended operations, on a node."""
        options = [f"{key}={value}" for key, value in self.agent.parameters.items()]
        cluster.pcs("resource", "create", self.name, self.agent.name, *options)
        cluster.wait_running(self.name)
        self.move(cluster, node)

    def home(self, cluster: Cluster) -> str:
        """Where it runs now."""
        return cluster.wait_running(self.name)

    def order_move(self, cluster: Cluster, node: str) -> None:
        """Ask Pacemaker to move it; returns when the order is in the configuration."""
        cluster.run(node, ["crm_resource", "--move", "--resource", self.name, "--node", node])

    def move(self, cluster: Cluster, node: str) -> None:
        """Move it and wait until all is done and the order is withdrawn; no harm if it is there."""
        if self.home(cluster) != node:
            self.order_move(cluster, node)
            cluster.wait_running(self.name, node)
        self.forget_move(cluster, node)

    def forget_move(self, cluster: Cluster, node: str) -> None:
        """Withdraw the order; stickiness keeps it where it is."""
        cluster.run(node, ["crm_resource", "--clear", "--resource", self.name])
        wait_idle(cluster)


def wait_idle(cluster: Cluster, timeout_s: float = 60) -> None:
    """Wait until the cluster has nothing to do. crm_resource --wait would look every 2 s only."""

    def idle() -> bool:
        vantage = cluster.vantage()
        view = cluster.view_from(vantage)
        if view is None or not view.settled:
            return False
        done = cluster.run(vantage, ["crmadmin", "--quiet", "--status", view.dc], check=False)
        return "S_IDLE" in done.stdout

    wait_until("the cluster to become idle", idle, timeout_s, 0.1)


def not_the_dc(cluster: Cluster, *but: str) -> str:
    """The first node that is neither the controller nor one of some others."""
    dc = cluster.view().dc
    for name in cluster.node_names():
        if name != dc and name not in but:
            return name
    raise LabError("there is no such node")
