# SPDX-License-Identifier: GPL-2.0-or-later
"""A pool through what an administrator does with it."""

from __future__ import annotations

import ipaddress
import re
import signal
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from pooling import PoolTest

from lab.commands import ip
from lab.pool import Pool
from lab.shared import long
from lab.sweep import counts
from lab.switch import CLIENT, socket_of
from lab.waiting import wait_until

AGENT_FILE = "/usr/lib/ocf/resource.d/buoy/pool"


class Made(PoolTest):
    def test_thirty_addresses_are_spread_evenly_and_answer(self) -> None:
        with self.sweep() as sweep:
            held = self.wait_covered(sweep)
            self.assertEqual({"n1": 10, "n2": 10, "n3": 10}, counts(held))
            self.assertEqual(self.before.owners, held)
        for node in self.cluster.node_names():
            self.assertEqual(self.before.of(node), self.pool.held_by_kernel(node))

    def test_crm_mon_shows_what_each_node_holds(self) -> None:
        def shown() -> list[str]:
            return re.findall(r"buoy-web\s*: (\S+)", self.cluster.anywhere(["crm_mon", "-1", "-A"]))

        wait_until("the attributes of all nodes", lambda: shown() == ["10/30"] * 3, explain=lambda: str(shown()))

    def test_the_pool_is_shown_with_every_address_and_its_owner(self) -> None:
        for node in self.cluster.node_names():
            text = self.pool.buoy(node, "pool", "show", "web")
            for address in self.pool.addresses:
                line = next((line for line in text.splitlines() if address in line.split()), "")
                self.assertIn(self.before.owners[address], line)

    def test_addresses_have_the_prefix_length_of_their_network(self) -> None:
        shown = self.cluster.run("n1", ["ip", "-o", "address", "show", "dev", "eth0"]).stdout
        for address in self.before.of("n1"):
            length = 64 if ipaddress.ip_address(address).version == 6 else 24
            self.assertIn(f" {address}/{length} ", shown)


