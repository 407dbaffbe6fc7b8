# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person and a program get to read."""

from __future__ import annotations

import json
import unittest

from bench.model import Outcome, Series, Target
from bench.registry import BENCHES, chosen, names
from bench.context import LABS
from bench.report import document, number, text, verdicts


class Numbers(unittest.TestCase):
    def test_three_digits_count(self) -> None:
        written = [number(value) for value in (0, 0.0213, 1.2345, 45.67, 2316.4)]
        self.assertEqual(["0", "0.021", "1.23", "45.7", "2316"], written)


class Verdicts(unittest.TestCase):
    def test_a_figure_on_its_bound_passes_and_one_above_is_missed(self) -> None:
        said = verdicts([Target("even", 5, 5, "ms", "50 runs"), Target("above", 5.1, 5, "ms", "50 runs")])
        even, above, total = said.splitlines()[2:]
        self.assertTrue(even.strip().startswith("PASS"))
        self.assertTrue(above.strip().startswith("MISSED"))
        self.assertEqual("1 of 2 met", total.strip())

    def test_what_could_not_be_measured_is_missed(self) -> None:
        self.assertFalse(Target("forks", float("nan"), 0, "", "").met)


class Documents(unittest.TestCase):
    def test_every_raw_sample_is_in_the_json(self) -> None:
        outcome = Outcome([Series("move", "a move", "Buoy", "ms", [3.0, 1.0])], [Target("t", 1, 2, "", "")])
        content = json.loads(document(outcome, {"commit": "abc"}, []))
        self.assertEqual([3.0, 1.0], content["series"][0]["samples"])
        self.assertEqual(2.0, content["series"][0]["summary"]["median"])
        self.assertTrue(content["targets"][0]["met"])
        self.assertEqual("abc", content["commit"])

    def test_a_series_without_samples_is_said_to_have_none(self) -> None:
        outcome = Outcome([Series("move", "a move", "Buoy", "ms", [])])
        self.assertIn("nothing measured", text(outcome))
        self.assertIsNone(json.loads(document(outcome, {}, []))["series"][0]["summary"])


class Registry(unittest.TestCase):
    def test_names_are_unique_and_labs_exist(self) -> None:
        self.assertEqual(len(names()), len(set(names())))
        self.assertTrue(all(bench.lab in LABS for bench in BENCHES))

    def test_none_named_means_all_and_the_order_is_the_registrys(self) -> None:
        self.assertEqual(list(BENCHES), chosen([]))
        self.assertEqual(["monitor", "move"], [bench.name for bench in chosen(["move", "monitor"])])


if __name__ == "__main__":
    unittest.main()
