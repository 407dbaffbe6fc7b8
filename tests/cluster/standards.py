# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tools of a cluster think of the agent: OCF's testers, pcs, crmsh, Pacemaker."""

from __future__ import annotations

import unittest
import xml.etree.ElementTree as ElementTree

from floating import AGENT, AGENT_FILE, IP4, FloatingTest, mac_of

from lab.waiting import wait_until

# The OCF 1.1 schema (ra-api.rng) under the name that Debian's pcs gives it.
SCHEMA = "/usr/share/pcs/data/ocf-1.1.rng"


class Tools(FloatingTest):
    def test_metadata_satisfies_the_ocf_1_1_schema(self) -> None:
        checked = f"'{AGENT_FILE}' meta-data | xmllint --noout --relaxng {SCHEMA} -"
        done = self.cluster.run("n1", ["sh", "-c", checked], check=False)
        self.assertEqual((0, "- validates\n"), (done.returncode, done.stderr))

    def test_the_schema_check_can_fail(self) -> None:
        broken = f"'{AGENT_FILE}' meta-data | sed 's/<actions>/<acts>/; s/<.actions>/<\\/acts>/'"
        done = self.cluster.run(
            "n1", ["sh", "-c", f"{broken} | xmllint --noout --relaxng {SCHEMA} -"], check=False
        )
        self.assertNotEqual(0, done.returncode)

    def test_ocf_tester(self) -> None:
        command = ["ocf-tester", "-n", "vip", "-o", f"ip={IP4}", "-o", "nic=eth0", str(AGENT_FILE)]
        done = self.cluster.run("n1", command, check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertIn("passed all tests", done.stdout)
        self.assertEqual([], self.holders(IP4))

    def test_pcs_describes_it(self) -> None:
        text = self.cluster.pcs("resource", "describe", AGENT)
        self.assertTrue(text.startswith(f"{AGENT} - "), text[:100])
        self.assertRegex(text, r"\n  ip \(required\)")
        self.assertIn("cidr_netmask", text)
        self.assertRegex(text, r"Default operations:\n  start:")

    def test_crmsh_describes_it(self) -> None:
        text = self.cluster.anywhere(["crm", "ra", "info", AGENT])
        self.assertRegex(text, r"\nip\* ")
        self.assertRegex(text, r"monitor\s+depth=0 timeout=\S+ interval=\S+")

    def test_crm_resource_validates_parameters(self) -> None:
        _, provider, kind = AGENT.split(":")
        command = ["crm_resource", "--validate", "--class", "ocf", "--provider", provider]
        command += ["--agent", kind, "--output-as=xml", "--option"]
        good = self.cluster.run("n1", [*command, f"ip={IP4}"], check=False)
        self.assertEqual(0, good.returncode, good.stdout + good.stderr)
        bad = self.cluster.run("n1", [*command, "ip=10.77.0.999"], check=False)
        self.assertNotEqual(0, bad.returncode)
        self.assertIn("10.77.0.999", bad.stdout)

    def test_wrong_parameter_is_shown_with_its_reason(self) -> None:
        self.cluster.pcs("resource", "create", "vip", AGENT, "ip=10.77.0.999", "--force")

        def reason() -> str | None:
            status = self.cluster.anywhere(["crm_mon", "--output-as=xml", "--inactive"])
            failure = ElementTree.fromstring(status).find("failures/failure")
            return failure.get("exitreason") if failure is not None else None

        said = wait_until("the failure to be shown", reason, 30, 0.2)
        self.assertRegex(said, r"ip.*10\.77\.0\.999")
        self.assertEqual([], self.holders(IP4))


class Migration(FloatingTest):
    """The same definition, with nothing but the type changed."""

    def test_from_ipaddr2_by_changing_the_type_only(self) -> None:
        options = [f"ip={IP4}", "nic=eth0", "cidr_netmask=24", "iflabel=vip", "arp_count=3", "arp_interval=100"]
        node = self.create("vip", *options, agent="ocf:heartbeat:IPaddr2")
        self.assert_held_only_by(node, IP4)
        before = self.definition()
        _, provider, kind = AGENT.split(":")
        after = before.replace('"IPaddr2"', f'"{kind}"').replace('"heartbeat"', f'"{provider}"')
        self.assertNotEqual(before, after)
        with self.client.probe(IP4) as probe:
            probe.wait_answer(node)
            self.cluster.anywhere(["cibadmin", "--replace", "--xml-text", after])
            self.cluster.settle()
            self.assertEqual(after, self.definition())
            node = self.cluster.wait_running("vip")
            self.assert_held_only_by(node, IP4)
            self.assert_one_at_a_time(probe.stop())
        shown = self.cluster.run(node, ["ip", "-o", "address", "show", "label", "eth0:vip"]).stdout
        self.assertIn(f"inet {IP4}/24", shown)
        self.assertEqual(mac_of(node), self.client.neighbour(IP4))
        self.assertEqual(frozenset(), self.cluster.view().failed)

    def definition(self) -> str:
        """The resource's XML as it stands in the cluster's configuration."""
        text = self.cluster.anywhere(["cibadmin", "--query", "--xpath", "//primitive[@id='vip']"])
        return text.strip()


if __name__ == "__main__":
    unittest.main()
