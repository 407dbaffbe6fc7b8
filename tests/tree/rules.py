# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a source file may be; tests/sources has the other rules of the tree."""

from __future__ import annotations

import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = {".cpp", ".hpp", ".c", ".h", ".py", ".sh"}
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
    def test_no_source_file_is_too_long_to_read(self) -> None:
        long = [
            f"{path.relative_to(ROOT)}: {count} lines"
            for path in sources()
            if path.suffix in CODE and (count := len(path.read_text().splitlines())) > MOST_LINES
        ]
        self.assertEqual([], long, f"more than {MOST_LINES} lines")


if __name__ == "__main__":
    unittest.main()
