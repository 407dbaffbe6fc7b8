# SPDX-License-Identifier: GPL-2.0-or-later
"""Bucket pools: one address on all nodes, and every connection taken by exactly one of them."""

from __future__ import annotations

import json
import signal
import subprocess
import unittest
from collections import Counter

from claiming import RIVAL, Claiming, advertisement, gratuitous_reply
from lab.commands import ip, run
from lab.knock import Knock
from lab.pool import Pool, Standing
from lab.probe import now_ms
from lab.shared import long
from lab.switch import CLIENT
from lab.waiting import wait_until
from pooling import StandingPoolTest

AGENT_FILE = "/usr/lib/ocf/resource.d/buoy/pool"
# The gate's, with its deadline (service/gate/gate.h).
STATE = "/sys/fs/bpf/buoy/state_*"
ADDRESSES = "10.77.0.80 2001:db8:77::80"
BUCKETS = 256
RATE = 2000
# So many are opened through whatever happens, from 16 addresses and 40 ports to each of the pool's addresses.
CONNECTIONS = 10_000
PORTS = 40

# Tells who it is, then says everything back.
SERVER = """
import asyncio, socket, sys
async def serve(reader, writer):
    writer.write(sys.argv[1].encode() + b"\\n")
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except OSError:
        pass
    writer.close()
async def main():
    server = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    await (await asyncio.start_server(serve, sock=server, backlog=4096)).serve_forever()
asyncio.run(main())
"""

# More than any buffer on the way: it comes in frames of 64 KiB, which no wire ever sees.
MUCH = 300_000

# Opens connections and prints who took each; for every line of input, how much, the bytes that came back on each.
CLIENT_OF_IT = """
import json, socket, sys
held = []
for number in range(60):
    held.append(socket.create_connection((sys.argv[1 + number % (len(sys.argv) - 1)], 80), 10))
print(json.dumps([one.makefile().readline().strip() for one in held]), flush=True)
for line in sys.stdin:
    back = []
    for one in held:
        much = int(line)
        try:
            one.settimeout(5 if much > 1 else 0.5)
            one.sendall(b"x" * much)
            while much > 0 and (got := one.recv(much)):
                much -= len(got)
        except OSError:
            pass
        back.append(int(line) - much)
    print(json.dumps(back), flush=True)
"""


