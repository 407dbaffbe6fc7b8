# SPDX-License-Identifier: GPL-2.0-or-later
"""Set-up: what ./lab needs before it can run a node. Fast when there is nothing to do."""

from __future__ import annotations

from lab.build import NORMAL, build, stage
from lab.packages import install_missing


def set_up(verbose: bool = False) -> None:
    """Packages, build, staged install."""
    install_missing(verbose)
    build(NORMAL, verbose)
    stage(verbose)
