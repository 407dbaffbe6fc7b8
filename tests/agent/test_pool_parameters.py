# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong values of every parameter of ocf:buoy:pool, as Pacemaker hears of them. Which values are wrong is
tests/pool's to say; here it is exit codes and reasons, on a host without a daemon."""

from __future__ import annotations

import os
import subprocess
import unittest
from pathlib import Path

from rig import AGENT, PATIENCE_S, PROBE, Answer, Host, environment

POOL = Path(os.environ.get("BUOY_AGENT_POOL", AGENT.with_name("pool")))
GENERIC, ARGS, PERM, CONFIGURED, NOT_RUNNING = 1, 2, 4, 6, 7
RIGHT = "192.0.2.1-192.0.2.3"

# parameter, wrong value, what the reason says: what is wrong, and what would be right
WRONG = [
    ("addresses", "", ["addresses is not set", "192.0.2.10-192.0.2.19"]),
    ("addresses", "10.0.0.60-79", ["'10.0.0.60-79'", "192.0.2.1-192.0.2.9"]),
    ("addresses", "10.0.0.1 10.0.0.1", ["10.0.0.1 is there twice", "once"]),
    ("addresses", "10.0.0.9-10.0.0.1", ["ends before it begins", "swap"]),
    ("addresses", "10.0.0.1-2001:db8::1", ["10.0.0.1-2001:db8::1", "both"]),
    ("addresses", "127.0.0.1", ["127.0.0.1", "unicast", "leave it out"]),
    ("addresses", "ff02::1", ["ff02::1", "unicast", "leave it out"]),
    ("addresses", "fe80::1", ["nic", "fe80::1"]),
    ("addresses", "2001:db8::-2001:db8:ffff::", ["more than 16384", "shorten"]),
    ("nic", "eth0/1", ["nic='eth0/1'", "127"]),
    ("cidr_netmask", "33", ["cidr_netmask='33'", "1 to 32"]),
    ("weight", "1001", ["weight='1001'", "0 to 1000"]),
    ("rebalance", "always", ["rebalance='always'", "auto, never"]),
    ("on_loss", "never", ["on_loss='never'", "auto, fenced, unsafe"]),
    ("lease_ms", "24", ["lease_ms='24'", "25 to 60000 ms"]),
    ("lease_ms", "0.5s", ["lease_ms='0.5s'", "25 to 60000 ms"]),
    ("beat_ms", "400", ["beat_ms='400'", "5 to 166 ms", "lease_ms=500"]),
    ("announce", "shout", ["announce='shout'", "request, reply, both, none"]),
    ("announce_refresh", "-1", ["announce_refresh='-1'", "0 to 86400 s"]),
    ("announce_pps", "0", ["announce_pps='0'", "frames a second"]),
    ("announce_to", "10.9.0.x", ["announce_to='10.9.0.x'", "not an IP address"]),
    ("on_conflict", "fight", ["on_conflict='fight'", "defend", "report"]),
    ("conflict_check", "slow", ["conflict_check='slow'", "off, fast, rfc5227"]),
    ("link_down", "stop", ["link_down='stop'", "release, ignore"]),
    ("hold_ms", "1s", ["hold_ms='1s'", "0 to 600000 ms"]),
    ("buckets", "4097", ["buckets='4097'", "1 to 4096"]),
    ("hash", "port", ["hash='port'", "source, source-port, tuple"]),
    ("l2", "unicast", ["l2='unicast'", "multicast, flood"]),
    ("attach", "egress", ["attach='egress'", "tc, xdp"]),
    ("mac", "02:00:5e:00:00:01", ["mac='02:00:5e:00:00:01'", "auto"]),
]  # fmt: skip


class PoolAgentTest(unittest.TestCase):
    def setUp(self) -> None:
        self.host = Host("node")
        self.addCleanup(self.host.remove)

    def agent(self, action: str, meta: dict | None = None, instance: str = "wrong-values", **given: object) -> Answer:
        """One action of the agent, in a namespace where no daemon can be reached."""
        variables = environment({"addresses": RIGHT, **given}, meta) | {"OCF_RESOURCE_INSTANCE": instance}
        with self.host.inside():
            done = subprocess.run([str(POOL), action], env=variables, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=PATIENCE_S, check=False)  # fmt: skip
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    def refused(self, code: int, answer: Answer, *words: str) -> None:
        self.assertEqual((code, 1), (answer.code, len(answer.reasons)), answer.stderr)
        for word in words:
            self.assertIn(word, answer.reason)


