# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent tells the cluster manager, case by case (OCF Resource Agent API 1.1)."""

from __future__ import annotations

import os
import resource
import unittest

from rig import AGENT, IP4, IP6, PROBE, SANITIZED, AgentTest, Host

SUCCESS, GENERIC, ARGS, UNIMPLEMENTED, PERM, INSTALLED, CONFIGURED, NOT_RUNNING = range(8)
RECURRING = {"interval": 10000}


class Calling(AgentTest):
    def test_no_action_is_called_wrongly(self) -> None:
        answer = self.node.agent("", ip=IP4)
        self.assertEqual(ARGS, answer.code)
        self.assertIn("usage:", answer.stderr)

    def test_two_actions_are_called_wrongly(self) -> None:
        self.assertEqual(ARGS, self.node.agent("", wrapper=("/bin/sh", "-c", f"exec {AGENT} start stop")).code)

    def test_an_unknown_action_is_unimplemented(self) -> None:
        for action in ("promote", "migrate_to", "START", " start", "meta_data"):
            with self.subTest(action=action), self.nothing_changes():
                self.assertEqual(UNIMPLEMENTED, self.node.agent(action, ip=IP4).code)

    def test_meta_data_needs_neither_parameters_nor_root(self) -> None:
        answer = self.node.agent("meta-data", preexec=become_nobody)
        self.assertEqual((SUCCESS, ""), (answer.code, answer.stderr))
        self.assertIn('<resource-agent name="address"', answer.stdout)

    def test_meta_data_that_cannot_be_written_is_a_failure(self) -> None:
        answer = self.node.agent("meta-data", wrapper=("/bin/sh", "-c", 'exec "$0" "$@" >/dev/full'))
        self.assertEqual(GENERIC, answer.code)

    def test_usage_is_no_failure(self) -> None:
        for word in ("usage", "help", "--help"):
            self.assertIn("usage:", self.ok(self.node.agent(word)).stdout)


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)


class Rights(AgentTest):
    def test_who_is_not_root_may_not_change_anything(self) -> None:
        for action in ("start", "stop", "reload-agent"):
            with self.subTest(action=action), self.nothing_changes():
                answer = self.node.agent(action, ip=IP4, preexec=become_nobody)
                self.refused(PERM, answer, "root")

    def test_who_is_not_root_may_look(self) -> None:
        self.assertEqual(NOT_RUNNING, self.node.agent("monitor", ip=IP4, preexec=become_nobody).code)
        self.ok(self.node.agent("validate-all", ip=IP4, preexec=become_nobody))
        self.start(ip=IP4)
        self.ok(self.node.agent("monitor", ip=IP4, preexec=become_nobody))

    def test_who_is_not_root_may_not_look_into_a_namespace(self) -> None:
        host = Host("apart")
        self.addCleanup(host.remove)
        answer = self.node.agent("monitor", ip=IP4, network_namespace=host.netns, preexec=become_nobody)
        self.refused(PERM, answer, host.netns)

    def test_root_without_the_capability_to_configure_networks(self) -> None:
        wrapper = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
        with self.nothing_changes():
            for mac in ({}, {"mac": "auto"}):
                answer = self.node.agent("start", ip=IP4, wrapper=wrapper, **mac)
                self.refused(PERM, answer, "Operation not permitted")

    def test_root_without_the_capability_to_send_frames_cannot_announce(self) -> None:
        wrapper = ("setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw")
        for more in ({}, {"mac": "auto"}, {"conflict_check": "fast"}):
            with self.subTest(more=more), self.nothing_changes():
                self.refused(PERM, self.node.agent("start", ip=IP4, wrapper=wrapper, **more), "packet socket")


