# SPDX-License-Identifier: GPL-2.0-or-later
"""What the packet gate costs, beside the rules of IPaddr2's clones: gate_bench.cpp, run and held against its limits.

By test-run: the program alone, as the kernel measures it; an empty program's time is in it. By packet: what a filter
adds to a frame on its way through the kernel - to one that passes, over an unfiltered link; to one that is dropped,
over a link that drops everything at its door. Half of the buckets are ours. xt_cluster knows 32 buckets at most, so
beside 256 of ours it has 31.
"""

from __future__ import annotations

import json
import shutil
import subprocess

from bench.context import Context
from bench.model import BUOY, IPADDR2, Outcome, Series, Target
from bench.stats import median
from lab.build import NORMAL
from lab.errors import LabError

PROGRAM = NORMAL.path / "tests" / "gate_bench"
# With the time that the measuring itself takes.
DROP_NS = 70
# The gate's cost is at most this part of a peer's.
SHARES = {"nft": 1 / 2, "xt_cluster": 1 / 3}
PEERS = {"gate": BUOY, "nft": f"{IPADDR2}, nft jhash", "xt_cluster": f"{IPADDR2}, xt_cluster"}
OWNED = (8, 256)
_WHAT = {
    "drop v4": "drop a frame of a bucket that is not ours",
    "drop v6": "drop an IPv6 frame of a bucket that is not ours",
    "pass v4": "pass a frame of ours",
    "pass v6": "pass an IPv6 frame of ours",
    "another's": "pass a frame of nobody we manage",
}


def outcome_of(found: dict[str, list[float]]) -> Outcome:
    """Reads what the program printed."""
    outcome = Outcome()
    for how in ("tc", "xdp"):
        for figure, what in _WHAT.items():
            samples = found[f"{how} {figure}"]
            outcome.series.append(Series("gate", f"{what}, {how}, by test-run", BUOY, "ns", samples))
            if figure.startswith("drop"):
                basis = f"{len(samples)} times 1000000 runs"
                outcome.targets.append(Target(f"{what}, {how}, median", median(samples), DROP_NS, "ns", basis))
    outcome.series.append(Series("gate", "an empty program, tc, by test-run", BUOY, "ns", found["tc nothing"]))
    for figure in ("count at once", "count one by one"):
        samples_us = [sample / 1000 for sample in found[figure]]
        what = f"read the counters of 4096 buckets, {figure.removeprefix('count ')}"
        outcome.series.append(Series("gate", what, BUOY, "us", samples_us))
    for verdict in ("drop", "pass"):
        for owned in OWNED:
            what = f"per packet added, {verdict}, {owned} of {2 * owned} buckets ours"
            for name, peer in PEERS.items():
                outcome.series.append(Series("gate", what, peer, "ns", found[f"{name} {verdict} {owned}"]))
    for owned in OWNED:
        for name, share in SHARES.items():
            ours, theirs = (median(found[f"{filter_name} drop {owned}"]) for filter_name in ("gate", name))
            what = f"per packet added, drop, {owned} buckets ours: part of {PEERS[name]}"
            outcome.targets.append(Target(what, ours / theirs, share, "", f"{ours:.0f} of {theirs:.0f} ns"))
    return outcome


def run(context: Context) -> Outcome:
    """Needs no lab: one program, in a network namespace of its own."""
    for tool, package in (("iptables-legacy-restore", "iptables"), ("nft", "nftables")):
        if shutil.which(tool) is None:
            raise LabError(f"there is no {tool} to compare with; install {package}")
    context.progress(f"{context.rounds} rounds")
    done = subprocess.run([str(PROGRAM), str(context.rounds)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{PROGRAM} failed with {done.returncode}: {done.stderr.strip()}")
    return outcome_of(json.loads(done.stdout))
