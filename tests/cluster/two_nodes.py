# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool on two nodes: none of them is a majority, so whoever is lost has to be proven silent."""

from __future__ import annotations

import re
import unittest

from pooling import PoolTest

from lab.pool import Pool, Standing, expand
from lab.probe import now_ms
from lab.settings import Settings
from lab.sweep import Sweep
from lab.waiting import wait_until

FENCING_S = 5.0
# Beside the pool of the others' tests: by name, what they have and what frees it.
OTHERS = {"guarded": "10.77.0.90-10.77.0.95", "risky": "10.77.0.110-10.77.0.115"}
ON_LOSS = {"guarded": "fenced", "risky": "unsafe"}
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
    keep = frozenset({"web", "guarded", "risky"})

    def made(self) -> Standing:
        standing = super().made()
        self.others_before: dict[str, Standing] = {}
        for name, addresses in OTHERS.items():
            pool = Pool(self.cluster, name, addresses)
            if name not in self.cluster.view().resources:
                pool.create(f"on_loss={ON_LOSS[name]}")
            self.others_before[name] = pool.wait_settled()["n1"]
        return standing

    def sweep_of(self, name: str) -> Sweep:
        """Begin to ask for another pool's addresses."""
        sweep = self.watch(expand(OTHERS[name]))
        sweep.wait(f"the addresses of {name} to be answered")
        return sweep

    def assert_untouched(self, sweep: Sweep, addresses: list[str], lost: str, since_ms: float, until_ms: float) -> None:
        """Nobody else has answered for a lost node's addresses in this time."""
        reports = sweep.reports()
        for address in addresses:
            turns = [turn for turn in reports[address].turns() if turn.host != lost]
            early = [turn for turn in turns if since_ms < turn.since_ms < until_ms]
            self.assertEqual([], early, f"{address} was answered by another")

    def assert_all_waited(self, sweeps: tuple[Sweep, Sweep], lost: str, since_ms: float, until_ms: float) -> None:
        """With on_loss=fenced, and with auto, which is the same where there are two nodes."""
        for sweep, before in zip(sweeps, (self.before, self.others_before["guarded"])):
            sweep.wait(f"all to be answered without {lost}", lambda held: lost not in held.values())
            self.assert_untouched(sweep, before.of(lost), lost, since_ms, until_ms)

    def test_addresses_wait_for_fencing(self) -> None:
        self.cluster.set_fencing("slow", FENCING_S)
        known = len(self.cluster.fencings("n2"))
        with self.sweep() as sweep, self.sweep_of("guarded") as guarded:
            off_ms = now_ms()
            self.cluster.power_off("n2")
            self.assert_taken_over("n2", self.wait_covered(sweep, "n2"))
            self.assert_all_waited((sweep, guarded), "n2", off_ms, self.cluster.fencings("n2")[known] * 1000)
            self.assert_undisturbed(sweep, self.before.of("n1"))

    def test_without_fencing_an_operator_can_confirm_that_a_node_is_down(self) -> None:
        self.cluster.set_fencing("fail")
        known = len(self.cluster.fencings("n1", "failed"))
        with self.sweep() as sweep, self.sweep_of("guarded") as guarded, self.sweep_of("risky") as risky:
            off_ms = now_ms()
            self.cluster.power_off("n1")
            risky.wait("what is unsafe to be taken over", lambda held: "n1" not in held.values())
            self.assertIn("pool risky is unsafe", self.pool.buoy("n2", "status"))
            shown = lambda: self.cluster.run("n2", ["crm_mon", "-1", "-A"]).stdout  # noqa: E731
            wait_until("crm_mon to show it", lambda: re.search(r"buoy-risky\s*: 6/6 unsafe", shown()))
            wait_until("fencing to fail", lambda: len(self.cluster.fencings("n1", "failed")) > known, 60)
            confirmed_ms = now_ms()
            self.pool.buoy("n2", "confirm-down", "n1", "--yes")
            self.assert_taken_over("n1", self.wait_covered(sweep, "n1"))
            self.assert_all_waited((sweep, guarded), "n1", off_ms, confirmed_ms)

    def test_fencing_is_told_by_the_alert_while_asking_for_it_hangs(self) -> None:
        self.cluster.run("n1", ["sh", "-ec", ONE_HANGS])
        self.addCleanup(self.cluster.run, "n1", ["umount", STONITH_ADMIN], False)
        self.cluster.pcs("alert", "create", "id=buoy", "path=/usr/lib/buoy/buoy-alert")
        self.addCleanup(self.cluster.pcs, "alert", "remove", "buoy")
        with self.sweep() as sweep:
            self.cluster.power_off("n2")
            self.assert_taken_over("n2", self.wait_covered(sweep, "n2"))
            self.assert_undisturbed(sweep, self.before.of("n1"))


if __name__ == "__main__":
    unittest.main()