class WrongValues(PoolAgentTest):
    def test_each_is_named_with_what_would_be_right(self) -> None:
        for parameter, value, words in WRONG:
            for action in ("start", "validate-all", "reload-agent"):
                with self.subTest(action=action, **{parameter: value}):
                    answer = self.agent(action, **{parameter: value})
                    self.refused(CONFIGURED, answer, *words)
                    self.assertTrue(answer.reason.startswith(words[0] if parameter == "nic" else parameter)
                                    or "nic is not set" in answer.reason)  # fmt: skip

    def test_every_parameter_has_a_wrong_value_here(self) -> None:
        names = {part.split('"')[0] for part in self.agent("meta-data").stdout.split('<parameter name="')[1:]}
        self.assertEqual(names, {parameter for parameter, *_ in WRONG})

    def test_a_probe_says_so_but_no_monitor_that_would_stop_the_pool_everywhere(self) -> None:
        for parameter, value, words in WRONG:
            with self.subTest(**{parameter: value}):
                self.refused(CONFIGURED, self.agent("monitor", PROBE, **{parameter: value}), *words)
                self.assertEqual(NOT_RUNNING, self.agent("monitor", {"interval": 10000}, **{parameter: value}).code)

    def test_nothing_keeps_a_stop_from_succeeding(self) -> None:
        for parameter, value, _ in WRONG:
            with self.subTest(**{parameter: value}):
                answer = self.agent("stop", **{parameter: value})
                self.assertEqual((0, ""), (answer.code, answer.stderr))

    def test_names_that_no_pool_can_have(self) -> None:
        for name in ("../x", "a b", ".x", "x" * 65, "b\u00fcoy"):
            with self.subTest(name=name):
                self.refused(CONFIGURED, self.agent("start", instance=name), "cannot be a pool's name", "rename")
        self.refused(ARGS, self.agent("start", instance=""), "OCF_RESOURCE_INSTANCE is not set")

    def test_an_empty_value_is_no_value(self) -> None:
        names = [parameter for parameter, *_ in WRONG if parameter != "addresses"]
        self.assertEqual(0, self.agent("validate-all", **{name: "" for name in names}).code)

    def test_a_reason_is_one_printable_line_of_decent_length(self) -> None:
        for value in ("x\nocf-exit-reason:all is well", "a\tb\x1b[31m", "x\u2028y", b"\xff\xfe", "'\"<&>;$(reboot)`",
                      "%s%n{}{0}", "x" * 120_000):  # fmt: skip
            for parameter in {parameter for parameter, *_ in WRONG} - {"nic"}:
                with self.subTest(parameter=parameter, value=value[:40]):
                    answer = self.agent("start", **{parameter: value})
                    self.refused(CONFIGURED, answer, parameter)
                    self.assertTrue(answer.reason.isascii() and answer.reason.isprintable(), answer.reason)
                    self.assertLess(len(answer.reason), 800)


class WithoutDaemon(PoolAgentTest):
    def test_a_nic_that_is_not_here_is_no_mistake_of_the_cluster(self) -> None:
        answer = self.agent("validate-all", nic="eth9")
        self.refused(5, answer, "nic=eth9", "eth9")

    def test_a_reload_says_that_no_daemon_runs(self) -> None:
        self.refused(GENERIC, self.agent("reload-agent"), "buoyd does not run")

    def test_an_unprivileged_user_is_told(self) -> None:
        variables = environment({"addresses": RIGHT}) | {"OCF_RESOURCE_INSTANCE": "web"}
        with self.host.inside():
            done = subprocess.run([str(POOL), "start"], env=variables, capture_output=True, text=True, check=False,
                                  user=65534, group=65534, extra_groups=[])  # fmt: skip
        self.refused(PERM, Answer(done.returncode, done.stdout, done.stderr), "needs root")


if __name__ == "__main__":
    unittest.main()
