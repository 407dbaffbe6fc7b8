# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of ./lab."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import Callable

from bench.command import add_arguments as add_bench_arguments
from bench.command import bench as run_benches
from lab.build import NORMAL
from lab.cluster import FENCING_MODES, Cluster
from lab.demo import Demo
from lab.errors import LabError
from lab.probe_report import follow
from lab.settings import Settings
from lab.setup import set_up
from lab.signals import catch_signals
from lab.state import all_labs
from lab.suite import run_all
from lab.switch import CLIENT, NETWORKS

DEFAULT_NAME = "lab"


def up(options: argparse.Namespace) -> int:
    """Make a lab, wait until the cluster is whole, say how to go on."""
    set_up()
    settings = Settings(
        nodes=options.nodes,
        token_ms=options.token,
        stock_timers=options.stock_timers,
        stonith_action="reboot" if options.fence_reboots else "off",
    )
    cluster = Cluster.create(options.name, settings)
    print(f"lab '{options.name}': {options.nodes} nodes are booting", flush=True)
    if not options.no_wait:
        print(f"lab '{options.name}': {cluster.wait_online()}")
    print(f"try: ./lab exec --name {options.name} n1 crm_mon -1   (./lab down when done)")
    return 0


def down(options: argparse.Namespace) -> int:
    """Remove one lab or all."""
    names = [state.name for state in all_labs()] if options.all else [options.name]
    for name in names:
        Cluster(name).down()
        print(f"lab '{name}' is gone")
    return 0


def list_labs(options: argparse.Namespace) -> int:
    """One line per lab and per node."""
    for state in all_labs():
        cluster = Cluster(state.name)
        try:
            nodes = cluster.nodes()
        except LabError as problem:
            print(problem)
            continue
        print(f"{state.name} (fencing: {cluster.fencing().mode})")
        for node in nodes:
            init = node.init()
            print(f"  {node.name}: {f'on, first process {init.pid}' if init else 'off'}")
    return 0


def execute(options: argparse.Namespace) -> int:
    """Run a command, or a shell, on a node or the client."""
    command = options.command[options.command[:1] == ["--"] :] or ["/bin/bash", "-i"]
    argv = Cluster(options.name).enter(options.host, command)
    os.execvp(argv[0], argv)


def on_node(action: Callable[[Cluster, str], None], said: str) -> Callable[..., int]:
    """A subcommand that does one thing to each node named."""

    def act(options: argparse.Namespace) -> int:
        cluster = Cluster(options.name)
        for name in options.nodes:
            action(cluster, name)
            print(f"{name} {said}")
        return 0

    return act


def partition(options: argparse.Namespace) -> int:
    """Split "n1 n2 / n3" into groups and cut between them."""
    groups: list[list[str]] = [[]]
    for word in options.groups:
        if word == "/":
            groups.append([])
        else:
            groups[-1].append(word)
    if len(groups) < 2 or not all(groups):
        raise LabError("name the groups with ' / ' between them, for example: partition n1 n2 / n3")
    networks = NETWORKS if options.network == "both" else (options.network,)
    Cluster(options.name).partition(groups, networks)
    print(" | ".join(" ".join(group) for group in groups))
    return 0


def heal(options: argparse.Namespace) -> int:
    """Undo partitions."""
    Cluster(options.name).heal()
    print("healed")
    return 0


def link(options: argparse.Namespace) -> int:
    """Take or give a carrier."""
    Cluster(options.name).set_link(options.host, options.state == "up", options.network)
    print(f"{options.host}: {options.network} is {options.state}")
    return 0


def fencing(options: argparse.Namespace) -> int:
    """Change how the power switch behaves."""
    Cluster(options.name).set_fencing(options.mode, options.delay)
    print(f"fencing: {options.mode}" + (f", {options.delay:g} s" if options.delay else ""))
    return 0


