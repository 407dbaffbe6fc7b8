# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of a pool on a real cluster have in common."""

from __future__ import annotations

import signal

from lab.errors import LabError
from lab.pool import Pool, Standing
from lab.settings import Settings, corosync_conf
from lab.shared import ClusterTest, take_down
from lab.sweep import Holders, Sweep, spread

INTERVAL_MS = 10.0
AUDIT_MS = 20.0


class StandingPoolTest(ClusterTest):
    """A pool that stays from test to test."""

    def setUp(self) -> None:
        super().setUp()
        try:
            self.before = self.made()
        except LabError as problem:
            # Not this one's failure, but not to be passed over either.
            print(f"what the test before left is not whole, hence a new lab: {problem}", flush=True)
            take_down()
            super().setUp()
            self.before = self.made()

    def made(self) -> Standing:
        """The pool, made if it is not there, and whole."""
        raise NotImplementedError


class PoolTest(StandingPoolTest):
    """Thirty addresses on all nodes. A sweep looks at them from the first moment to the last, whatever the test is
    about: two nodes that answer for one address fail every test."""

    keep = frozenset({"web"})
    options: tuple[str, ...] = ()
    # Not where that cannot be judged by frames: where others speak for the addresses, or every frame counts.
    watched = True

    def setUp(self) -> None:
        super().setUp()
        if self.watched:
            self._sweep = self.watch(self.pool.addresses)

    def watch(self, addresses: list[str]) -> Sweep:
        """Ask for addresses from now on; in the end no two nodes are to have answered for one at a time."""
        sweep = self.client.sweep(addresses, INTERVAL_MS, AUDIT_MS)
        self.addCleanup(self.assert_exclusive, sweep)
        return self.enterContext(sweep)

    def made(self) -> Standing:
        self.pool = Pool(self.cluster)
        if self.pool.name not in self.cluster.view().resources:
            self.pool.create(*self.options)
        return self.settled()

    def settled(self, *nodes: str, balanced: bool = True) -> Standing:
        """Wait until the pool is whole on these nodes (all by default); what they agree on."""
        standings = self.pool.wait_settled(*nodes, balanced=balanced)
        return next(iter(standings.values()))

    def sweep(self) -> Sweep:
        """The sweep, once everything is answered. It ends with the block that it is used for."""
        if not self.watched:
            self._sweep = self.watch(self.pool.addresses)
        self._sweep.wait("all addresses to be answered")
        return self._sweep

    def others(self, *nodes: str) -> list[str]:
        """The nodes but some."""
        return [name for name in self.cluster.node_names() if name not in nodes]

    def wait_covered(self, sweep: Sweep, *without: str, what: str = "", timeout_s: float = 60) -> Holders:
        """Wait until every address is answered, by none of some nodes."""
        away = f"without {'+'.join(without)}" if without else ""

        def elsewhere(held: Holders) -> bool:
            return not set(without) & set(held.values())

        return sweep.wait(f"all to be answered {away} {what}".strip(), elsewhere, timeout_s)

    def assert_taken_over(self, lost: str, held: Holders) -> None:
        """What was a lost node's is spread over the others; nothing else has moved."""
        kept = {address: owner for address, owner in self.before.owners.items() if owner != lost}
        self.assertEqual(kept, {address: held[address] for address in kept}, "more moved than had to")
        shares = [list(held.values()).count(node) for node in self.others(lost)]
        self.assertLessEqual(max(shares) - min(shares), 1, f"unevenly: {spread(held)}")

    def assert_exclusive(self, sweep: Sweep) -> None:
        """Never two nodes for one address at a time, whichever client would have asked."""
        found = sweep.overlaps()
        shown = "\n".join(str(one) for one in found[:8])
        self.assertEqual(0, len(found), f"two nodes held an address at one time:\n{shown}")
        twice = {address for address, report in sweep.reports().items() if report.answered_twice()}
        self.assertEqual(set(), twice, "requests were answered by two nodes")

    def assert_undisturbed(self, sweep: Sweep, addresses: list[str], since_ms: float = 0.0) -> None:
        """These have been answered all the time."""
        reports = sweep.reports()
        gaps = {address: reports[address].since(since_ms).longest_gap_ms() for address in addresses}
        self.assertEqual({}, {address: gap for address, gap in gaps.items() if gap}, "gaps, in ms")

    def signal_daemon(self, node: str, number: signal.Signals, name: str = "buoyd") -> None:
        """Send a signal to a daemon of a node."""
        pid = self.cluster.run(node, ["pidof", "-s", name]).stdout.strip()
        self.cluster.run(node, ["kill", f"-{number.value}", pid])

    def configure(self, settings: Settings, *nodes: str) -> None:
        """Another corosync.conf on some nodes, in force."""
        for node in nodes:
            write = ["sh", "-c", "cat >/etc/corosync/corosync.conf"]
            self.cluster.node(node).run(write, stdin=corosync_conf(settings))
        self.cluster.run(nodes[0], ["corosync-cfgtool", "-R"])
