# SPDX-License-Identifier: GPL-2.0-or-later
"""./lab demo: the life of a floating address, then of a pool of thirty, then of one shared by all."""

from __future__ import annotations

import sys
from typing import Callable

from lab.client import Client
from lab.cluster import Cluster, temporary
from lab.demo_buckets import BucketDemo
from lab.demo_pool import PoolDemo
from lab.probe import Probe, Report, Request, now_ms
from lab.probe_report import summary
from lab.settings import Settings

ADDRESS = "10.77.0.50"
INTERVAL_MS = 5.0


class Demo:
    """One run of the demonstration."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._start_ms = now_ms()

    def run(self, acts: list[int]) -> int:
        """Bring a lab up, show it all, leave nothing."""
        print("Booting three nodes with Corosync, Pacemaker and fencing, and a client ...", flush=True)
        exclusive = True
        with temporary("demo", Settings(nodes=3)) as cluster:
            cluster.wait_online()
            if 1 in acts:
                exclusive = self._one_address(cluster)
            if 2 in acts:
                print("\nSecond act: a pool.\n")
                exclusive = PoolDemo(cluster).run() and exclusive
            if 3 in acts:
                print("\nThird act: one address on all nodes.\n")
                exclusive = BucketDemo(cluster).run() and exclusive
        print("Everything the demo made has been removed.")
        return 0 if exclusive else 1

    def _one_address(self, cluster: Cluster) -> bool:
        """The first act; false if a request was answered twice."""
        self._show_cluster(cluster, "before")
        print(f"The client asks {ADDRESS} every {INTERVAL_MS:g} ms from here on.\n")
        print(f"{'time':>8}  {'what was done':<46} {'who answers now':<24} client saw nothing for")
        self._start_ms = now_ms()
        with Client(cluster).probe(ADDRESS, INTERVAL_MS) as probe:
            self._life(cluster, probe)
            report = probe.stop()
        self._show_cluster(cluster, "after")
        cluster.pcs("resource", "delete", "vip")
        return self._sum_up(report)

    def _life(self, cluster: Cluster, probe: Probe) -> None:
        names = cluster.node_names()

        def other(name: str) -> str:
            return names[(names.index(name) + 1) % len(names)]

        self._create(cluster, probe)
        home = cluster.wait_running("vip")
        target = other(home)
        self._step(
            cluster, probe, f"pcs resource move vip {target}",
            lambda: cluster.pcs("resource", "move", "vip", target), leaves=home,
        )  # fmt: skip
        home = cluster.wait_running("vip")
        self._step(
            cluster, probe, f"pcs node standby {home}",
            lambda: cluster.pcs("node", "standby", home), leaves=home,
        )  # fmt: skip
        self._step(
            cluster, probe, f"pcs node unstandby {home}",
            lambda: cluster.pcs("node", "unstandby", home),
        )  # fmt: skip
        home = cluster.wait_running("vip")
        self._step(
            cluster, probe, f"{home} loses its power; the others fence it",
            lambda: cluster.power_off(home), leaves=home,
        )  # fmt: skip
        self._step(
            cluster, probe, f"{home} boots and joins again",
            lambda: self._boot(cluster, home),
        )  # fmt: skip

    def _create(self, cluster: Cluster, probe: Probe) -> None:
        began_ms = now_ms()
        cluster.pcs("resource", "create", "vip", self._agent, f"ip={ADDRESS}")
        answer = probe.wait_answer()
        self._row(began_ms, f"pcs resource create vip {self._agent}", answer, "-")

    def _row(self, began_ms: float, what: str, answer: Request, silence: str) -> None:
        at = f"{(began_ms - self._start_ms) / 1000:6.1f} s"
        print(f"{at}  {what:<46} {answer.hosts[0]} ({answer.mac})   {silence}", flush=True)

    def _step(
        self, cluster: Cluster, probe: Probe, said: str, act: Callable[[], object],
        leaves: str | None = None,
    ) -> None:  # fmt: skip
        began_ms = now_ms()
        act()
        if leaves:
            cluster.wait_view(
                f"vip to leave {leaves}",
                lambda view: view.running.get("vip", (leaves,)) != (leaves,),
            )
        cluster.settle()
        answer = probe.wait_answer()
        silent_ms = probe.report().since(began_ms).longest_gap_ms()
        silence = f"{silent_ms:.0f} ms" if silent_ms else "not at all"
        self._row(began_ms, said, answer, silence)

    def _boot(self, cluster: Cluster, name: str) -> None:
        cluster.power_on(name)
        cluster.wait_online()

    def _show_cluster(self, cluster: Cluster, when: str) -> None:
        print(f"\n--- crm_mon -1, {when} ---")
        print(cluster.anywhere(["crm_mon", "-1"]).strip(), end="\n\n", flush=True)

    def _sum_up(self, report: Report) -> bool:
        """The totals; false if two nodes ever answered one request."""
        print(summary(report))
        twice = len(report.answered_twice())
        if twice:
            print(f"{twice} requests were answered by two nodes", file=sys.stderr)
        else:
            print("No request was answered by two nodes.")
        return twice == 0