class Connections:
    """Sixty connections that a client keeps; use as a context manager."""

    def __init__(self, netns: str, services: list[str]) -> None:
        self._child = subprocess.Popen(
            ["ip", "netns", "exec", netns, "python3", "-c", CLIENT_OF_IT, *services],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._child.stdout is not None
        self.nodes: list[str] = json.loads(self._child.stdout.readline())

    def upload(self, size: int) -> list[int]:
        """How many of as many bytes came back on each."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(f"{size}\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *exception: object) -> None:
        for end in (self._child.stdin, self._child.stdout):
            assert end is not None
            end.close()
        self._child.wait()


class BucketTest(StandingPoolTest):
    """256 buckets of one address of each family."""

    keep = frozenset({"lb"})
    name = "lb"
    addresses = ADDRESSES
    options: tuple[str, ...] = ()

    def made(self) -> Standing:
        self.pool = Pool(self.cluster, self.name, self.addresses)
        if self.name not in self.cluster.view().resources:
            self.pool.create(f"buckets={BUCKETS}", *self.options)
        return self.settled()

    def settled(self, *nodes: str) -> Standing:
        return next(iter(self.pool.wait_settled(*nodes).values()))

    def knock(self, **options: int) -> Knock:
        """Begin to connect."""
        options.setdefault("per_second", RATE)
        knock = Knock(self.cluster, self.pool.addresses, **options)
        self.addCleanup(self.assert_exclusive, knock)
        return self.enterContext(knock)

    def begun(self) -> Knock:
        """To a server on every node; wait until all is answered."""
        self.serve()
        self.addCleanup(self.stop_serving)
        knock = self.knock(ports=PORTS)
        self.owners = knock.wait("every connection to be answered")
        self.began_ms = now_ms()
        return knock

    def serve(self) -> None:
        """A server on every node. Who does not go on with a connection is answered once, and not time and again."""
        once = "sysctl -qw net.ipv4.tcp_synack_retries=0"
        for node in self.cluster.node_names():
            start = ["sh", "-c", f'{once}; setsid python3 -c "$0" "$1" >/dev/null 2>&1 </dev/null &', SERVER, node]
            self.cluster.node(node).run(start)
        for node in self.cluster.node_names():
            listens = ["sh", "-c", "ss -Hltn sport = 80"]
            wait_until(f"{node} to serve", lambda: self.cluster.run(node, listens).stdout.strip())

    def stop_serving(self) -> None:
        for node in (one.name for one in self.cluster.nodes() if one.init()):
            end = ["sh", "-c", "kill $(ss -Hltnp sport = 80 | grep -o 'pid=[0-9]*' | cut -d= -f2)"]
            self.cluster.run(node, end, check=False)

    def signal_daemon(self, node: str, number: signal.Signals) -> None:
        self.cluster.run(node, ["kill", f"-{number.value}", str(self.pool.daemon(node))])

    def assert_exclusive(self, knock: Knock) -> None:
        """No connection was answered twice."""
        twice = knock.answered_twice()
        shown = "\n".join(str(syn) for syn in twice[:5])
        self.assertEqual(0, len(twice), f"SYNs that were answered twice:\n{shown}")

    def assert_ten_thousand(self, knock: Knock, without_server: str = "") -> None:
        """So many connections at least were opened meanwhile, and all answers were SYN-ACKs."""
        wait_until(f"{CONNECTIONS} connections", lambda: len(knock.syns()) >= CONNECTIONS, 30)
        reset = {host for syn in knock.syns() for _, host, was_reset in syn.answers if was_reset}
        self.assertEqual(set(), reset - {without_server}, "answered otherwise")

    def assert_taken_over(self, knock: Knock, lost: str) -> None:
        """A node's connections go over to the others, evenly, and theirs are not disturbed."""
        held = knock.wait(f"all to be answered without {lost}", lambda owners: lost not in owners.values())
        others = {key for key, owner in self.owners.items() if owner != lost}
        moved = [key for key in others if held[key] != self.owners[key]]
        self.assertEqual([], moved, "others' connections moved")
        missed = [syn.sent_ms - self.began_ms for syn in knock.unanswered(others, self.began_ms)]
        self.assertEqual([], missed[:20], f"{len(missed)} SYNs of the others' connections were not answered, at ms")

    def assert_shared_out(self) -> None:
        """Ten thousand connections, one answer each, in even shares; and what is said on them arrives."""
        self.serve()
        self.addCleanup(self.stop_serving)
        knock = self.knock(per_second=4000, clients=32, ports=1000, count=10_000)
        syns = knock.wait_sent()
        self.assertEqual(10_000, len(syns))
        self.assertEqual({1: 10_000}, dict(Counter(len(syn.answers) for syn in syns)), "answers to a SYN")
        self.assertEqual({False}, {reset for syn in syns for _, _, reset in syn.answers}, "SYN-ACKs")
        for first, service in enumerate(self.pool.addresses):
            of_it = [syn for number, syn in enumerate(syns) if number % 64 // 32 == first]
            shares = Counter(host for syn in of_it for host in syn.hosts())
            for node in self.cluster.node_names():
                self.assertAlmostEqual(1, shares[node] * 3 / len(of_it), delta=0.15, msg=f"{service} {shares}")
        with Connections(self.cluster.switch.netns_of(CLIENT), self.pool.addresses) as kept:
            self.assertEqual([MUCH] * 60, kept.upload(MUCH))

    def assert_power_off_survived(self) -> None:
        """Of the connections that a client keeps only those with the lost node end."""
        netns = self.cluster.switch.netns_of(CLIENT)
        with self.begun() as knock, Connections(netns, self.pool.addresses) as kept:
            self.assertEqual([1] * 60, kept.upload(1))
            self.assertEqual(3, len(set(kept.nodes)))
            self.cluster.power_off("n2")
            self.assert_taken_over(knock, "n2")
            self.assertEqual([int(node != "n2") for node in kept.nodes], kept.upload(1))
            # Fenced, it boots without a server.
            self.assert_ten_thousand(knock, "n2")

    def assert_silent_half_dead(self) -> None:
        """All processes of a node are killed, its links stay up."""
        with self.begun() as knock:
            self.cluster.kill("n2")
            self.assert_taken_over(knock, "n2")
            # Its server was killed like everything else, before the lease was over.
            self.assert_ten_thousand(knock, "n2")

    def assert_back(self, knock: Knock) -> None:
        """All three again."""
        self.settled()
        knock.wait("all three to answer", lambda owners: len(set(owners.values())) == 3)
        self.assert_ten_thousand(knock)


class Shared(Claiming, BucketTest):
    def test_ten_thousand_connections_one_answer_each_in_even_shares(self) -> None:
        self.assert_shared_out()

    def test_addresses_are_on_every_node_and_silent_but_for_the_gate(self) -> None:
        for node in self.cluster.node_names():
            self.assertEqual(self.pool.addresses, self.pool.held_by_kernel(node))

    def test_a_bucket_is_moved_by_its_number(self) -> None:
        bucket = self.before.of("n1")[0]
        # And back, or the next test waits in vain for shares that are even.
        for node in ("n2", "n1"):
            self.pool.buoy("n3", "move", f"lb/{bucket}", node)
            wait_until(f"{node} to own it", lambda: self.pool.standing(node).owners[bucket] == node)

    def test_an_address_removed_by_hand_is_put_back(self) -> None:
        for address in self.pool.addresses:
            length = 64 if ":" in address else 24
            self.cluster.run("n2", ["ip", "address", "delete", f"{address}/{length}", "dev", "eth0"])
        wait_until("them to be back", lambda: self.pool.held_by_kernel("n2") == self.pool.addresses)

    def test_who_claims_a_shared_address_is_counted_and_answered_by_the_first_bucket_s_node(self) -> None:
        node = self.before.owners["0"]
        for address, frame in zip(self.pool.addresses, (gratuitous_reply, advertisement)):
            with self.subTest(address=address):
                self.assertTrue(self.client.answers(address, 20))
                shared = self.client.neighbour(address)
                self.claim(frame(RIVAL, address))
                self.wait_claimed(node, address, 1)
                wait_until("the client to be told", lambda: self.client.neighbour(address) == shared)
                for other in set(self.cluster.node_names()) - {node}:
                    self.assertNotIn(address, self.conflicts(other), "answered by two")

    def test_stopped_while_the_daemon_is_dead_it_is_silent_at_once(self) -> None:
        values = ["OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=lb", f"OCF_RESKEY_addresses={ADDRESSES}"]
        # The agent cannot start another daemon, which would shut the gate as well.
        stop = f"mount --bind /dev/null /usr/sbin/buoyd; {AGENT_FILE} stop"
        look = f"bpftool -j map dump pinned {STATE}; ip -o address show dev eth0"
        script = f"set -e; kill -9 $(pidof -s buoyd); unshare -m sh -c '{stop}' >&2; {look}"
        node = self.cluster.node("n2")
        shown = node.run(["env", *values, f"OCF_RESKEY_buckets={BUCKETS}", "sh", "-c", script]).stdout
        state, _, addresses = shown.partition("\n")
        self.assertIn('"deadline":0}', state.replace(" ", ""))
        self.assertIn(" 10.77.0.2/24 ", addresses)
        for address in self.pool.addresses:
            self.assertNotIn(f" {address}/", addresses)
        self.settled()

    def test_another_number_of_buckets_is_refused_with_both_values(self) -> None:
        values = ["OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=other", "OCF_RESKEY_addresses=10.77.0.90"]
        agent = [AGENT_FILE, "start"]
        self.addCleanup(self.cluster.run, "n1", ["env", *values, AGENT_FILE, "stop"])
        self.cluster.run("n1", ["env", *values, "OCF_RESKEY_buckets=16", *agent])
        refused = self.cluster.run("n2", ["env", *values, "OCF_RESKEY_buckets=8", *agent], check=False)
        said = "ocf-exit-reason:.*buckets is '8' here, but '16' in the cluster"
        self.assertRegex(refused.stdout + refused.stderr, said)


class Planned(BucketTest):
    def test_standby_and_return_move_only_what_balance_needs(self) -> None:
        with self.begun() as knock:
            self.cluster.pcs("node", "standby", "n2")
            self.assert_taken_over(knock, "n2")
            held = self.settled("n1", "n3")
            wait_until("its addresses to go", lambda: self.pool.held_by_kernel("n2") == [])
            self.cluster.pcs("node", "unstandby", "n2")
            after = self.settled()
            moved = [slot for slot, owner in held.owners.items() if owner != after.owners[slot]]
            self.assertIn(len(moved), (85, 86), "more moved than balance needs")
            self.assert_back(knock)

    def test_standby_of_a_node_whose_daemon_is_dead_leaves_nothing(self) -> None:
        with self.begun() as knock:
            # Pacemaker would start another daemon before it stops anything.
            self.cluster.pcs("resource", "unmanage", "lb")
            self.addCleanup(self.cluster.pcs, "resource", "manage", "lb")
            self.signal_daemon("n2", signal.SIGKILL)
            self.cluster.pcs("node", "standby", "n2")
            self.cluster.pcs("resource", "manage", "lb")
            self.assert_taken_over(knock, "n2")
            gate = ["sh", "-c", "tc filter show dev eth0 ingress; tc filter show dev eth0 egress"]
            wait_until("the gate to go", lambda: self.cluster.run("n2", gate).stdout == "")
            self.assertEqual([], self.pool.held_by_kernel("n2"))
            self.cluster.pcs("node", "unstandby", "n2")
            self.assert_back(knock)
            self.assertIn("gate_egress", self.cluster.run("n2", gate).stdout)

    def test_rolling_restart_of_all_daemons(self) -> None:
        with self.begun() as knock:
            for node in self.cluster.node_names():
                old = self.pool.daemon(node)
                self.signal_daemon(node, signal.SIGTERM)
                wait_until(f"another buoyd on {node}", lambda: self.pool.daemon(node) not in (0, old), 30)
                self.settled()
            self.assert_back(knock)


class Lost(BucketTest):
    """One loss right after another: what the others knew of the first must not be felt at the second."""

    def test_power_off_leaves_the_others_connections_alone(self) -> None:
        self.assert_power_off_survived()

    def test_daemon_killed(self) -> None:
        with self.begun() as knock:
            # Pacemaker would start another before one has looked.
            self.cluster.pcs("resource", "unmanage", "lb")
            self.addCleanup(self.cluster.pcs, "resource", "manage", "lb")
            self.signal_daemon("n3", signal.SIGKILL)
            self.assert_taken_over(knock, "n3")
            self.cluster.pcs("resource", "manage", "lb")
            self.assert_back(knock)

    def test_a_stopped_daemon_is_silent_and_comes_back(self) -> None:
        with self.begun() as knock:
            self.signal_daemon("n1", signal.SIGSTOP)
            self.assert_taken_over(knock, "n1")
            self.signal_daemon("n1", signal.SIGCONT)
            self.assert_back(knock)

    def test_all_processes_killed_and_the_kernel_is_silent(self) -> None:
        self.assert_silent_half_dead()

    def test_cut_off_node_is_silent_and_comes_back(self) -> None:
        self.cluster.set_fencing("fail")
        with self.begun() as knock:
            self.cluster.partition([["n1"]], ("ring",))
            self.assert_taken_over(knock, "n1")
            self.cluster.heal()
            self.assert_back(knock)

    def test_without_quorum_nobody_answers(self) -> None:
        self.cluster.set_fencing("fail")
        with self.begun() as knock:
            self.cluster.partition([["n1"], ["n2"], ["n3"]], ("ring",))
            wait_until("silence", lambda: not any(s.answers for s in knock.syns()[-RATE // 4 : -RATE // 10]))
            self.cluster.heal()
            self.assert_back(knock)


class Flooded(BucketTest):
    """The MAC is one that nobody sends from."""

    keep = frozenset({"lb", "flood"})
    name = "flood"
    addresses = "10.77.0.82 2001:db8:77::82"
    options = ("l2=flood",)

    def test_every_connection_is_answered_once(self) -> None:
        knock = self.knock(per_second=4000, clients=8, ports=100, count=1600)
        syns = knock.wait_sent()
        self.assertEqual({1: 1600}, dict(Counter(len(syn.answers) for syn in syns)), "answers to a SYN")
        mac = self.client.neighbour(self.pool.addresses[0])
        self.assertEqual([], self.cluster.switch.forwarding(mac), "somebody sent from the pool's MAC")

    def test_two_pools_on_one_nic(self) -> None:
        other = Pool(self.cluster, "lb2", "10.77.0.81")
        other.create("buckets=16", "hash=source")
        other.wait_settled()
        for addresses in (self.pool.addresses, other.addresses):
            with Knock(self.cluster, addresses, per_second=4000, clients=16, ports=50, count=800) as knock:
                self.assertEqual({1}, {len(syn.answers) for syn in knock.wait_sent()}, addresses)


class Snooped(BucketTest):
    """A switch that snoops: it asks every second who is in which group, and forgets in 2.5 s who does not say."""

    # Before it begins, or it would trust its own asking only after the usual times.
    TIMES = (
        "mcast_stats_enabled 1 mcast_query_interval 100 mcast_query_response_interval 50 "
        "mcast_membership_interval 250 mcast_startup_query_interval 50"
    )
    FORGOTTEN_AFTER = 6  # queries

    def setUp(self) -> None:
        super().setUp()
        self.switch = self.cluster.switch.netns
        self.addCleanup(ip, *"link set lan type bridge mcast_snooping 0".split(), netns=self.switch)
        for options in (self.TIMES, "mcast_snooping 1 mcast_querier 1"):
            ip(*f"link set lan type bridge {options}".split(), netns=self.switch)
        # It asks IPv6 hosts from an address of its own (RFC 3810 section 5.1.14).
        self.addCleanup(ip, *"address delete fe80::5/64 dev lan".split(), netns=self.switch)
        ip(*"address add fe80::5/64 dev lan nodad".split(), netns=self.switch)
        # Neighbour discovery goes by groups, too: every host has to have said which are its own. What the client
        # gets for its knocking comes later, so it is told of all.
        self.have_ports("mcast_router", "2", "1", "client")
        self.wait_asked()

    def members(self) -> set[frozenset[str]]:
        """Which ports have members, of each group that pools have."""
        (table,) = json.loads(run(["bridge", "-n", self.switch, "-json", "mdb", "show", "dev", "lan"]))
        ports: dict[str, set[str]] = {}
        for entry in table["mdb"]:
            if entry["grp"].startswith(("239.", "ff15:")):
                ports.setdefault(entry["grp"], set()).add(entry["port"])
        return {frozenset(of_one) for of_one in ports.values()} if len(ports) == 2 else set()

    def queries(self) -> int:
        """How often the switch has asked IPv4 hosts."""
        shown = ip(*"-json link xstats type bridge dev lan igmp".split(), netns=self.switch)
        return json.loads(shown)[0]["multicast"]["igmp_queries"]["rx_v2"]

    def wait_asked(self) -> None:
        """So often that whoever has not answered is forgotten, and the switch goes by what it has heard."""
        asked = self.queries()
        wait_until("the time of a membership", lambda: self.queries() > asked + self.FORGOTTEN_AFTER)

    def sent_to(self, host: str) -> int:
        """Frames that left the switch by a host's port."""
        (port,) = json.loads(ip("-json", "-s", "link", "show", f"{host}-lan", netns=self.switch))
        return port["stats64"]["tx"]["packets"]

    def have_ports(self, option: str, value: str, default: str, *hosts: str) -> None:
        """`bridge link set` for hosts' ports, undone in the end."""
        for host in hosts:
            change = ["bridge", "-n", self.switch, "link", "set", "dev", f"{host}-lan", option]
            self.addCleanup(run, [*change, default])
            run([*change, value])

    def assert_answered(self, times: int = 1) -> None:
        with Knock(self.cluster, self.pool.addresses, per_second=4000, clients=8, ports=100, count=1600) as knock:
            syns = knock.wait_sent()
        self.assertEqual({times: 1600}, dict(Counter(len(syn.answers) for syn in syns)), "answers to a SYN")

    def test_members_are_known_and_stay_known(self) -> None:
        all_three = {frozenset({"n1-lan", "n2-lan", "n3-lan"})}
        wait_until("the ports of all members", lambda: self.members() == all_three)
        self.wait_asked()
        self.assertEqual(all_three, self.members())

    def test_members_alone_are_reached_where_their_ports_are_routers(self) -> None:
        """As docs/switches.md has it."""
        self.cluster.pcs("node", "standby", "n3")
        self.settled("n1", "n2")
        wait_until("the ports of the members", lambda: self.members() == {frozenset({"n1-lan", "n2-lan"})})
        # The IP destination is no group that anybody joined.
        self.assert_answered(0)
        self.have_ports("mcast_router", "2", "1", "n1", "n2")
        before = self.sent_to("n3")
        self.assert_answered()
        self.assertLess(self.sent_to("n3") - before, 400)


@long
class SnoopedFlood(Snooped):
    """The MAC of a flood pool is no group's."""

    keep = frozenset({"flood"})
    name = "flood"
    addresses = "10.77.0.82 2001:db8:77::82"
    options = ("l2=flood",)

    def test_members_are_known_and_stay_known(self) -> None:
        self.assert_answered()
        self.assertEqual(set(), self.members(), "it has no group")

    def test_members_alone_are_reached_where_their_ports_are_routers(self) -> None:
        """For this mode it is the port of who is no member that is told."""
        self.cluster.pcs("node", "standby", "n3")
        self.settled("n1", "n2")
        before = self.sent_to("n3")
        self.assert_answered()
        self.assertGreater(self.sent_to("n3") - before, 1600)
        self.have_ports("flood", "off", "on", "n3")
        before = self.sent_to("n3")
        self.assert_answered()
        self.assertLess(self.sent_to("n3") - before, 400)


class AtTheDriver(BucketTest):
    """The gate as XDP, which sees frames before the kernel knows whose they are."""

    keep = frozenset({"lb", "fast"})
    name = "fast"
    addresses = "10.77.0.84 2001:db8:77::84"
    options = ("attach=xdp",)

    def setUp(self) -> None:
        super().setUp()
        for node in self.cluster.node_names():
            self.assertIn("buoy_gate_xdp", self.cluster.run(node, ["ip", "link", "show", "eth0"]).stdout)

    def test_ten_thousand_connections_one_answer_each_in_even_shares(self) -> None:
        self.assert_shared_out()

    def test_power_off_leaves_the_others_connections_alone(self) -> None:
        self.assert_power_off_survived()

    def test_all_processes_killed_and_the_kernel_is_silent(self) -> None:
        self.assert_silent_half_dead()


if __name__ == "__main__":
    unittest.main()