def probe(options: argparse.Namespace) -> int:
    """Ask an address every few ms and tell who answers."""
    Cluster(options.name).settings()
    count = options.count or round(options.seconds * 1000 / options.interval_ms)
    return follow(options.name, options.address, options.interval_ms, count)


def demo(options: argparse.Namespace) -> int:
    """The demonstration, from nothing to nothing."""
    set_up()
    return Demo(options.agent).run([options.act] if options.act else [1, 2, 3])


def test(options: argparse.Namespace) -> int:
    """Every test."""
    return run_all(options.only, options.match, options.long)


def bench(options: argparse.Namespace) -> int:
    """Figures, from nothing to nothing."""
    set_up()
    return run_benches(options)


def simulate(options: argparse.Namespace) -> int:
    """The ownership core against everything that can go wrong, on every core of the machine."""
    set_up()
    # fmt: off
    command = [str(NORMAL.path / "tests" / "simulation" / "simulate"), "--seeds", str(options.seeds),
               "--first", str(options.first), "--threads", str(os.cpu_count() or 1),
               "--keep", str(NORMAL.path / "breaches")]
    # fmt: on
    for option in ("nodes", "fault"):
        if value := getattr(options, option):
            command += [f"--{option}", value]
    if options.dense:
        command += ["--dense", "yes"]
    return subprocess.run(command, check=False).returncode


def set_up_only(options: argparse.Namespace) -> int:
    """Packages, build, staged install."""
    set_up(verbose=True)
    return 0


