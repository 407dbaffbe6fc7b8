# SPDX-License-Identifier: GPL-2.0-or-later
"""bench/gate.py: what it makes of the program's figures."""

from __future__ import annotations

import unittest

from bench.gate import outcome_of


def figures(**changed: float) -> dict[str, list[float]]:
    """A whole report in which every limit is met; names with _ for the spaces."""
    found = {f"{how} {figure}": [60.0] for how in ("tc", "xdp")
             for figure in ("drop v4", "drop v6", "pass v4", "pass v6", "another's")}  # fmt: skip
    found |= {"tc nothing": [38.0], "count at once": [500_000.0], "count one by one": [900_000.0]}
    for owned in (8, 256):
        for verdict in ("drop", "pass"):
            found |= {f"gate {verdict} {owned}": [20.0, 10.0, 30.0], f"nft {verdict} {owned}": [400.0],
                      f"xt_cluster {verdict} {owned}": [600.0]}  # fmt: skip
    return found | {name.replace("_", " "): [value] for name, value in changed.items()}


class Outcomes(unittest.TestCase):
    """Limits."""

    def missed(self, **changed: float) -> list[str]:
        """The targets that are not met."""
        return [target.what for target in outcome_of(figures(**changed)).targets if not target.met]

    def test_all_is_met(self) -> None:
        self.assertEqual(self.missed(), [])
        self.assertEqual(len(outcome_of(figures()).targets), 8)

    def test_a_slow_drop_misses(self) -> None:
        self.assertEqual(self.missed(xdp_drop_v6=71), ["drop an IPv6 frame of a bucket that is not ours, xdp, median"])

    def test_a_slow_pass_is_no_promise(self) -> None:
        self.assertEqual(self.missed(tc_pass_v4=500, gate_pass_8=900), [])

    def test_a_fast_peer_misses(self) -> None:
        missed = self.missed(nft_drop_8=39)
        self.assertEqual(len(missed), 1)
        self.assertIn("8 buckets ours: part of IPaddr2, nft", missed[0])
        self.assertEqual(self.missed(nft_drop_256=41), [])
        found = figures()
        found["xt_cluster drop 256"] = [59.0]
        self.assertEqual([t.met for t in outcome_of(found).targets].count(False), 1)


if __name__ == "__main__":
    unittest.main()