class Planned(PoolTest):
    def test_standby_and_return(self) -> None:
        with self.sweep() as sweep:
            self.cluster.pcs("node", "standby", "n2")
            held = self.wait_covered(sweep, "n2")
            self.assert_taken_over("n2", held)
            self.assertEqual([], self.pool.held_by_kernel("n2"))
            self.settled("n1", "n3")
            self.cluster.pcs("node", "unstandby", "n2")
            after = self.settled()
            self.wait_covered(sweep)
            moved = [address for address in held if held[address] != after.owners[address]]
            self.assertEqual(10, len(moved), "more moved than balance needs")

    def test_with_rebalance_never_a_return_moves_nothing(self) -> None:
        self.cluster.pcs("resource", "update", "web", "rebalance=never")
        self.addCleanup(self.cluster.pcs, "resource", "update", "web", "rebalance=auto")
        self.cluster.settle()
        # Pacemaker restarts what it found running after a cleanup, instead of reloading it: even it out.
        for mode in ("auto", "never"):
            self.pool.buoy("n1", "pool", "rebalance", "web", mode)
            self.before = self.settled()
        with self.sweep() as sweep:
            self.cluster.pcs("node", "standby", "n2")
            held = self.wait_covered(sweep, "n2")
            self.assert_taken_over("n2", held)
            self.cluster.pcs("node", "unstandby", "n2")
            self.assertEqual(held, self.settled(balanced=False).owners)
            self.assertEqual(held, self.wait_covered(sweep))

    def test_move_pin_and_drain(self) -> None:
        address = self.before.of("n1")[0]
        with self.sweep() as sweep:
            self.pool.buoy("n3", "move", address, "n2")
            sweep.wait(f"n2 to answer for {address}", lambda held: held[address] == "n2")
            self.pool.buoy("n3", "drain", "n1")
            self.wait_covered(sweep, "n1")
            self.pool.buoy("n3", "pin", address, "n1")
            self.pool.buoy("n3", "undrain", "n1")
            sweep.wait(f"n1 to answer for {address}", lambda held: held[address] == "n1")
            self.pool.buoy("n3", "unpin", address)
            self.settled()

    def test_a_node_that_uses_an_address_hears_where_it_moves(self) -> None:
        def neighbour(node: str, address: str) -> str:
            shown = self.cluster.run(node, ["ip", "neighbour", "show", "to", address, "dev", "eth0"]).stdout
            return found[1] if (found := re.search(r"lladdr (\S+)", shown)) else ""

        for version in (4, 6):
            address = next(one for one in self.pool.addresses if ipaddress.ip_address(one).version == version)
            owner = self.before.owners[address]
            user, target = self.others(owner)
            with self.subTest(address=address):
                self.cluster.run(user, ["ping", "-c", "1", address])
                self.assertEqual(socket_of(owner, "lan").mac, neighbour(user, address))
                # It asks nobody by itself, for it sends nothing to the address from now on.
                self.pool.buoy(user, "move", address, target)
                mac = socket_of(target, "lan").mac
                wait_until(f"{user} to know", lambda: neighbour(user, address) == mac)
                self.pool.buoy(user, "move", address, owner)
        self.settled()

    def test_rolling_restart_of_all_daemons(self) -> None:
        with self.sweep() as sweep:
            for node in self.cluster.node_names():
                old = self.pool.daemon(node)
                self.signal_daemon(node, signal.SIGTERM)
                wait_until(f"another buoyd on {node}", lambda: self.pool.daemon(node) not in (0, old), 30)
                self.settled()
            self.wait_covered(sweep)

    def test_lost_carrier_moves_and_its_return_rebalances(self) -> None:
        with self.sweep() as sweep:
            self.cluster.set_link("n3", False)
            self.assert_taken_over("n3", self.wait_covered(sweep, "n3"))
            self.cluster.set_link("n3", True)
            sweep.wait("n3 to answer again", lambda held: counts(held).get("n3") == 10)
            self.settled()

    def test_a_second_daemon_is_refused_and_takes_nothing_away(self) -> None:
        # With its local socket in a file it would not find the first one's.
        sockets = "/etc/libqb/force-filesystem-sockets"
        self.addCleanup(self.cluster.run, "n1", ["rm", "-f", sockets])
        self.cluster.run("n1", ["sh", "-c", f"mkdir -p /etc/libqb && touch {sockets}"])
        done = self.cluster.run("n1", ["timeout", "20", "buoyd", "--stderr"], check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("buoyd runs on this node already", done.stderr)
        self.assertEqual(self.before.of("n1"), self.pool.held_by_kernel("n1"))

    def test_deleted_while_running_nothing_answers(self) -> None:
        with self.sweep() as sweep:
            self.pool.delete()
            wait_until("silence", lambda: not sweep.holders(), 30, explain=lambda: str(sweep.holders()))
        for node in self.cluster.node_names():
            self.assertEqual([], self.pool.held_by_kernel(node))
            self.wait_listed(node, "No pools\n")

    def test_disable_and_enable_keep_the_pins(self) -> None:
        self.pool.buoy("n1", "pin", "web/0", "n2")
        self.addCleanup(self.pool.buoy, "n1", "unpin", "web/0")
        self.cluster.pcs("resource", "disable", "web")
        self.cluster.settle()
        self.assertRegex(self.pool.buoy("n1", "pool", "list"), r"(?m)^web .* none ")
        self.cluster.pcs("resource", "enable", "web")
        self.settled()
        shown = self.pool.buoy("n3", "pool", "show", "web")
        line = next(line for line in shown.splitlines() if line.startswith("web/0 "))
        self.assertEqual(["n2", "n2"], [line.split()[i] for i in (2, 5)], shown)

    def wait_listed(self, node: str, wanted: str) -> None:
        """Wait until `buoy pool list` says this on a node."""

        def listed() -> str:
            return self.pool.buoy(node, "pool", "list")

        wait_until(f"what {node} lists", lambda: listed() == wanted, 30, explain=listed)


class Weights(PoolTest):
    # One node after another takes its new weight, and with each an address may move on: three times within what
    # elsewhere is proof of two holders (lab/evidence.py).
    watched = False

    def test_weight_is_what_the_parameter_says_and_its_default_without_it(self) -> None:
        def weights() -> dict[str, int]:
            status = self.pool.status("n1")
            pools = [pool for pool in status["pools"] if pool["name"] == "web"] if status else []
            return pools[0]["weights"] if pools else {}

        def are(weight: int) -> bool:
            return [weights().get(node, 100) for node in self.cluster.node_names()] == [weight] * 3

        self.addCleanup(self.cluster.pcs, "resource", "update", "web", "weight=")
        for given, weight in (("50", 50), ("", 100), ("7", 7), ("", 100)):
            self.cluster.pcs("resource", "update", "web", f"weight={given}")
            wait_until(f"weight={given}", lambda: are(weight), explain=lambda: str(weights()))
        self.settled()


class OnANode(PoolTest):
    """What happens on one node, by hand or by the agent, and is put right there."""

    def log(self, node: str) -> str:
        return self.cluster.run(node, ["cat", "/var/log/buoy/buoyd.log"]).stdout

    def test_an_address_put_on_another_node_by_hand_answers_nobody_and_is_removed(self) -> None:
        for address in (self.before.of("n1")[0], self.before.of("n1")[-1]):
            length = ipaddress.ip_address(address).max_prefixlen
            self.cluster.run("n2", ["ip", "address", "add", f"{address}/{length}", "dev", "eth0"])
            wait_until("it to be removed", lambda: self.pool.held_by_kernel("n2") == self.before.of("n2"))
            self.assertIn(f"{address} was added behind our back and has been removed", self.log("n2"))

    def test_an_address_removed_by_hand_is_put_back(self) -> None:
        for address in (self.before.of("n1")[0], self.before.of("n1")[-1]):
            length = 64 if ":" in address else 24
            self.cluster.run("n1", ["ip", "address", "delete", f"{address}/{length}", "dev", "eth0"])
            wait_until("it to be back", lambda: self.pool.held_by_kernel("n1") == self.before.of("n1"))
            self.assertIn(f"{address} was removed behind our back", self.log("n1"))

    def test_stopped_while_the_daemon_is_dead_nothing_is_left(self) -> None:
        values = ["OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=web", f"OCF_RESKEY_addresses={self.pool.text}"]
        # The agent cannot start another daemon, which would remove them as well.
        stop = f"mount --bind /dev/null /usr/sbin/buoyd; {AGENT_FILE} stop"
        script = f"set -e; kill -9 $(pidof -s buoyd); unshare -m sh -c '{stop}' >&2; ip -o address show dev eth0"
        with self.sweep() as sweep:
            shown = self.cluster.run("n2", ["env", *values, "sh", "-c", script]).stdout
            self.assertIn(" 10.77.0.2/24 ", shown)
            for address in self.pool.addresses:
                self.assertNotIn(f" {address}/", shown)
            self.settled()
            self.wait_covered(sweep)

    def test_the_daemon_runs_at_corosyncs_priority_and_its_children_do_not(self) -> None:
        shown = [self.cluster.run("n1", ["sh", "-c", f"chrt -p $(pidof -s {name})"]).stdout.split("\n")[:2]
                 for name in ("corosync", "buoyd")]  # fmt: skip
        values = [[line.rpartition(": ")[2].replace("|SCHED_RESET_ON_FORK", "") for line in lines] for lines in shown]
        self.assertEqual(["SCHED_RR", "99"], values[0])
        self.assertEqual(values[0], values[1])
        self.assertIn("SCHED_RESET_ON_FORK", shown[1][0])


class Many(PoolTest):
    """More addresses than a node gives up at once: they go in portions."""

    def setUp(self) -> None:
        super().setUp()
        ip("route", "replace", "10.77.4.0/22", "dev", "eth0", netns=self.cluster.switch.netns_of(CLIENT))
        self.many = Pool(self.cluster, "many", "10.77.4.1-10.77.6.88")
        self.addCleanup(self.many.delete)
        self.many.create("cidr_netmask=22")
        self.many.wait_settled()
        self.seen = self.watch(self.many.addresses[::20])
        self.seen.wait("all addresses to be answered")

    def entries(self) -> int:
        status = self.pool.status("n3")
        assert status is not None
        return int(status["entries"])

    def test_drained_a_node_gives_up_all_and_others_have_them(self) -> None:
        before = self.entries()
        self.many.buoy("n2", "drain", "n1")
        self.assertGreater(self.entries(), before + 2, "all at once")
        self.wait_covered(self.seen, "n1")
        standing = self.many.wait_settled(balanced=False)["n2"]
        self.assertEqual({"n2": 300, "n3": 300}, standing.counts())
        wait_until("them to be off the NIC", lambda: not self.many.held_by_kernel("n1"))
        self.many.buoy("n2", "undrain", "n1")
        self.many.wait_settled()
        self.wait_covered(self.seen)

    def test_two_nodes_in_standby_at_once_leave_all_to_the_third(self) -> None:
        self.cluster.pcs("node", "standby", "n1", "n2")
        self.wait_covered(self.seen, "n1", "n2")
        self.many.wait_settled("n3")
        self.assertEqual([], self.many.held_by_kernel("n1") + self.many.held_by_kernel("n2"))
        self.cluster.pcs("node", "unstandby", "n1", "n2")
        self.many.wait_settled()
        self.settled()
        self.wait_covered(self.seen)


class Refused(PoolTest):
    """Members that do not fit together. The agent is called as Pacemaker would, on one node each."""

    def agent(
        self, node: str, action: str, name: str = "other", **parameters: str
    ) -> subprocess.CompletedProcess[str]:
        values = {"OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": name}
        values |= {f"OCF_RESKEY_{name}": value for name, value in parameters.items()}
        words = [f"{name}={value}" for name, value in values.items()]
        return self.cluster.run(node, ["env", *words, AGENT_FILE, action], check=False)

    def start(self, node: str, addresses: str = "10.77.0.90-10.77.0.92", nic: str = "eth0", **more: str) -> str:
        """Start another pool on a node; what it says if it is refused."""
        self.addCleanup(self.agent, node, "stop", addresses=addresses, nic=nic, **more)
        done = self.agent(node, "start", addresses=addresses, nic=nic, **more)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def test_other_addresses_are_refused_with_both_values(self) -> None:
        self.assertEqual("", self.start("n1"))
        said = self.start("n2", addresses="10.77.0.91-10.77.0.93")
        self.assertRegex(said, r"ocf-exit-reason:.*only here 10\.77\.0\.93; only in the cluster 10\.77\.0\.90")

    def test_another_way_to_treat_a_loss_is_refused_with_both_values(self) -> None:
        self.assertEqual("", self.start("n1"))
        said = self.start("n2", on_loss="unsafe")
        self.assertRegex(said, "ocf-exit-reason:.*on_loss is 'unsafe' here, but 'auto' in the cluster")

    def test_another_lease_is_refused_with_both_values(self) -> None:
        said = self.start("n1", lease_ms="400")
        self.assertRegex(said, r"ocf-exit-reason:lease_ms=400, but buoyd runs with lease_ms=500 .* stop all of them")

    def test_an_address_that_another_pool_has_is_refused(self) -> None:
        taken = "ocf-exit-reason:addresses: {} is in pool {} too, .* take it out of one of them"
        self.assertRegex(self.start("n1", addresses="10.77.0.79-10.77.0.90"), taken.format(r"10\.77\.0\.79", "web"))
        self.assertEqual("", self.start("n1"))
        for node in ("n1", "n2"):
            said = self.start(node, addresses="10.77.0.92-10.77.0.95", name="third")
            self.assertRegex(said, taken.format(r"10\.77\.0\.92", "other"))
        self.assertNotIn("third", self.pool.buoy("n2", "pool", "list"))

    def test_of_two_pools_with_one_address_started_at_one_time_one_is_refused_and_never_answers(self) -> None:
        pools = [("n1", "third"), ("n2", "fourth")]
        address = "10.77.0.110"
        sweep = self.watch([address])
        for turn in range(8):
            with self.subTest(turn=turn), ThreadPoolExecutor() as threads:
                said = list(threads.map(lambda at: self.start(at[0], addresses=address, name=at[1]), pools))
                self.assertEqual(1, said.count(""), said)
                (refused,) = [text for text in said if text]
                self.assertRegex(refused, "ocf-exit-reason:addresses: 10.77.0.110 is in pool (third|fourth) too")
                winner = pools[said.index("")][0]
                sweep.wait(f"{winner} to answer", lambda held, node=winner: held[address] == node)
            for node, name in pools:
                self.assertEqual(0, self.agent(node, "stop", name=name).returncode)

    @long
    def test_a_start_that_fails_leaves_nothing_behind(self) -> None:
        self.cluster.set_fencing("fail")
        self.cluster.partition([["n1"], ["n2"], ["n3"]], ("ring",))
        waits = lambda: not (self.pool.status("n1") or {"quorate": True})["quorate"]  # noqa: E731
        wait_until("n1 to have no quorum", waits)
        self.assertIn("ocf-exit-reason:", self.start("n1"))
        self.assertEqual("", self.cluster.run("n1", ["ls", "/run/buoy/pools"]).stdout.replace("web.json\n", ""))
        self.cluster.heal()
        self.settled()
        status = self.pool.status("n1")
        self.assertEqual(["web"], [pool["name"] for pool in status["pools"]] if status else [])

    def test_a_node_without_the_nic_gets_nothing_and_the_others_serve(self) -> None:
        self.assertEqual("", self.start("n1"))
        self.assertEqual("", self.start("n2"))
        self.assertEqual("", self.start("n3", nic="eth9"))
        other = Pool(self.cluster, "other", "10.77.0.90-10.77.0.92")
        standing = other.wait_settled(balanced=False)["n1"]
        self.assertEqual([1, 2], sorted(standing.counts().values()))
        self.assertEqual([], standing.of("n3"))
        crm_mon = ["crm_mon", "-1", "-A"]
        shown = lambda: re.search(r"buoy-other\s*: 0/3 no-carrier", self.cluster.anywhere(crm_mon))  # noqa: E731
        wait_until("crm_mon to say why", shown)
        self.watch(other.addresses).wait("n1 and n2 to answer", lambda held: held == standing.owners)


if __name__ == "__main__":
    unittest.main()
