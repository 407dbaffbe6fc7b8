# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures that a list of samples is summed up by."""

from __future__ import annotations

import unittest

from bench.model import Series
from bench.stats import by_scenario, median, quantile, ratio, summarise


class Quantiles(unittest.TestCase):
    def test_the_median_of_an_odd_number_is_the_one_in_the_middle(self) -> None:
        self.assertEqual(3, median([9, 1, 3]))

    def test_the_median_of_an_even_number_is_between_the_two_in_the_middle(self) -> None:
        self.assertEqual(2.5, median([4, 1, 3, 2]))

    def test_the_edges_are_the_least_and_the_most(self) -> None:
        self.assertEqual(1, quantile([3, 1, 2], 0))
        self.assertEqual(3, quantile([3, 1, 2], 1))

    def test_one_sample_is_every_quantile(self) -> None:
        self.assertEqual(7, quantile([7], 0.95))

    def test_between_neighbours_it_interpolates(self) -> None:
        self.assertAlmostEqual(95, quantile(list(range(101)), 0.95))
        self.assertAlmostEqual(1.9, quantile([1, 2], 0.9))

    def test_the_samples_stay_in_their_order(self) -> None:
        samples = [3.0, 1.0, 2.0]
        median(samples)
        self.assertEqual([3.0, 1.0, 2.0], samples)

    def test_nothing_has_no_quantile(self) -> None:
        with self.assertRaises(ValueError):
            median([])

    def test_a_share_is_between_nought_and_one(self) -> None:
        for share in (-0.1, 1.1):
            with self.assertRaises(ValueError):
                quantile([1], share)


class Summaries(unittest.TestCase):
    def test_a_summary_has_all_figures(self) -> None:
        found = summarise([4.0, 1.0, 3.0, 2.0])
        figures = (found.count, found.best, found.median, found.worst, found.total)
        self.assertEqual((4, 1, 2.5, 4, 10), figures)

    def test_a_ratio_to_nothing_is_infinite(self) -> None:
        self.assertEqual(0.25, ratio(1, 4))
        self.assertEqual(float("inf"), ratio(1, 0))

    def test_scenarios_stay_in_order_and_gather_their_series(self) -> None:
        series = [Series("b", scenario, peer, "ms", [1]) for scenario, peer in ("xp", "yp", "xq")]
        found = [(scenario, [one.peer for one in members]) for scenario, members in by_scenario(series)]
        self.assertEqual([("x", ["p", "q"]), ("y", ["p"])], found)


if __name__ == "__main__":
    unittest.main()
