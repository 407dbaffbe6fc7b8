# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture: a scale that holds every sample, and well-formed XML whatever is drawn."""

from __future__ import annotations

import unittest
import xml.etree.ElementTree as ElementTree

from bench.model import Series
from bench.svg import FRAMES, GAPS, LogScale, caption, colour, picture, upstream

SVG = "{http://www.w3.org/2000/svg}"


def gap(peer: str, samples: list[float], scenario: str = "a move") -> Series:
    return Series("move", scenario, peer, "ms", samples, gap=True)


class Scale(unittest.TestCase):
    def test_equal_factors_are_equal_distances(self) -> None:
        scale = LogScale(1, 1000, 0, 300)
        self.assertAlmostEqual(0, scale.place(1))
        self.assertAlmostEqual(100, scale.place(10))
        self.assertAlmostEqual(300, scale.place(1000))
        self.assertAlmostEqual(scale.place(20) - scale.place(2), scale.place(400) - scale.place(40))

    def test_it_spans_whole_decades_around_the_values(self) -> None:
        scale = LogScale.around([1.2, 3300], 0, 1)
        self.assertEqual((1, 10000), (scale.low, scale.high))

    def test_a_value_on_a_decade_is_inside(self) -> None:
        scale = LogScale.around([1, 100], 0, 1)
        self.assertEqual((1, 100), (scale.low, scale.high))

    def test_equal_values_still_get_a_decade(self) -> None:
        scale = LogScale.around([10, 10], 0, 1)
        self.assertEqual((10, 100), (scale.low, scale.high))

    def test_zero_is_drawn_on_the_edge_and_does_not_stretch_the_scale(self) -> None:
        scale = LogScale.around([0, 5], 50, 60)
        self.assertEqual((1, 10), (scale.low, scale.high))
        self.assertEqual(50, scale.place(0))

    def test_nothing_but_zeros_has_a_scale_too(self) -> None:
        scale = LogScale.around([0, 0], 0, 1)
        self.assertLess(scale.low, scale.high)

    def test_grid_lines_lie_between_the_edges(self) -> None:
        scale = LogScale(1, 100, 0, 1)
        self.assertEqual([1, 10, 100], scale.decades())
        self.assertEqual([*range(2, 10), *range(20, 100, 10)], scale.between())


class Picture(unittest.TestCase):
    def test_every_sample_has_a_dot_inside_the_plot(self) -> None:
        root = ElementTree.fromstring(picture([gap("Buoy", [0, 1, 40]), gap("IPaddr2", [160])], "here"))
        dots = [one for one in root.iter(f"{SVG}circle")]
        self.assertEqual(4 + 1, len(dots), "one of them is the legend's")
        self.assertTrue(all(0 < float(dot.get("cx", "0")) < 1000 for dot in dots))

    def test_median_worst_and_count_are_written_out(self) -> None:
        root = ElementTree.fromstring(picture([gap("Buoy", [1, 2, 90])], "here"))
        words = [text.text for text in root.iter(f"{SVG}text")]
        for word in ("Buoy", "a move", "2.00", "90.0", "3", "here"):
            self.assertIn(word, words)

    def test_a_scenario_is_headed_once(self) -> None:
        root = ElementTree.fromstring(picture([gap("Buoy", [1]), gap("IPaddr2", [2])], "here"))
        heads = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "head"]
        self.assertEqual(["a move"], heads)

    def test_what_xml_would_take_for_markup_is_escaped(self) -> None:
        ElementTree.fromstring(picture([gap("a < b & c", [1])], "<&>"))

    def test_variants_of_a_peer_share_its_colour(self) -> None:
        self.assertEqual(colour("Buoy"), colour("Buoy, IPv6"))
        self.assertNotEqual(colour("Buoy"), colour("IPaddr2"))


    def test_frames_are_drawn_in_their_own_unit_and_without_those_who_took_no_part(self) -> None:
        series = [Series("gate", "drop", peer, "ns", [14.0, 10_800.0]) for peer in ("Buoy", "IPaddr2, nft jhash")]
        root = ElementTree.fromstring(picture(series, "here", FRAMES))
        words = [text.text for text in root.iter(f"{SVG}text")]
        for word in ("10 ns", "1 µs", "100 µs", FRAMES.title, *FRAMES.notes):
            self.assertIn(word, words)
        self.assertNotIn("keepalived", words)
        self.assertNotIn(GAPS.title, words)


class Caption(unittest.TestCase):
    def test_versions_lose_what_is_debians(self) -> None:
        self.assertEqual("4.12.0", upstream("1:4.12.0-2"))
        self.assertEqual("3.1.7", upstream("3.1.7-1+deb12u2"))

    def test_a_peer_that_is_not_installed_is_left_out(self) -> None:
        facts = {
            "machine": {"kernel": "6.1", "cores": 2},
            "versions": {"keepalived": "1:2.2.7-1", "pacemaker": ""},
            "commit": "0123456789abcdef",
        }
        self.assertEqual("Buoy 0123456789ab; keepalived 2.2.7; Linux 6.1, 2 cores", caption(facts))


if __name__ == "__main__":
    unittest.main()
