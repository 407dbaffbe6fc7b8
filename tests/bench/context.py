# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bench is given to work with."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Iterator

from lab.cluster import Cluster, temporary
from lab.node import Node
from lab.settings import Settings
from lab.waiting import wait_until

# "plain": three nodes without Corosync and Pacemaker, so that nothing but the measured runs there.
# "cluster": the whole stack, with a token time-out as low as one dares in production.
# "stock": the whole stack with Corosync's own timers.
LABS = {
    "plain": Settings(nodes=3, pacemaker=False),
    "cluster": Settings(nodes=3, token_ms=1000),
    "stock": Settings(nodes=3, stock_timers=True),
}


@dataclass(frozen=True)
class Context:
    """The kind of lab and the rounds that are wanted, and a way to tell how far one is."""

    kind: str
    rounds: int
    progress: Callable[[str], None]
    # For what takes long to show: take as long as was promised.
    long: bool = False

    @contextmanager
    def lab(self, kind: str = "") -> Iterator[Cluster]:
        """A fresh lab that goes with the block, of another kind if told so; on entry its nodes are up."""
        self.progress("booting")
        settings = LABS[kind or self.kind]
        with temporary("bench", settings) as cluster:
            if settings.pacemaker:
                cluster.wait_online()
            nodes = cluster.nodes()
            wait_until("the nodes to boot", lambda: all(node.booted() for node in nodes), 30)
            # Without it a node cannot ask for its IPv6 neighbours yet. That is the second after a
            # boot, and not what is to be measured.
            wait_until("link-local addresses", lambda: not any(map(_tentative, nodes)), 30)
            yield cluster


def _tentative(node: Node) -> bool:
    return bool(node.run(["ip", "-6", "address", "show", "tentative"]).stdout)
