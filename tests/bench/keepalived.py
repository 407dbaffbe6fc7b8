# SPDX-License-Identifier: GPL-2.0-or-later
"""keepalived where it does the same thing: one address, given up on request or lost with its node."""

from __future__ import annotations

from typing import Callable

from bench.context import Context
from bench.model import KEEPALIVED, Outcome, Series
from bench.moves import PLANNED, closed_gap_ms
from bench.power_off import LOSS
from bench.vrrp import Vrrp
from lab.cluster import Cluster
from lab.probe import now_ms
from lab.waiting import wait_until

INTERVAL_MS = 1.0
ADVERTS_S = (0.01, 1.0)
CAUTION = (
    "keepalived has no quorum and no fencing: nothing keeps two nodes from holding the address at "
    "once, and it pays for its speed with that."
)


class Tally:
    """The gaps of one way of losing the address, and what a cluster would have prevented."""

    def __init__(self) -> None:
        self.gaps_ms: list[float] = []
        self.answered_twice = 0

    def measure(self, vrrp: Vrrp, lose: Callable[[str], None]) -> None:
        """Take the address from its master, with the client asking; whole again on return."""
        with vrrp.probe(INTERVAL_MS) as probe:
            victim = vrrp.master(probe)
            began_ms = now_ms()
            lose(victim)

            def taken_over() -> bool:
                return probe.wait_answer().hosts[0] != victim

            wait_until(f"another node than {victim} to answer", taken_over, 60, 0)
            report = probe.stop()
        vrrp.restart(victim)
        self.gaps_ms.append(closed_gap_ms(report, began_ms))
        self.answered_twice += len(report.answered_twice())


def _measure(context: Context, cluster: Cluster, advert_s: float) -> Outcome:
    vrrp = Vrrp(cluster, advert_s)
    vrrp.start_all()
    outcome = Outcome()
    kinds = (
        (PLANNED, vrrp.stop, context.rounds),
        (LOSS, cluster.power_off, max(1, context.rounds // 2)),
    )
    for scenario, lose, rounds in kinds:
        tally, peer = Tally(), f"{KEEPALIVED}, {advert_s * 1000:g} ms adverts"
        for number in range(rounds):
            context.progress(f"{advert_s * 1000:g} ms adverts {number + 1}/{rounds}")
            tally.measure(vrrp, lose)
        outcome.series.append(Series("keepalived", scenario, peer, "ms", tally.gaps_ms, gap=True))
        if tally.answered_twice:
            outcome.notes.append(
                f"{peer}: {tally.answered_twice} requests were answered by two nodes."
            )
    return outcome


def run(context: Context) -> Outcome:
    """With the shortest adverts there are, and with the usual ones."""
    outcome = Outcome(notes=[CAUTION])
    for advert_s in ADVERTS_S:
        with context.lab() as cluster:
            outcome.add(_measure(context, cluster, advert_s))
    return outcome
