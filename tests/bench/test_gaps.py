# SPDX-License-Identifier: GPL-2.0-or-later
"""What a gap is that nothing ends: a failure, or a peer's, counted up to the last request."""

from __future__ import annotations

import unittest

from bench.gaps import Tally
from lab.errors import LabError
from lab.probe import Report, Request


def report(answered: str) -> Report:
    """One request every 10 ms: "+" was answered."""
    requests = [Request(number, 10.0 * number) for number in range(len(answered))]
    for request, sign in zip(requests, answered):
        if sign == "+":
            request.answered_ms = request.sent_ms + 1
    return Report(requests, 10.0)


class Unclosed(unittest.TestCase):
    def test_ours_is_a_failure(self) -> None:
        with self.assertRaisesRegex(LabError, "never came back"):
            Tally()._gap_ms(report("++--"), 0.0)

    def test_a_peer_s_counts_up_to_the_last_request(self) -> None:
        tally = Tally(forgiving=True)
        self.assertEqual(20.0, tally._gap_ms(report("++--"), 0.0))
        self.assertEqual(1, tally.unclosed)

    def test_the_longest_counts_whichever_it_is(self) -> None:
        tally = Tally(forgiving=True)
        self.assertEqual(40.0, tally._gap_ms(report("+---++-"), 0.0))
        self.assertEqual(30.0, tally._gap_ms(report("+-++---"), 0.0))

    def test_what_is_closed_is_no_exception(self) -> None:
        tally = Tally(forgiving=True)
        self.assertEqual([0.0, 20.0], [tally._gap_ms(report(one), 0.0) for one in ("+++", "+-+")])
        self.assertEqual(0, tally.unclosed)


if __name__ == "__main__":
    unittest.main()
