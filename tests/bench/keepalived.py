# SPDX-License-Identifier: GPL-2.0-or-later
"""keepalived where it does the same thing: addresses given up on request or lost with their node."""

from __future__ import annotations

from typing import Callable

from bench.context import Context
from bench.gaps import PREFIX, Look, Tally, addresses, reach
from bench.model import KEEPALIVED, Outcome, Series
from bench.moves import PLANNED
from bench.power_off import LOSS
from bench.vrrp import Vrrp
from lab.cluster import Cluster
from lab.errors import LabError
from lab.sweep import Holders, Sweep

INTERVAL_MS = 1.0
ADDRESS = "10.77.0.60"
ADVERTS_S = (0.01, 1.0)
ATTEMPTS = 5
CAUTION = (
    "keepalived has no quorum and no fencing: nothing keeps two nodes from holding the address at "
    "once, and it pays for its speed with that."
)


class TwoMastersError(LabError):
    """Both sides of what it takes for a partition go on answering, with nothing happening."""


def master(held: Holders) -> str:
    """Who answers the client for everything."""
    hosts = set(held.values())
    if len(hosts) != 1:
        raise TwoMastersError(f"keepalived's addresses are answered by {' and '.join(sorted(hosts))}")
    return hosts.pop()


def lose(tally: Tally, cluster: Cluster, vrrp: Vrrp, look: Look, how: Callable[[str], None]) -> None:
    """Take the addresses from their master, with the client asking; whole again on return."""
    victim = ""

    def act(sweep: Sweep, held: Holders) -> str:
        nonlocal victim
        victim = master(held)
        how(victim)
        return victim

    tally.measure(cluster, look, act)
    vrrp.restart(victim)


def lose_from_one(tally: Tally, cluster: Cluster, vrrp: Vrrp, look: Look, how: Callable[[str], None]) -> int:
    """The same; with two masters all begin anew, which is counted and returned."""
    for begun_anew in range(ATTEMPTS):
        try:
            lose(tally, cluster, vrrp, look, how)
            return begun_anew
        except TwoMastersError:
            vrrp.stop_all()
            vrrp.start_all()
    raise LabError(f"keepalived has two masters after {ATTEMPTS} beginnings")


def peer_name(advert_s: float) -> str:
    """As tables and pictures call it."""
    return f"{KEEPALIVED}, {advert_s * 1000:g} ms adverts"


def series_of(
    cluster: Cluster, vrrp: Vrrp, look: Look, how: Callable[[str], None], rounds: int, scenario: str, name: str,
    progress: Callable[[str], None], tail_s: float = 0.0,
) -> Outcome:  # fmt: skip
    """So many rounds of one way of losing the addresses."""
    tally = Tally(tail_s=tail_s, forgiving=True)
    begun_anew = 0
    for number in range(rounds):
        progress(f"{name} {number + 1}/{rounds}")
        begun_anew += lose_from_one(tally, cluster, vrrp, look, how)
    series = Series("keepalived", scenario, name, "ms", tally.gaps_ms, gap=True)
    notes = tally.notes(f"{name}, {scenario}")
    if begun_anew:
        notes.append(f"{name}, {scenario}: begun anew {begun_anew} times, for it had two masters at rest.")
    return Outcome([series], notes=notes)


def many(
    context: Context, cluster: Cluster, count: int, advert_s: float, how: str, rounds: int, scenario: str,
    vmac: bool = False,
) -> Outcome:  # fmt: skip
    """keepalived with so many addresses on the plain nodes of a lab; `how` is "stop" or "power-off"."""
    reach(cluster)
    vrrp = Vrrp(cluster, advert_s, addresses(count), PREFIX, vmac)
    vrrp.start_all()
    act = vrrp.stop if how == "stop" else cluster.power_off
    name = peer_name(advert_s) + (", use_vmac" if vmac else "")
    # It leaves its groups when it has given up its MAC, from that MAC, and the switch believes it.
    tail_s = 0.5 if vmac else 0.0
    outcome = series_of(cluster, vrrp, Look.at(count), act, rounds, scenario, name, context.progress, tail_s)
    vrrp.stop_all()
    return outcome


def run(context: Context) -> Outcome:
    """One address, with the shortest adverts there are, and with the usual ones."""
    outcome = Outcome(notes=[CAUTION])
    look = Look([ADDRESS], INTERVAL_MS)
    for advert_s in ADVERTS_S:
        with context.lab() as cluster:
            vrrp = Vrrp(cluster, advert_s, [ADDRESS])
            vrrp.start_all()
            for scenario, how, rounds in (
                (PLANNED, vrrp.stop, context.rounds),
                (LOSS, cluster.power_off, max(1, context.rounds // 2)),
            ):
                outcome.add(series_of(cluster, vrrp, look, how, rounds, scenario, peer_name(advert_s), context.progress))  # fmt: skip
    return outcome
