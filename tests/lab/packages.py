# SPDX-License-Identifier: GPL-2.0-or-later
"""Installs the packages of packaging/packages.txt that are missing, without starting services."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from lab.errors import LabError

LIST = Path(__file__).resolve().parents[2] / "packaging" / "packages.txt"
POLICY = Path("/usr/sbin/policy-rc.d")
# Tells our policy file from the administrator's, so that one left by a crash can be removed.
_MARK = "# Made by Buoy's lab while it installs packages; safe to remove."


def wanted() -> list[str]:
    """The packages of the list."""
    lines = (line.partition("#")[0].strip() for line in LIST.read_text().splitlines())
    return [line for line in lines if line]


def missing() -> list[str]:
    """Those of the list that are not installed."""
    if shutil.which("dpkg-query") is None:
        raise LabError("the set-up knows Debian's packages only, and this machine has no dpkg")
    names = wanted()
    # fmt: off
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n", *names],
        capture_output=True, text=True, check=False)
    # fmt: on
    installed = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


@contextmanager
def no_services_started() -> Iterator[None]:
    """Keep package installation from starting daemons on this machine.

    A policy that the administrator has is respected. Ours goes when the block ends, however it ends.
    """
    if POLICY.exists() and _MARK not in POLICY.read_text():
        yield
        return
    try:
        POLICY.write_text(f"#!/bin/sh\n{_MARK}\nexit 101\n")
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def install_missing(verbose: bool) -> None:
    """Install what is missing; touches neither the network nor apt when nothing is."""
    names = missing()
    if not names:
        if verbose:
            print("packages: all installed")
        return
    print(f"packages: installing {' '.join(names)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with no_services_started():
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names],
        ):
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
            if done.returncode != 0:
                raise LabError(f"{' '.join(command[:2])} failed with {done.returncode}; see above")
