# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool on two nodes: none of them is a majority, so whoever is lost has to be proven silent."""

from __future__ import annotations

import unittest

from pooling import PoolTest

from lab.probe import now_ms
from lab.settings import Settings
from lab.sweep import Sweep
from lab.waiting import wait_until

FENCING_S = 5.0
STONITH_ADMIN = "/usr/sbin/stonith_admin"
# The daemon asks over and over, one question at a time; what an alert makes it ask comes beside that.
ONE_HANGS = f"""
touch /run/stonith_admin && mount --bind {STONITH_ADMIN} /run/stonith_admin
cat >/run/one-hangs <<END
#!/bin/sh
exec 9>/run/asking
flock --nonblock 9 && exec sleep 1000
exec /run/stonith_admin "\\$@"
END
chmod 755 /run/one-hangs && mount --bind /run/one-hangs {STONITH_ADMIN}
"""


class TwoNodes(PoolTest):
    settings = Settings(nodes=2)

    def assert_untouched(self, sweep: Sweep, lost: str, since_ms: float) -> None:
        """Nobody has answered for a lost node's addresses."""
        reports = sweep.reports()
        for address in self.before.of(lost):
            turns = [turn for turn in reports[address].turns() if turn.since_ms > since_ms and turn.host != lost]
            self.assertEqual([], turns, f"{address} was answered by another")

    def test_addresses_wait_for_fencing(self) -> None:
        self.cluster.set_fencing("slow", FENCING_S)
        known = len(self.cluster.fencings("n2"))
        with self.sweep() as sweep:
            self.cluster.power_off("n2")
            self.assert_taken_over("n2", self.wait_covered(sweep, "n2"))
            fenced_ms = self.cluster.fencings("n2")[known] * 1000
            for address in self.before.of("n2"):
                first = sweep.reports()[address].turns()[-1]
                self.assertGreater(first.since_ms, fenced_ms, f"{address} was answered before fencing was done")
            self.assert_undisturbed(sweep, self.before.of("n1"))
            self.assert_exclusive(sweep)

    def test_without_fencing_an_operator_can_confirm_that_a_node_is_down(self) -> None:
        self.cluster.set_fencing("fail")
        known = len(self.cluster.fencings("n1", "failed"))
        with self.sweep() as sweep:
            off_ms = now_ms()
            self.cluster.power_off("n1")
            wait_until("fencing to fail", lambda: len(self.cluster.fencings("n1", "failed")) > known, 60)
            self.assert_untouched(sweep, "n1", off_ms)
            self.pool.buoy("n2", "confirm-down", "n1", "--yes")
            self.assert_taken_over("n1", self.wait_covered(sweep, "n1"))
            self.assert_exclusive(sweep)

    def test_fencing_is_told_by_the_alert_while_asking_for_it_hangs(self) -> None:
        self.cluster.run("n1", ["sh", "-ec", ONE_HANGS])
        self.addCleanup(self.cluster.run, "n1", ["umount", STONITH_ADMIN], False)
        self.cluster.pcs("alert", "create", "id=buoy", "path=/usr/lib/buoy/buoy-alert")
        self.addCleanup(self.cluster.pcs, "alert", "remove", "buoy")
        with self.sweep() as sweep:
            self.cluster.power_off("n2")
            self.assert_taken_over("n2", self.wait_covered(sweep, "n2"))
            self.assert_undisturbed(sweep, self.before.of("n1"))
            self.assert_exclusive(sweep)


if __name__ == "__main__":
    unittest.main()
