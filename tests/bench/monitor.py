# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recurring monitor costs: CPU time, wall time and processes."""

from __future__ import annotations

from contextlib import ExitStack

from bench.context import Context
from bench.measure import Run, Runner
from bench.model import Outcome, Series, Target
from bench.peers import Agent, buoy, ipaddr2
from bench.stats import median, ratio

NODE = "n1"
INTERVAL_MS = 10_000
SHARE_OF_IPADDR2 = 0.1


def _series(agent: Agent, runs: list[Run]) -> list[Series]:
    def one(scenario: str, unit: str, samples: list[float], note: str = "") -> Series:
        return Series("monitor", scenario, agent.peer, unit, samples, note=note)

    children = [float(run.children) for run in runs if run.children is not None]
    return [
        one("one monitor, CPU", "ms", [run.cpu_ms for run in runs], "user + system, children included"),
        one("one monitor, wall", "ms", [run.wall_ms for run in runs]),
        one("one monitor, child processes", "", children, "by pids used up in a pid namespace of its own"),
    ]


def _targets(ours: list[Run], theirs: list[Run]) -> list[Target]:
    ours_ms, theirs_ms = [r.cpu_ms for r in ours], [r.cpu_ms for r in theirs]
    forks = max((run.children for run in ours if run.children is not None), default=float("nan"))
    basis = f"{len(ours)} runs each, alternating"
    return [
        Target("monitor CPU, medians, Buoy / IPaddr2", ratio(median(ours_ms), median(theirs_ms)),
               SHARE_OF_IPADDR2, "", basis),
        Target("monitor CPU, sums, Buoy / IPaddr2", ratio(sum(ours_ms), sum(theirs_ms)),
               SHARE_OF_IPADDR2, "", basis),
        Target("monitor child processes, Buoy, most", forks, 0, "", basis),
    ]  # fmt: skip


def run(context: Context) -> Outcome:
    """Alternate the two agents run by run, so that the machine's noise hits both alike."""
    agents = [buoy("10.77.0.50"), ipaddr2("10.77.0.51")]
    runs: dict[str, list[Run]] = {agent.peer: [] for agent in agents}
    with ExitStack() as stack:
        cluster = stack.enter_context(context.lab())
        # A pid namespace for each: IPaddr2's start leaves a shell behind that starts processes a
        # second later, and they must not be counted as the other's.
        runners = [(agent, stack.enter_context(Runner(cluster, NODE))) for agent in agents]
        for agent, runner in runners:
            runner.call(agent, "start")
            # The first one finds nothing in the page cache.
            runner.call(agent, "monitor", INTERVAL_MS)
        for number in range(context.rounds):
            context.progress(f"{number + 1}/{context.rounds}")
            for agent, runner in runners:
                runs[agent.peer].append(runner.call(agent, "monitor", INTERVAL_MS))
        for agent, runner in runners:
            runner.call(agent, "stop")
    ours, theirs = (runs[agent.peer] for agent in agents)
    series = [one for agent in agents for one in _series(agent, runs[agent.peer])]
    return Outcome(series, _targets(ours, theirs))