class MissingInterface(AgentTest):
    def test_a_probe_finds_nothing(self) -> None:
        answer = self.node.agent("monitor", ip=IP4, nic="eth7", meta=PROBE)
        self.assertEqual((NOT_RUNNING, []), (answer.code, answer.reasons))

    def test_a_monitor_finds_nothing(self) -> None:
        self.assertEqual(NOT_RUNNING, self.node.agent("monitor", ip=IP4, nic="eth7", meta=RECURRING).code)

    def test_stop_has_nothing_to_do(self) -> None:
        with self.nothing_changes():
            for more in ({}, {"mac": "auto"}, {"lvs_support": "true"}):
                self.stop(ip=IP4, nic="eth7", **more)

    def test_start_lacks_something_on_this_node(self) -> None:
        with self.nothing_changes():
            answer = self.node.agent("start", ip=IP4, nic="eth7", cidr_netmask=24)
            self.refused(INSTALLED, answer, "nic=eth7", "no such interface")

    def test_validate_lacks_something_on_this_node(self) -> None:
        self.refused(INSTALLED, self.node.agent("validate-all", ip=IP4, nic="eth7"), "nic=eth7")

    def test_no_interface_has_the_network(self) -> None:
        with self.nothing_changes():
            self.refused(GENERIC, self.node.agent("start", ip="192.0.2.1"), "ip=192.0.2.1", "nic")
        self.assertEqual(NOT_RUNNING, self.node.agent("monitor", ip="192.0.2.1", meta=PROBE).code)
        self.stop(ip="192.0.2.1")

    def test_an_interface_without_the_network_needs_a_prefix_length(self) -> None:
        with self.nothing_changes():
            self.refused(GENERIC, self.node.agent("start", ip="192.0.2.1", nic="eth0"), "cidr_netmask")
        self.start(ip="192.0.2.1", nic="eth0", cidr_netmask=28)
        self.assertEqual([("eth0", "192.0.2.1", 28)], self.node.addresses("192.0.2.1"))

    def test_an_interface_that_went_with_its_address_is_stopped_cleanly(self) -> None:
        for more in ({}, {"mac": "auto"}):
            self.segment.plug_in(self.node, 2, "eth1", "node2")
            self.start(ip=IP4, nic="eth1", **more)
            self.node.ip("link delete eth1")
            self.assertEqual(NOT_RUNNING, self.node.agent("monitor", ip=IP4, nic="eth1", **more).code)
            self.stop(ip=IP4, nic="eth1", **more)
            self.assertNotIn("5000", self.node.run("ip", "rule"))


class DeadLink(AgentTest):
    def test_start_on_a_link_that_is_down(self) -> None:
        self.node.ip("link set eth0 down")
        for more in ({}, {"mac": "auto"}):
            with self.nothing_changes():
                answer = self.node.agent("start", ip=IP4, nic="eth0", cidr_netmask=24, **more)
                self.refused(INSTALLED, answer, "eth0 is down", "check_link_status=false")

    def test_start_on_a_link_without_carrier(self) -> None:
        self.segment.carrier("node", False)
        for more in ({}, {"mac": "auto"}):
            with self.nothing_changes():
                self.refused(INSTALLED, self.node.agent("start", ip=IP4, nic="eth0", **more), "no carrier")

    def test_monitor_notices_that_the_link_lost_its_carrier(self) -> None:
        for more in ({}, {"mac": "auto"}):
            self.start(ip=IP4, **more)
            self.segment.carrier("node", False)
            answer = self.node.agent("monitor", ip=IP4, meta=RECURRING, **more)
            self.refused(NOT_RUNNING, answer, "carrier")
            self.segment.carrier("node", True)
            self.ok(self.node.agent("monitor", ip=IP4, meta=RECURRING, **more))
            self.stop(ip=IP4, **more)

    def test_monitor_notices_that_the_link_is_down(self) -> None:
        self.start(ip=IP4)
        self.node.ip("link set eth0 down")
        self.refused(NOT_RUNNING, self.node.agent("monitor", ip=IP4, meta=RECURRING), "eth0 is down")

    def test_a_probe_of_an_address_on_a_dead_link_asks_for_a_stop(self) -> None:
        self.start(ip=IP4)
        self.segment.carrier("node", False)
        self.refused(GENERIC, self.node.agent("monitor", ip=IP4, meta=PROBE), "carrier")

    def test_a_probe_of_an_address_that_is_not_there_does_not_mind_the_link(self) -> None:
        self.segment.carrier("node", False)
        self.assertEqual(NOT_RUNNING, self.node.agent("monitor", ip=IP4, nic="eth0", meta=PROBE).code)

    def test_a_link_named_by_altname_is_checked_too(self) -> None:
        self.node.ip("link property add dev eth0 altname enx020000000001")
        self.start(ip=IP4, nic="enx020000000001")
        self.segment.carrier("node", False)
        answer = self.node.agent("monitor", ip=IP4, nic="enx020000000001", meta=RECURRING)
        self.refused(NOT_RUNNING, answer, "carrier")

    def test_stop_works_on_a_dead_link(self) -> None:
        for more in ({}, {"mac": "auto"}):
            before = self.node.state()
            self.start(ip=IP4, **more)
            self.segment.carrier("node", False)
            self.stop(ip=IP4, **more)
            self.segment.carrier("node", True)
            self.assertEqual(before, self.node.state())


