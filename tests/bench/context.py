# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bench is given to work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from lab.cluster import Cluster
from lab.settings import Settings

# "plain": three nodes without Corosync and Pacemaker, so that nothing but the measured runs there.
# "cluster": the whole stack, with Corosync's timers as low as is usual (see facts of the run).
LABS = {
    "plain": Settings(nodes=3, pacemaker=False),
    "cluster": Settings(nodes=3, token_ms=1000),
}


@dataclass(frozen=True)
class Context:
    """A running lab, how many rounds are wanted, and a way to tell how far one is."""

    cluster: Cluster
    rounds: int
    progress: Callable[[str], None]