# fmt: off
class Commands:
    """The subcommands and their options."""

    def __init__(self) -> None:
        self.parser = argparse.ArgumentParser(
            prog="./lab",
            description="Real Corosync and Pacemaker clusters in network namespaces of this machine, "
            "with fencing and a client. Networks: lan 10.77.0.0/24 and 2001:db8:77::/64 (nodes .1, "
            ".2, ..., client .100) and ring 10.78.0.0/24 (Corosync).",
        )
        self._commands = self.parser.add_subparsers(metavar="COMMAND", required=True)
        self._whole_runs()
        self._labs()
        self._faults()
        self._observation()

    def _add(self, name: str, action: Callable[..., int], text: str, named: bool = True) -> argparse.ArgumentParser:
        command = self._commands.add_parser(name, help=text, description=text)
        command.set_defaults(action=action)
        if named:
            command.add_argument("--name", default=DEFAULT_NAME, help="which lab (default: lab)")
        return command

    def _whole_runs(self) -> None:
        self._add("setup", set_up_only, "install missing packages and build; the others do it by themselves", named=False)
        shown = self._add("demo", demo, "an address, a pool of thirty, and one shared by all, through moves, standby and power-offs; 90 s", named=False)
        shown.add_argument("--agent", default="ocf:buoy:address", help="another agent to compare with, for example ocf:heartbeat:IPaddr2")
        shown.add_argument("--act", type=int, choices=(1, 2, 3), help="one address (1), the pool (2) or the buckets (3) only")
        tested = self._add("test", test, "run every test; the last line is the total", named=False)
        tested.add_argument("--only", nargs="+", default=[], metavar="STEP", help="these steps only, for example: unit cluster")
        tested.add_argument("--match", default="", metavar="TEXT", help="tests whose name contains this only")
        tested.add_argument("--long", action="store_true", help="with the tests that take long; some five minutes more")
        measured = self._add("bench", bench, "measure Buoy against IPaddr2 and keepalived; some twenty minutes, on an idle machine", named=False)
        add_bench_arguments(measured)
        self._simulation()

    def _simulation(self) -> None:
        run = self._add("simulate", simulate, "run the ownership core through random schedules of cuts, crashes, pauses and changes", named=False)
        run.add_argument("--seeds", type=int, default=100_000, metavar="N", help="how many schedules (default: 100000)")
        run.add_argument("--first", type=int, default=1, metavar="SEED", help="the first one's seed (default: 1)")
        run.add_argument("--nodes", default="", metavar="N[,N...]", help="sizes of the clusters, for example: 3,5 (default: 2 to 7)")
        run.add_argument("--dense", action="store_true", help="several things go wrong in every beat, to look for what is rare")
        run.add_argument("--fault", default="", metavar="NAME", help="remove this rule, and see what comes of it (names: docs/ownership.md)")

    def _labs(self) -> None:
        new = self._add("up", up, "make a lab and boot its nodes")
        new.add_argument("--nodes", type=int, default=3, help="how many (default: 3)")
        new.add_argument("--token", type=int, default=1000, metavar="MS", help="Corosync's token time-out (default: 1000)")
        new.add_argument("--stock-timers", action="store_true", help="Corosync's own timers instead of low ones")
        new.add_argument("--fence-reboots", action="store_true", help="a fenced node boots again instead of staying off")
        new.add_argument("--no-wait", action="store_true", help="return while the nodes boot")
        gone = self._add("down", down, "remove a lab and all it made, also after a crash of the lab itself")
        gone.add_argument("--all", action="store_true", help="every lab on this machine")
        for name in ("list", "status"):
            self._add(name, list_labs, "show the labs of this machine and their nodes", named=False)
        inside = self._add("exec", execute, "run a command, or a shell, on a node or the client")
        inside.add_argument("host", help=f"n1, n2, ... or {CLIENT}")
        inside.add_argument("command", nargs=argparse.REMAINDER, help="default: a shell")

    def _faults(self) -> None:
        for name, action, said, text in (
            ("kill", Cluster.kill, "is half dead: no process left, kernel and links as they were",
             "end all processes of a node; its kernel still answers"),
            ("power-off", Cluster.power_off, "is off", "switch a node off as by pulling the plug"),
            ("power-on", Cluster.power_on, "boots", "boot a node that is off or killed"),
            ("pause", Cluster.pause, "is paused", "stop all processes of a node where they stand"),
            ("resume", Cluster.resume, "goes on", "continue a paused node"),
        ):
            self._add(name, on_node(action, said), text).add_argument("nodes", nargs="+", metavar="NODE")
        cut = self._add("partition", partition, "cut the networks between groups of nodes: partition n1 n2 / n3")
        cut.add_argument("groups", nargs="+", metavar="NODE|/", help="nodes, with / between groups; the client is with the first unless named")
        cut.add_argument("--network", choices=("both", *NETWORKS), default="both", help="what to cut (default: both)")
        self._add("heal", heal, "undo all partitions")
        cable = self._add("link", link, "take a node's carrier, or give it back")
        cable.add_argument("host", metavar="NODE", help=f"n1, n2, ... or {CLIENT}")
        cable.add_argument("state", choices=("up", "down"))
        cable.add_argument("--network", choices=NETWORKS, default="lan", help="which interface (default: lan)")
        power = self._add("fencing", fencing, "make the power switch work, fail, be slow, or be off (unreachable)")
        power.add_argument("mode", choices=FENCING_MODES)
        power.add_argument("--delay", type=float, default=0.0, metavar="S", help="how slow (with slow)")

    def _observation(self) -> None:
        asked = self._add("probe", probe, "ping an address from the client and tell who answers and when nobody does")
        asked.add_argument("address", help="for example 10.77.0.50")
        asked.add_argument("--interval-ms", type=float, default=5.0, metavar="MS", help="default: 5")
        asked.add_argument("--count", type=int, default=0, help="how many requests (default: until Ctrl-C)")
        asked.add_argument("--seconds", type=float, default=0.0, help="how long (default: until Ctrl-C)")
# fmt: on


def main(arguments: list[str]) -> int:
    """Run one command; what the user can mend is one line, not a traceback."""
    catch_signals()
    options = Commands().parser.parse_args(arguments)
    try:
        return options.action(options)
    except LabError as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