class UncheckedLink(AgentTest):
    def test_start_brings_the_link_up(self) -> None:
        self.node.ip("link set eth0 down")
        self.start(ip=IP4, nic="eth0", cidr_netmask=24, check_link_status="false")
        self.assertIn("UP", self.node.json("link show eth0")[0]["flags"])
        self.assertTrue(self.client.reaches(IP4))

    def test_the_carrier_does_not_matter(self) -> None:
        self.segment.carrier("node", False)
        for more in ({"ip": IP4}, {"ip": IP4, "mac": "auto"}, {"ip": IP6}, {"ip": IP4, "arp_bg": "false", "arp_interval": 10}):
            with self.subTest(more=more):
                more = {"nic": "eth0", "check_link_status": "false", "arp_count_refresh": 2, **more}
                self.start(**more)
                self.ok(self.node.agent("monitor", **more))
                self.ok(self.node.agent("monitor", meta=PROBE, **more))
                self.stop(**more)


class Parameters(AgentTest):
    def test_a_bad_parameter_is_wrong_everywhere(self) -> None:
        with self.nothing_changes():
            for action in ("start", "validate-all", "reload-agent"):
                self.refused(CONFIGURED, self.node.agent(action, ip="10.9.0.500"), "ip='10.9.0.500'")
            self.refused(CONFIGURED, self.node.agent("monitor", ip="10.9.0.500", meta=PROBE), "ip='10.9.0.500'")

    def test_a_recurring_monitor_never_stops_the_resource_everywhere(self) -> None:
        for bad in ({"ip": "x"}, {"ip": IP4, "mac": "x"}, {"ip": IP4, "cidr_netmask": 99}, {}):
            self.refused(GENERIC, self.node.agent("monitor", meta=RECURRING, **bad))
            self.refused(GENERIC, self.node.agent("status", meta=RECURRING, **bad))

    def test_stop_does_without_parameters_that_cannot_be_read(self) -> None:
        with self.nothing_changes():
            self.stop(ip="nonsense")
            self.stop()
            for bad in ({"cidr_netmask": "x"}, {"mac": "x"}, {"arp_count": "x"}, {"broadcast": "x"}, {"announce": "x"}):
                self.start(ip=IP4)
                self.stop(ip=IP4, **bad)
                self.assertEqual([], self.node.addresses(IP4))


