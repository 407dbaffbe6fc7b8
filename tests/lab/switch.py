# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's two networks: a switch namespace with a bridge for each, and the cables into it.

`lan` carries the floating addresses and the client, `ring` carries Corosync. A cut network is a
bridge split in several: ports move to another bridge and keep their carrier, as behind two switches
whose trunk is broken.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from lab.commands import ip, ip_batch, run
from lab.errors import LabError
from lab.processes import in_namespace
from lab.state import State
from lab.waiting import wait_until

NETWORKS = ("lan", "ring")
CLIENT = "client"


@dataclass(frozen=True)
class Socket:
    """What a host has on one network."""

    device: str
    mac: str
    addresses: tuple[str, ...]


def host_number(host: str) -> int:
    """The last octet of a host's addresses."""
    return 100 if host == CLIENT else int(host[1:])


def socket_of(host: str, network: str) -> Socket:
    """Device, MAC and addresses of a host on a network; the same in every lab."""
    number = host_number(host)
    if network == "ring":
        return Socket("eth1", f"02:b0:01:00:01:{number:02x}", (f"10.78.0.{number}/24",))
    addresses = (f"10.77.0.{number}/24", f"2001:db8:77::{number}/64")
    return Socket("eth0", f"02:b0:01:00:00:{number:02x}", addresses)


def networks_of(host: str) -> tuple[str, ...]:
    """The client has no business on Corosync's network."""
    return ("lan",) if host == CLIENT else NETWORKS


def port_name(host: str, network: str) -> str:
    """The switch's end of a cable."""
    return f"{host}-{network}"


class Switch:
    """Both networks of one lab."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.netns = self.netns_of("switch")

    def netns_of(self, host: str) -> str:
        """The network namespace of a host of this lab."""
        return f"buoy-{self._state.name}-{host}"

    def make(self) -> None:
        """Make the switch namespace with one bridge per network."""
        self._make_netns("switch")
        for network in NETWORKS:
            self._make_bridge(network)

    def plug_in(self, host: str) -> None:
        """Make a host's network namespace with its cables, as left by `set_link` and `split`."""
        netns = self.netns_of(host)
        self._make_netns(host)
        ip("link", "set", "lo", "up", netns=netns)
        for network in networks_of(host):
            socket, port = socket_of(host, network), port_name(host, network)
            # fmt: off
            ip_batch([f"link add name {port} type veth peer name {socket.device}"
                      f" address {socket.mac} netns {netns}",
                      f"link set {port} master {self._bridge(host, network)} addrgenmode none"],
                     self.netns)
            ip_batch([*(f"address add {address} dev {socket.device}"
                        + (" nodad" if ":" in address else "") for address in socket.addresses),
                      f"link set {socket.device} up"], netns)
            # fmt: on
            if self._wanted().get(port, True):
                ip("link", "set", port, "up", netns=self.netns)

    def silence(self, host: str) -> None:
        """Take the carrier from all of a host's cables at once, without remembering it.

        Each takes the kernel some milliseconds. The ring goes first: a daemon that hears of the other one would
        hand everything over by it, as no node without power does.
        """
        present = self._ports()
        ports = [port_name(host, network) for network in reversed(networks_of(host))]
        ip_batch([f"link set {port} down" for port in ports if port in present], self.netns)

    def unplug(self, host: str) -> None:
        """Remove a host's cables and its namespace, and with it all its kernel knew."""
        present = self._ports()
        ports = [port_name(host, network) for network in networks_of(host)]
        ip_batch([f"link delete {port}" for port in ports if port in present], self.netns)
        if os.path.exists(f"/run/netns/{self.netns_of(host)}"):
            ip("netns", "delete", self.netns_of(host))

    def set_link(self, host: str, network: str, up: bool) -> None:
        """Pull or plug one cable. It stays that way over a power-off."""
        if network not in networks_of(host):
            raise LabError(f"{host} has no cable on '{network}'; it has {networks_of(host)}")
        port = port_name(host, network)
        self._state.write("links.json", {**self._wanted(), port: up})
        if port in self._ports():
            ip("link", "set", port, "up" if up else "down", netns=self.netns)

    def split(self, networks: tuple[str, ...], groups: list[list[str]]) -> None:
        """Cut networks into groups of hosts that hear only each other."""
        segments = self._state.read("segments.json", {})
        for number, group in enumerate(groups, start=1):
            for host in group:
                for network in networks:
                    segments[port_name(host, network)] = number
        self._state.write("segments.json", segments)
        self._rewire()

    def heal(self) -> None:
        """One bridge per network again."""
        self._state.write("segments.json", {})
        self._rewire()

    def forwarding(self, mac: str) -> list[str]:
        """The hosts behind whose ports the switch expects a MAC: normally one or none."""
        table = json.loads(run(["bridge", "-n", self.netns, "-json", "fdb", "show", "dynamic"]))
        ports = [entry["ifname"] for entry in table if entry["mac"] == mac.lower()]
        return sorted({port.partition("-")[0] for port in ports if "-" in port})

    def _wanted(self) -> dict[str, bool]:
        return self._state.read("links.json", {})

    def _ports(self) -> set[str]:
        if not os.path.exists(f"/run/netns/{self.netns}"):
            return set()
        return {link["ifname"] for link in json.loads(ip("-json", "link", netns=self.netns))}

    def _bridge(self, host: str, network: str) -> str:
        segment = self._state.read("segments.json", {}).get(port_name(host, network), 1)
        name = network if segment == 1 else f"{network}.{segment}"
        if name not in self._ports():
            self._make_bridge(name)
        return name

    def _rewire(self) -> None:
        present = self._ports()
        moves = []
        for port in sorted(present):
            host, dash, network = port.partition("-")
            if dash:
                moves.append(f"link set {port} master {self._bridge(host, network)}")
        ip_batch(moves, self.netns)

    def _make_bridge(self, name: str) -> None:
        # fmt: off
        ip_batch([f"link add name {name} type bridge forward_delay 0 mcast_snooping 0",
                  f"link set {name} addrgenmode none up"], self.netns)
        # fmt: on

    def _make_netns(self, host: str) -> None:
        netns = self.netns_of(host)
        if os.path.exists(f"/run/netns/{netns}"):
            raise LabError(
                f"a network namespace '{netns}' exists and is not this lab's; "
                "remove it or give the lab another --name"
            )
        self._state.record_netns(netns)
        ip("netns", "add", netns)


def remove_netns(netns: str) -> None:
    """Kill whatever still runs in a namespace of ours, then remove it."""
    path = f"/run/netns/{netns}"
    if not os.path.exists(path):
        return

    def emptied() -> bool:
        left = in_namespace("net", path)
        for process in left:
            process.kill()
        return not left

    wait_until(f"the processes in {netns} to end", emptied, 20, 0.01)
    ip("netns", "delete", netns)
