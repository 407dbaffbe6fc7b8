# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool on five nodes: partitions in which nobody has a majority, cuts in one direction, nodes that leave for good."""

from __future__ import annotations

import unittest

from pooling import PoolTest

from lab.settings import Settings
from lab.shared import long
from lab.sweep import Sweep, counts
from lab.switch import socket_of
from lab.waiting import wait_until

FIVE = Settings(nodes=5)


@long
class FiveNodes(PoolTest):
    settings = FIVE

    def heal(self, sweep: Sweep) -> None:
        self.cluster.heal()
        self.settled()
        self.wait_covered(sweep)

    def test_two_two_one_and_heal(self) -> None:
        self.cluster.set_fencing("fail")
        with self.sweep() as sweep:
            self.cluster.partition([["n1", "n2"], ["n3", "n4"], ["n5"]], ("ring",))
            wait_until("silence", lambda: not sweep.holders(), 30, explain=lambda: str(sweep.holders()))
            self.heal(sweep)

    def test_three_two_and_heal(self) -> None:
        self.cluster.set_fencing("fail")
        with self.sweep() as sweep:
            self.cluster.partition([["n1", "n2", "n3"], ["n4", "n5"]], ("ring",))
            held = self.wait_covered(sweep, "n4", "n5")
            self.assertEqual({"n1": 10, "n2": 10, "n3": 10}, counts(held))
            self.heal(sweep)

    def test_one_way_cut(self) -> None:
        """n5 does not hear n1 any more, by beats or by Corosync; n1 hears n5."""
        self.cluster.set_fencing("fail")
        source = socket_of("n1", "ring").addresses[0].partition("/")[0]
        cut = "add table inet cut; add chain inet cut in { type filter hook input priority 0; }"
        with self.sweep() as sweep:
            self.cluster.run("n5", ["nft", f"{cut}; add rule inet cut in ip saddr {source} udp dport 1-65535 drop"])
            self.addCleanup(self.cluster.run, "n5", ["nft", "delete table inet cut"], False)
            sweep.wait("one of both to be out, and all to be answered", lambda held: len(counts(held)) < 5)
            self.cluster.run("n5", ["nft", "delete table inet cut"])
            self.heal(sweep)

    def test_a_node_is_forgotten_and_added_again(self) -> None:
        stay = self.others("n5")
        with self.sweep() as sweep:
            self.cluster.power_off("n5")
            self.wait_covered(sweep, "n5")
            self.configure(Settings(nodes=4), *stay)
            self.pool.buoy("n1", "forget", "n5", "--yes")
            self.settled(*stay)
            names = {one["name"] for one in (self.pool.status("n1") or {"nodes": []})["nodes"]}
            self.assertEqual(set(stay), names)
            self.configure(FIVE, *stay)
            self.cluster.power_on("n5")
            self.settled()
            self.wait_covered(sweep)


if __name__ == "__main__":
    unittest.main()
