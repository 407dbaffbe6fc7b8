# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool of so many addresses in a cluster, all of them on one node, ready to be moved or lost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from bench.gaps import PREFIX, reach, span
from lab.cluster import Cluster
from lab.pool import Pool

SIZES = (1, 100, 1000)
HOME, TARGET, THIRD = "n1", "n2", "n3"


@contextmanager
def pool_of(cluster: Cluster, count: int, *options: str, rebalance: str = "never") -> Iterator[Pool]:
    """A pool that is whole on entry and gone afterwards."""
    reach(cluster)
    pool = Pool(cluster, f"pool{count}", span(count))
    pool.create(f"cidr_netmask={PREFIX}", f"rebalance={rebalance}", *options, monitor_s=10)
    pool.wait_settled(balanced=False)
    yield pool
    pool.delete()
    cluster.settle()


def gather(cluster: Cluster, pool: Pool, node: str) -> None:
    """Bring all addresses to one node, by draining the others for a moment."""
    others = [name for name in cluster.node_names() if name != node]
    for name in others:
        pool.buoy(node, "drain", name)
    for name in others:
        pool.buoy(node, "undrain", name)
    standing = pool.wait_settled(balanced=False)[node]
    assert standing.counts() == {node: len(pool.addresses)}, standing
