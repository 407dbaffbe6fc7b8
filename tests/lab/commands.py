# SPDX-License-Identifier: GPL-2.0-or-later
"""Running a command and turning its failure into one line."""

from __future__ import annotations

import subprocess

from lab.errors import LabError


def run(argv: list[str], stdin: str | None = None, timeout_s: float = 60) -> str:
    """Run a command and return what it printed; a failure names the command and its words."""
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed; run ./lab setup") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv)} did not end within {timeout_s:g} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise LabError(f"{' '.join(argv)} failed with {done.returncode}: {said}")
    return done.stdout


def ip(*arguments: str, netns: str | None = None) -> str:
    """One call of ip(8)."""
    return run(["ip", *(["-n", netns] if netns else []), *arguments])


def ip_batch(commands: list[str], netns: str | None = None) -> None:
    """Several calls of ip(8) in one process, in order; the first failure ends them."""
    run(["ip", *(["-n", netns] if netns else []), "-batch", "-"], "\n".join(commands) + "\n")
