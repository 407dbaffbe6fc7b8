# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules of the source tree that a reader relies on."""

from __future__ import annotations

import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"
CODE = {".cpp", ".hpp", ".c", ".h", ".py", ".sh"}
# Formats that have no comments, and the licence itself.
WITHOUT_COMMENTS = {".json", ".svg", ".png", ".bin"}
MOST_LINES = 600


def sources() -> list[Path]:
    """All files of the tree; outside a clone, all but what building leaves."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    skipped = ("build", ".cache", ".git")
    return [
        path for path in ROOT.rglob("*")
        if path.is_file() and not path.relative_to(ROOT).parts[0].startswith(skipped)
    ]  # fmt: skip


class Rules(unittest.TestCase):
    def test_every_file_names_its_licence(self) -> None:
        lacking = []
        for path in sources():
            fed_to_fuzzers = "seeds" in path.parts
            if path.name == "COPYING" or path.suffix in WITHOUT_COMMENTS or fed_to_fuzzers:
                continue
            if LICENCE not in path.read_text(errors="replace")[:600]:
                lacking.append(str(path.relative_to(ROOT)))
        self.assertEqual([], lacking, "these lack the SPDX line at their top")

    def test_no_source_file_is_too_long_to_read(self) -> None:
        long = [
            f"{path.relative_to(ROOT)}: {count} lines"
            for path in sources()
            if path.suffix in CODE and (count := len(path.read_text().splitlines())) > MOST_LINES
        ]
        self.assertEqual([], long, f"more than {MOST_LINES} lines")


if __name__ == "__main__":
    unittest.main()
