# SPDX-License-Identifier: GPL-2.0-or-later
"""./lab demo, second act: thirty addresses on three nodes, as a client of all of them sees it."""

from __future__ import annotations

import sys
from typing import Callable

from lab.client import Client
from lab.cluster import Cluster
from lab.pool import ADDRESSES, AGENT, Pool
from lab.probe import now_ms
from lab.sweep import Sweep
from lab.timeline import State, seen, timeline
from lab.waiting import wait_until

INTERVAL_MS = 5.0
AUDIT_MS = 20.0
# How long things are looked at after they are as they should be.
CALM_MS = 300.0


class PoolDemo:
    """The second act, in a lab that is up."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._pool = Pool(cluster)
        self._start_ms = now_ms()
        self._last: State | None = None

    def run(self) -> bool:
        """Show it; false if two nodes ever held one address."""
        print(f'pcs resource create web {AGENT} addresses="{ADDRESSES}" nic=eth0 clone', flush=True)
        self._pool.create()
        self._pool.wait_settled()
        print(f"The client asks all {len(self._pool.addresses)} every {INTERVAL_MS:g} ms from here on.\n")
        nodes = "".join(f"{name:>5}" for name in self._cluster.node_names())
        print(f"{'time':>8}  {'what was done':<44}{nodes}  silent  the client saw", flush=True)
        self._start_ms = now_ms()
        with Client(self._cluster).sweep(self._pool.addresses, INTERVAL_MS, AUDIT_MS) as sweep:
            sweep.wait("all addresses to be answered")
            self._step(sweep, "", lambda: None)
            self._life(sweep)
            sweep.stop()
            return self._sum_up(sweep)

    def _life(self, sweep: Sweep) -> None:
        cluster = self._cluster
        self._step(
            sweep, "pcs node standby n2", lambda: cluster.pcs("node", "standby", "n2"), ["n1", "n3"]
        )
        self._step(sweep, "pcs node unstandby n2", lambda: cluster.pcs("node", "unstandby", "n2"))
        known = len(cluster.fencings("n1"))
        cluster.set_fencing("fail")
        self._step(
            sweep, "n1 loses its power; fencing it fails", lambda: cluster.power_off("n1"), ["n2", "n3"]
        )
        if len(cluster.fencings("n1")) == known:
            print(f"{'':10}(nobody could tell the cluster yet that n1 is off)", flush=True)
        cluster.set_fencing("work")
        self._step(sweep, "fencing works again; n1 boots and joins", self._boot)

    def _boot(self) -> None:
        cluster = self._cluster
        cluster.anywhere(["stonith_admin", "--fence", "n1"])
        cluster.power_on("n1")
        cluster.wait_online()

    def _step(
        self, sweep: Sweep, said: str, act: Callable[[], object], nodes: list[str] | None = None
    ) -> None:
        """Do something, wait until the addresses are where they belong, and tell how it went."""
        began_ms = now_ms()
        act()
        nodes = nodes or self._cluster.node_names()
        standing = next(iter(self._pool.wait_settled(*nodes).values()))
        sweep.wait("the owners to answer", lambda held: held == standing.owners)
        settled_ms = now_ms()
        wait_until("calm", lambda: now_ms() > settled_ms + CALM_MS)
        reports = sweep.reports()
        end_ms = now_ms() - sweep.late_ms
        states = timeline(reports, began_ms, end_ms)
        first, *between = states
        if said:
            self._row(began_ms, said, self._last or first, "")
            for state in between[:-1]:
                self._row(state.since_ms, "", state, "")
        self._row(states[-1].since_ms, "", states[-1], str(seen(reports, began_ms, end_ms)) if said else "")
        self._last = states[-1]

    def _row(self, at_ms: float, what: str, state: State, client: str) -> None:
        shares = "".join(f"{state.shares.get(name, 0) or '-':>5}" for name in self._cluster.node_names())
        at = f"{(at_ms - self._start_ms) / 1000:6.2f} s"
        print(f"{at}  {what:<44}{shares}  {state.silent or '-':>6}  {client}".rstrip(), flush=True)

    def _sum_up(self, sweep: Sweep) -> bool:
        found = sweep.overlaps()
        if found:
            print(f"{len(found)} times two nodes held an address:", file=sys.stderr)
            for overlap in found[:5]:
                print(f"  {overlap}", file=sys.stderr)
        else:
            print("\nNo address was held by two nodes at any time.")
        return not found