class Idempotence(AgentTest):
    ways = ({"ip": IP4}, {"ip": IP6}, {"ip": IP4, "mac": "auto"}, {"ip": IP6, "mac": "auto", "nodad": "true"})

    def test_a_whole_life(self) -> None:
        for way in self.ways:
            with self.subTest(way=way), self.nothing_changes():
                self.assertEqual(NOT_RUNNING, self.node.agent("monitor", meta=PROBE, **way).code)
                self.start(**way)
                self.ok(self.node.agent("monitor", meta=PROBE, **way))
                self.ok(self.node.agent("monitor", meta=RECURRING, **way))
                self.ok(self.node.agent("status", meta=RECURRING, **way))
                self.ok(self.node.agent("monitor", meta=RECURRING, level=10, **way))
                self.ok(self.node.agent("validate-all", **way))
                self.ok(self.node.agent("reload-agent", **way))
                self.stop(**way)
                self.assertEqual(NOT_RUNNING, self.node.agent("monitor", meta=PROBE, **way).code)

    def test_starting_twice_is_starting_once(self) -> None:
        for way in self.ways:
            with self.subTest(way=way):
                self.start(**way)
                once = self.node.state()
                self.start(**way)
                twice = self.node.state()
                del once["processes"], twice["processes"]
                self.assertEqual(once, twice)
                self.stop(**way)

    def test_stopping_twice_is_stopping_once(self) -> None:
        for way in self.ways:
            with self.subTest(way=way):
                before = self.node.state()
                self.start(**way)
                self.stop(**way)
                self.assertEqual(before, self.node.state())
                self.stop(**way)
                self.assertEqual(before, self.node.state())

    def test_reload_of_what_is_not_there_is_a_failure(self) -> None:
        self.refused(NOT_RUNNING, self.node.agent("reload-agent", ip=IP4), IP4)


class Namespace(AgentTest):
    def test_a_missing_one_holds_nothing(self) -> None:
        for name in ("buoy-there-is-none", "/run/netns/buoy-there-is-none", "/etc/passwd/x", "n" * 300):
            with self.subTest(name=name), self.nothing_changes():
                self.stop(ip=IP4, network_namespace=name)
                self.assertEqual(NOT_RUNNING, self.node.agent("monitor", ip=IP4, network_namespace=name, meta=PROBE).code)
                answer = self.node.agent("start", ip=IP4, network_namespace=name)
                self.refused(INSTALLED, answer, "network_namespace", name[:100])

    def test_what_is_no_namespace_holds_nothing(self) -> None:
        for name in ("/etc/passwd", "/", ".", "/proc/self/ns/uts", "/dev/null"):
            with self.subTest(name=name), self.nothing_changes():
                self.stop(ip=IP4, network_namespace=name)
                self.refused(INSTALLED, self.node.agent("start", ip=IP4, network_namespace=name), "network_namespace")

    def test_a_pipe_in_its_place_does_not_hang_the_agent(self) -> None:
        os.mkfifo("/run/netns/fifo")
        self.addCleanup(os.unlink, "/run/netns/fifo")
        self.refused(INSTALLED, self.node.agent("start", ip=IP4, network_namespace="fifo"), "network_namespace")

    @unittest.skipIf(SANITIZED, "the sanitizers' run-time needs descriptors of its own")
    def test_one_that_cannot_be_entered_now_is_not_reported_as_stopped(self) -> None:
        self.start(ip=IP4)
        outside = self.client
        for where in ({}, {"network_namespace": self.node.netns}):
            with self.subTest(where=where):
                host = outside if where else self.node
                answer = host.agent("stop", ip=IP4, **where, preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)))
                self.refused(GENERIC, answer, "Too many open files")
                self.assertEqual(1, len(self.node.addresses(IP4)))

    def test_address_in_a_namespace_by_name_and_by_path(self) -> None:
        for where in (self.node.netns, f"/run/netns/{self.node.netns}"):
            for way in Idempotence.ways:
                with self.subTest(where=where, way=way), self.nothing_changes(), self.nothing_changes(self.client):
                    self.ok(self.client.agent("start", network_namespace=where, **way))
                    self.assertEqual(1, len(self.node.addresses(way["ip"])))
                    self.ok(self.client.agent("monitor", network_namespace=where, level=10, **way))
                    self.ok(self.client.agent("stop", network_namespace=where, **way))
                    self.assertEqual([], self.node.addresses(way["ip"]))


if __name__ == "__main__":
    unittest.main()
