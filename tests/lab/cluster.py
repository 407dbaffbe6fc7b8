# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab as the demo, the tests and the command line see it: nodes, power, cables, waiting."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Iterator

from lab import pacemaker
from lab.commands import run
from lab.errors import LabError
from lab.node import ENVIRONMENT, Node
from lab.processes import spawn
from lab.settings import Settings
from lab.state import State
from lab.switch import CLIENT, NETWORKS, Switch, networks_of, remove_netns
from lab.waiting import wait_until

FENCING_MODES = ("work", "fail", "slow", "off")


@dataclass(frozen=True)
class Fencing:
    """How the lab's power switch behaves towards fence agents."""

    mode: str = "work"
    delay_s: float = 0.0


class Cluster:
    """One lab by name. Objects are cheap and hold nothing: the state folder knows everything."""

    def __init__(self, name: str) -> None:
        self.state = State(name)
        self.switch = Switch(self.state)

    @staticmethod
    def create(name: str, settings: Settings) -> Cluster:
        """Make a lab and switch all its nodes on; it is not waited for."""
        cluster = Cluster(name)
        if cluster.state.exists():
            raise cluster.state.taken()
        try:
            cluster.build(settings)
        except BaseException:
            if cluster.state.exists():
                cluster.down()
            raise
        return cluster

    def build(self, settings: Settings) -> None:
        """Claim the name, make the networks, boot the nodes. Whoever calls this cleans up."""
        self.state.create(asdict(settings))
        with self.state.locked():
            self.switch.make()
            self.switch.plug_in(CLIENT)
            watcher = str(Path(__file__).with_name("watcher.py"))
            spawn(
                [sys.executable, "-B", watcher, self.state.name],
                self.state.record_process,
                self.state.path / "watcher.log",
            )
            authkey = secrets.token_bytes(256)
            for node in self.nodes():
                node.install(settings, authkey)
            for node in self.nodes():
                node.boot()

    def down(self) -> None:
        """Remove all this lab has made and nothing else, whatever state it is in."""
        if not self.state.exists():
            raise LabError(f"there is no lab '{self.state.name}'; ./lab list shows those there are")
        for process in self.state.processes():
            process.kill()
        for netns in self.state.namespaces():
            remove_netns(netns)
        self.state.remove()

    def settings(self) -> Settings:
        """What the lab was made with."""
        if not self.state.exists():
            raise LabError(f"there is no lab '{self.state.name}'; ./lab up makes one")
        stored = self.state.read("lab.json")
        if stored is None:
            raise LabError(f"lab '{self.state.name}' is broken; ./lab down removes it")
        try:
            return Settings(**stored)
        except TypeError:
            raise LabError(
                f"lab '{self.state.name}' was made by another version of this; ./lab down removes it"
            ) from None

    def node_names(self) -> list[str]:
        """n1, n2, ..."""
        return self.settings().names()

    def nodes(self) -> list[Node]:
        """All nodes, on or off."""
        return [Node(self.state, self.switch, name) for name in self.node_names()]

    def node(self, name: str) -> Node:
        """One node by name."""
        names = self.node_names()
        if name not in names:
            raise LabError(f"lab '{self.state.name}' has no node '{name}'; it has {', '.join(names)}")
        return Node(self.state, self.switch, name)

    # Faults

    def kill(self, name: str) -> None:
        """End all processes of a node: half dead, as its kernel still answers."""
        with self.state.locked():
            self.node(name).kill()

    def power_off(self, name: str) -> None:
        """Switch a node off; no harm if it is off."""
        with self.state.locked():
            self.node(name).power_off()

    def power_on(self, name: str) -> None:
        """Boot a node that is off or has been killed."""
        with self.state.locked():
            self.node(name).boot()

    def pause(self, name: str) -> None:
        """Stop all processes of a node."""
        with self.state.locked():
            self.node(name).pause()

    def resume(self, name: str) -> None:
        """Continue all processes of a node."""
        with self.state.locked():
            self.node(name).resume()

    def partition(self, groups: list[list[str]], networks: tuple[str, ...] = NETWORKS) -> None:
        """Cut networks into groups; hosts in no group form one more, the client among them."""
        hosts = [*self.node_names(), CLIENT]
        named = [host for group in groups for host in group]
        for host in named:
            if host not in hosts:
                raise LabError(f"lab '{self.state.name}' has no '{host}'; it has {', '.join(hosts)}")
        if len(named) != len(set(named)):
            raise LabError("a host can be in one group only")
        rest = [host for host in hosts if host not in named]
        # The client is where the first group is unless told otherwise.
        if rest == [CLIENT] and groups:
            groups = [[*groups[0], CLIENT], *groups[1:]]
            rest = []
        with self.state.locked():
            for network in networks:
                here = [[h for h in group if network in networks_of(h)] for group in [*groups, rest]]
                self.switch.split((network,), [group for group in here if group])

    def heal(self) -> None:
        """Undo every partition."""
        with self.state.locked():
            self.switch.heal()

    def set_link(self, name: str, up: bool, network: str = "lan") -> None:
        """Take or give the carrier of one of a host's interfaces."""
        if name != CLIENT:
            self.node(name)
        with self.state.locked():
            self.switch.set_link(name, network, up)

    def fencing(self) -> Fencing:
        """How the power switch behaves now."""
        return Fencing(**self.state.read("fencing.json", {}))

    def set_fencing(self, mode: str, delay_s: float = 0.0) -> None:
        """Make fencing work, fail, be slow or be unreachable ("off")."""
        if mode not in FENCING_MODES:
            raise LabError(f"fencing can {', '.join(FENCING_MODES)}; '{mode}' is none of these")
        with self.state.locked():
            self.state.write("fencing.json", asdict(Fencing(mode, delay_s)))

    def fencings(self, name: str, verdict: str = "ok") -> list[float]:
        """When the power switch was asked to switch a node off, with what result; by the monotonic clock, in s."""
        log = (self.state.path / "watcher.log").read_text().splitlines()
        return [float(line.split()[0]) for line in log if f": off {name}: {verdict}" in line]

    # Inside

    def run(
        self, host: str, command: list[str], check: bool = True, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a node or the client."""
        if host != CLIENT:
            return self.node(host).run(command, check, timeout_s)
        done = subprocess.run(
            self.enter(host, command), capture_output=True, text=True, timeout=timeout_s, check=False
        )
        if check and done.returncode != 0:
            raise LabError(f"on {host}: {' '.join(command)}: exit {done.returncode}: {done.stderr}")
        return done

    def enter(self, host: str, command: list[str]) -> list[str]:
        """The command line that runs a command on a node or the client."""
        if host != CLIENT:
            return self.node(host).enter(command)
        environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        entered = ["nsenter", f"--net=/run/netns/{self.switch.netns_of(CLIENT)}"]
        return [*entered, "/usr/bin/env", "-i", *environment, *command]

    def pcs(self, *arguments: str) -> str:
        """pcs on some node that is on."""
        return self.anywhere(["pcs", *arguments])

    def anywhere(self, command: list[str]) -> str:
        """A command on the first node that is in the cluster."""
        return self.run(self.vantage(), command).stdout

    def vantage(self) -> str:
        """A node from which the cluster can be seen: on, and in the partition with quorum."""
        return self._look()[0]

    # The cluster's own view

    def _look(self) -> tuple[str, pacemaker.View]:
        """The first node that sees a cluster with quorum, and what it sees."""
        for name in self.node_names():
            view = self.view_from(name)
            if view is not None and view.quorum:
                return name, view
        raise LabError(f"no node of lab '{self.state.name}' sees a cluster with quorum")

    def view_from(self, name: str) -> pacemaker.View | None:
        """Pacemaker's view as one node has it; none while Pacemaker does not answer there."""
        if not self.node(name).booted():
            return None
        # Where Corosync or Pacemaker stand still, as on a paused node, crm_mon waits for ever.
        command = ["timeout", "10", "crm_mon", "--output-as=xml", "--inactive"]
        try:
            done = self.run(name, command, check=False)
        except LabError:
            return None  # switched off meanwhile
        return pacemaker.parse(done.stdout) if done.returncode == 0 else None

    def view(self) -> pacemaker.View:
        """The view of the partition with quorum."""
        return self._look()[1]

    def wait_view(
        self, what: str, wanted: pacemaker.Condition, timeout_s: float = 60
    ) -> pacemaker.View:
        """Wait until a node's view satisfies a condition; the failure shows the last view."""
        last: list[str] = ["no node answered"]

        def satisfied() -> pacemaker.View | None:
            if not any(node.init() for node in self.nodes()):
                raise LabError(f"no node is on while waiting for {what}: {self.node('n1').last_words()}")
            for name in self.node_names():
                view = self.view_from(name)
                if view is None or not view.quorum:
                    continue
                last[0] = f"{name} sees {view}"
                if wanted(view):
                    return view
            return None

        view = wait_until(what, satisfied, timeout_s, 0.1, lambda: last[0])
        assert view is not None
        return view

    def wait_online(self, *names: str, timeout_s: float = 90) -> pacemaker.View:
        """Wait until Pacemaker has these nodes (all by default) online, with the fence device up."""
        wanted = set(names or self.node_names())

        for name in wanted:
            self.node(name).require_on()

        def online(view: pacemaker.View) -> bool:
            for name in wanted:
                self.node(name).require_on()
            return wanted <= view.online and "fencing" in view.running and view.settled

        return self.wait_view(f"{', '.join(sorted(wanted))} to be online", online, timeout_s)

    def wait_running(self, resource: str, on: str | None = None, timeout_s: float = 60) -> str:
        """Wait until a resource runs (on one node, if given); returns its node."""

        def running(view: pacemaker.View) -> bool:
            places = view.running.get(resource, ())
            return len(places) == 1 and (on is None or places[0] == on)

        where = f" on {on}" if on else ""
        return self.wait_view(f"{resource} to run{where}", running, timeout_s).running[resource][0]

    def settle(self, timeout_s: float = 60) -> None:
        """Wait until Pacemaker has nothing left to do."""
        self.anywhere(["crm_resource", "--wait", f"--timeout={timeout_s:g}s"])


@contextmanager
def temporary(prefix: str, settings: Settings) -> Iterator[Cluster]:
    """A lab with a name of its own that goes with the block, also on an interrupt."""
    cluster = Cluster(f"{prefix}-{os.getpid()}")
    try:
        cluster.build(settings)
        yield cluster
    finally:
        # The name holds our pid: if there is such a lab, it is ours.
        if cluster.state.exists():
            cluster.down()
