# SPDX-License-Identifier: GPL-2.0-or-later
"""`buoy` and the daemon it asks: every command, what is wrong with a wrong one, and who may ask."""

from __future__ import annotations

import json
import signal
import subprocess
import unittest

from pooling import PoolTest

from lab.waiting import wait_until

# Command lines that the daemon, or `buoy` by what it says, has to refuse: what is wrong, and what to do.
REFUSED = [
    ("pool show x", "there is no pool 'x'; `buoy pool list` shows"),
    ("pool cleanup x", "there is no pool 'x'; `buoy pool list` shows"),
    ("pool rebalance x auto", "there is no pool 'x'; `buoy pool list` shows"),
    ("pool rebalance web always", "rebalance is auto or never"),
    ("pool remove x", "there is no pool 'x'; `buoy pool list` shows"),
    ("pool remove web", "still runs on a node; stop it everywhere first"),
    ("move 10.0.0.1 n2", "no pool has the address 10.0.0.1; `buoy pool list` shows"),
    ("move web/30 n2", "pool web has no slot '30': its slots are 0 to 29"),
    ("move mail/0 n2", "there is no pool 'mail'; `buoy pool list` shows"),
    ("move n2 10.77.0.60", "'n2' is no slot: name its address, such as 192.0.2.10, or POOL/INDEX"),
    ("move 10.77.0.60 n9", "there is no node 'n9'; the cluster has n1, n2, n3"),
    ("pin 10.77.0.60 n9", "there is no node 'n9'; the cluster has n1, n2, n3"),
    ("unpin 10.0.0.1", "no pool has the address 10.0.0.1; `buoy pool list` shows"),
    ("drain n9", "there is no node 'n9'; the cluster has n1, n2, n3"),
    ("undrain n9", "there is no node 'n9'; the cluster has n1, n2, n3"),
    ("weight web n9 50", "there is no node 'n9'; the cluster has n1, n2, n3"),
    ("weight x n1 50", "there is no pool 'x'; `buoy pool list` shows"),
    ("weight web n1 1001", "weight '1001' is not a number from 0 to 1000"),
    ("confirm-down n9 --yes", "there is no node 'n9'; the cluster has n1, n2, n3"),
    ("confirm-down n2", "nothing was done: say yes, or --yes"),
    ("confirm-down n2 --yes", "n2 takes part in the cluster, so it is not down: switch it off first"),
    ("forget n9 --yes", "there is no node 'n9'; the cluster has n1, n2, n3"),
    ("forget n3 --yes", "n3 takes part in the cluster, so it is not down: switch it off first"),
    ("explain 10.0.0.1", "no pool has the address 10.0.0.1; `buoy pool list` shows"),
]
WHY = "an open failed there, or its NIC has no carrier; `buoy explain web"
# What reads, and something of what it says.
READS = [
    ("status", "Pool web: 30 slots on eth0"),
    ("top --interval 10", "n1"),
    ("pool list", "web"),
    ("pool show web", "web/29"),
    ("explain 10.77.0.60", "Slot web/0, 10.77.0.60"),
    ("journal --lines 5", "\n"),
    ("metrics", 'buoy_slots{pool="web"} 30\n'),
]
# What changes something, and in the end nothing.
CHANGES = [
    "pool rebalance web never", "pool rebalance web auto", "pool cleanup web", "weight web n3 50", "weight web n3 100",
    "drain n2", "undrain n2", "pin {address} n1", "unpin {address}", "move {address} n1",
]  # fmt: skip


class Commands(PoolTest):
    def buoy(self, line: str, *before: str, node: str = "n1") -> subprocess.CompletedProcess[str]:
        # Nobody there to be asked whether it is meant.
        return self.cluster.run(node, [*before, "sh", "-c", f"buoy {line} </dev/null"], check=False)

    def test_every_command_reaches_the_daemon(self) -> None:
        for line, said in READS:
            with self.subTest(line):
                done = self.buoy(line)
                self.assertEqual((0, ""), (done.returncode, done.stderr))
                self.assertIn(said, done.stdout)
                if not line.startswith("top"):
                    self.assertTrue(json.loads(self.buoy(f"{line} --json").stdout)["ok"])
        for line in CHANGES:
            with self.subTest(line):
                done = self.buoy(line.format(address=self.before.of("n1")[0]))
                self.assertEqual((0, ""), (done.returncode, done.stderr))
                # Or an address would move on as often at one time as only two holders do.
                self.settled(balanced=False)
        watching = ["sh", "-c", "buoy watch --json | head -n 1"]
        self.assertTrue(json.loads(self.cluster.run("n1", watching).stdout)["ok"])
        self.settled()
        used = {line.split(" ")[0] for line in [*CHANGES, *(line for line, _ in [*READS, *REFUSED])]}
        listed = self.buoy("--help").stdout.splitlines()[2:]
        commands = {line.split()[0] for line in listed[: listed.index("")]}
        self.assertEqual(commands, used | {"watch"})

    def test_what_is_refused_is_said_with_what_to_do(self) -> None:
        for line, said in REFUSED:
            with self.subTest(line):
                done = self.buoy(line)
                self.assertEqual((1, ""), (done.returncode, done.stdout), done.stderr)
                self.assertIn(said, done.stderr)
                self.assertEqual(1, len(done.stderr.splitlines()))
        self.assertEqual(self.before.owners, self.settled().owners)
        self.buoy("drain n2")
        address = self.before.of("n1")[0]
        slot = self.pool.addresses.index(address)
        wait_until("n2 to have nothing", lambda: not self.pool.held_by_kernel("n2"))
        done = self.buoy(f"move {address} n2")
        self.assertIn(f"n2 can hold nothing of pool web now: it is lost or drained, {WHY}/{slot}`", done.stderr)
        self.assertIn("n2: drained", self.buoy(f"explain {address}").stdout)
        self.buoy("undrain n2")
        self.settled()

    def test_haclient_may_ask_and_others_are_refused(self) -> None:
        someone = ["setpriv", "--reuid", "65534", "--clear-groups", "--regid"]
        for group, code, said in (("haclient", 0, ""), ("65534", 1, "haclient")):
            for line in ("status", "undrain n1"):
                with self.subTest(group=group, line=line):
                    done = self.buoy(line, *someone, group)
                    self.assertEqual(code, done.returncode, done.stderr)
                    self.assertIn(said, done.stderr)

    def test_without_a_daemon_it_shows_what_the_kernel_still_has(self) -> None:
        self.cluster.pcs("resource", "unmanage", "web")
        self.addCleanup(self.cluster.pcs, "resource", "manage", "web")
        held = self.before.of("n3")
        self.signal_daemon("n3", signal.SIGKILL)
        wait_until("buoyd to end", lambda: "does not run" in self.buoy("status", node="n3").stderr)
        for line in ("status", "pool show web", f"move {held[0]} n1", "drain n3", "metrics"):
            with self.subTest(line):
                done = self.buoy(line, node="n3")
                self.assertEqual((1, ""), (done.returncode, done.stdout))
                self.assertIn("buoyd does not run", done.stderr)
                self.assertIn(f"the kernel still has {len(held)} of its 30 addresses", done.stderr)
        left = json.loads(self.buoy("status --json", node="n3").stdout)
        carried = {one["address"]: one["link"] for one in left["pools"][0]["carried"]}
        self.assertEqual({address: "eth0" for address in held}, carried)


if __name__ == "__main__":
    unittest.main()
