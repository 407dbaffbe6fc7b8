# SPDX-License-Identifier: GPL-2.0-or-later
"""A floating address through everything an administrator does and a data centre suffers."""

from __future__ import annotations

import unittest

from floating import AGENT, IP4, FloatingTest, mac_of

from lab.probe import Probe, now_ms
from lab.waiting import wait_until


class Creation(FloatingTest):
    def test_create_with_pcs(self) -> None:
        with self.client.capture() as capture:
            node = self.create("vip", f"ip={IP4}")
            self.assert_held_only_by(node, IP4)
            self.assert_announced_both_ways(capture, IP4, node, mac_of(node))
        self.assertEqual(mac_of(node), self.client.neighbour(IP4))

    def test_create_with_crmsh(self) -> None:
        primitive = ["primitive", "vip", AGENT, "params", f"ip={IP4}", "cidr_netmask=24"]
        operations = ["op", "monitor", "interval=10s", "timeout=20s"]
        self.cluster.anywhere(["crm", "configure", *primitive, *operations])
        node = self.cluster.wait_running("vip")
        self.assert_held_only_by(node, IP4)
        self.cluster.anywhere(["crm", "resource", "stop", "vip"])
        self.cluster.wait_view("vip to stop", lambda view: "vip" not in view.running)
        self.assertEqual([], self.holders(IP4))
        self.assertFalse(self.client.answers(IP4))

    def test_delete_leaves_no_address(self) -> None:
        self.create("vip", f"ip={IP4}")
        self.cluster.pcs("resource", "delete", "vip")
        self.cluster.settle()
        self.assertEqual([], self.holders(IP4))


class Handover(FloatingTest):
    """The client pings all the while; its neighbour cache has to follow."""

    def start(self) -> tuple[str, Probe]:
        node = self.create("vip", f"ip={IP4}")
        probe = self.client.probe(IP4)
        self.addCleanup(probe.stop)
        probe.wait_answer(node)
        return node, probe

    def assert_moved(self, probe: Probe, to: str) -> None:
        probe.wait_answer(to)
        report = probe.stop()
        self.assert_one_at_a_time(report)
        self.assertEqual([to], self.holders(IP4))
        self.assertEqual(mac_of(to), self.client.neighbour(IP4))
        self.assertEqual(to, report.turns()[-1].host)

    def test_move(self) -> None:
        node, probe = self.start()
        target = self.others(node)[0]
        with self.client.capture() as capture:
            self.cluster.pcs("resource", "move", "vip", target)
            self.assertEqual(target, self.cluster.wait_running("vip", on=target))
            self.assert_announced_both_ways(capture, IP4, target, mac_of(target))
        self.assert_moved(probe, target)

    def test_move_there_and_back(self) -> None:
        node, probe = self.start()
        target = self.others(node)[0]
        for place in (target, node):
            self.cluster.anywhere(["crm_resource", "--move", "--resource", "vip", "--node", place])
            self.cluster.wait_running("vip", on=place)
            probe.wait_answer(place)
        self.assertEqual([node, target, node], [turn.host for turn in probe.report().turns()])
        self.assert_moved(probe, node)

    def test_standby_and_return(self) -> None:
        node, probe = self.start()
        self.cluster.pcs("node", "standby", node)
        self.cluster.wait_view("vip to move", lambda view: view.running.get("vip", (node,)) != (node,))
        target = self.cluster.wait_running("vip")
        probe.wait_answer(target)
        returned_ms = now_ms()
        self.cluster.pcs("node", "unstandby", node)
        self.cluster.wait_view(f"{node} to return", lambda view: not view.standby)
        self.cluster.settle()
        self.assert_moved(probe, target)
        self.assertEqual([], probe.report().since(returned_ms).gaps(), "the return was noticed")


class Loss(FloatingTest):
    """Nodes that go without a word. Nobody may answer before their silence is certain."""

    def start(self) -> tuple[str, Probe]:
        node = self.create("vip", f"ip={IP4}", "op", "monitor", "interval=2s")
        probe = self.client.probe(IP4)
        self.addCleanup(probe.stop)
        probe.wait_answer(node)
        return node, probe

    def taken_over(self, lost: str, probe: Probe) -> str:
        self.cluster.wait_view(
            f"{lost} to be fenced", lambda view: lost in view.offline and lost not in view.unclean
        )
        target = self.cluster.wait_running("vip")
        self.assertNotEqual(lost, target)
        probe.wait_answer(target)
        self.assertEqual(mac_of(target), self.client.neighbour(IP4))
        return target

    def test_power_off_is_fenced_and_taken_over(self) -> None:
        node, probe = self.start()
        known = len(self.cluster.fencings(node))
        self.cluster.power_off(node)
        target = self.taken_over(node, probe)
        fenced_s = self.cluster.fencings(node)[known]
        first = next(turn for turn in probe.stop().turns() if turn.host == target)
        self.assertGreater(first.since_ms, fenced_s * 1000, "answered before fencing was done")
        self.cluster.power_on(node)
        self.cluster.wait_online()
        self.assert_held_only_by(target, IP4)

    def test_without_fencing_nobody_takes_over(self) -> None:
        node, probe = self.start()
        self.cluster.set_fencing("fail")
        known = len(self.cluster.fencings(node, "failed"))
        self.cluster.power_off(node)
        wait_until("two attempts to fence", lambda: len(self.cluster.fencings(node, "failed")) >= known + 2, 60)
        self.assertEqual([], [turn for turn in probe.report().turns() if turn.host != node])
        self.assertEqual([], self.holders(IP4))
        self.cluster.set_fencing("work")
        self.cluster.anywhere(["stonith_admin", "--fence", node])
        self.taken_over(node, probe)

    def test_half_dead_node_answers_until_it_is_fenced(self) -> None:
        node, probe = self.start()
        killed_ms = now_ms()
        self.cluster.kill(node)
        target = self.taken_over(node, probe)
        report = probe.stop()
        self.assert_one_at_a_time(report)
        after_kill = [one for one in report.requests if one.sent_ms > killed_ms and node in one.hosts]
        self.assertTrue(after_kill, "its kernel did not answer: the node was more than half dead")
        self.assertEqual([node, target], [turn.host for turn in report.turns()])

    def test_node_cut_off_the_ring_is_fenced_before_another_answers(self) -> None:
        node, probe = self.start()
        self.cluster.partition([self.others(node), [node]], ("ring",))
        self.taken_over(node, probe)
        self.assert_one_at_a_time(probe.stop())
        self.assertIsNone(self.cluster.node(node).init(), "it was not switched off")

    def test_lost_carrier_moves_the_address(self) -> None:
        node, probe = self.start()
        self.cluster.set_link(node, False, "lan")
        self.cluster.wait_view(
            "vip to leave the node without carrier",
            lambda view: view.running.get("vip", (node,)) not in ((node,), ()),
        )
        target = self.cluster.wait_running("vip")
        probe.wait_answer(target)
        self.assert_one_at_a_time(probe.stop())
        self.assertEqual([target], self.holders(IP4))
        self.assertEqual(mac_of(target), self.client.neighbour(IP4))
        self.assertNotIn(node, self.cluster.view().offline, "a lost carrier is no reason to fence")


if __name__ == "__main__":
    unittest.main()
