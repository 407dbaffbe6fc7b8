# SPDX-License-Identifier: GPL-2.0-or-later
"""Many TCP connections, as far as a SYN goes, to shared addresses, and which nodes answer each.

A native program (tests/tools/knock.cpp) sends and listens at every node's port of the switch; every SYN
has a number of its own, so every answer tells which one it is to.
"""

from __future__ import annotations

import ipaddress
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable

from lab.cluster import Cluster
from lab.commands import ip_batch, run
from lab.errors import LabError
from lab.probe import now_ms
from lab.recorder import Recorder
from lab.switch import CLIENT
from lab.waiting import wait_until

# Behind the client's own, which are no nodes' and no pool's.
_FIRST = {4: ipaddress.ip_address("10.77.0.129"), 6: ipaddress.ip_address("2001:db8:77::129")}
# How long an answer may take before a SYN counts as not answered.
LATE_MS = 100.0

# A connection's addresses and ports, by the place in the round: it goes to one bucket.
Tuple = int


@dataclass(slots=True)
class Syn:
    """One SYN and what came back."""

    sent_ms: float
    answers: list[tuple[float, str, bool]] = field(default_factory=list)

    def hosts(self) -> set[str]:
        """Which nodes answered."""
        return {host for _, host, _ in self.answers}


class Knock:
    """Running connections; use it as a context manager. `count` of them, or until the end if that is 0."""

    def __init__(
        self, cluster: Cluster, services: list[str], port: int = 80, per_second: int = 1000,
        clients: int = 16, ports: int = 16, count: int = 0,
    ) -> None:  # fmt: skip
        self.tuples = clients * len(services) * ports
        self._syns: list[Syn] = []
        self._lost = 0
        self._netns = cluster.switch.netns_of(CLIENT)
        self._recorder = Recorder("knock")
        flows = []
        for service in services:
            version = ipaddress.ip_address(service).version
            mac = self._mac(service)
            for number in range(clients):
                address = str(_FIRST[version] + number)
                flows.append(f"{address} {service} {port} {mac}")
                self._have(address, version)
        netns = [self._netns, cluster.switch.netns_of("switch")]
        self._recorder.start([*netns, str(per_second), str(ports), str(count)], flows)

    def __enter__(self) -> Knock:
        return self

    def __exit__(self, *exception: object) -> None:
        # What it has written is still to be had afterwards.
        with self._recorder.stack:
            self._recorder.end()
            self._catch_up()

    def _mac(self, service: str) -> str:
        """Where the client's kernel finds the service."""
        ask = ["ip", "netns", "exec", self._netns, "ping", "-c", "1", "-W", "1", service]

        def found() -> str | None:
            subprocess.run(ask, capture_output=True, check=False)
            words = run(["ip", "-n", self._netns, "neighbor", "show", service]).split()
            return words[words.index("lladdr") + 1] if "lladdr" in words else None

        mac = wait_until(f"{service} to be found by the client", found, 20)
        assert mac is not None
        return mac

    def _have(self, address: str, version: int) -> None:
        """Give the client an address, so that it answers who asks for it."""
        what = f"{address}/24" if version == 4 else f"{address}/64"
        more = " nodad" if version == 6 else ""
        ip_batch([f"address add {what} dev eth0{more}"], self._netns)
        self._recorder.stack.callback(ip_batch, [f"address delete {what} dev eth0"], self._netns)

    def stop(self) -> list[Syn]:
        """End it, wait for late answers; every SYN in order."""
        self._recorder.end()
        self._catch_up()
        self._recorder.check()
        if self._lost:
            raise LabError(f"{self._lost} frames were lost on their way to knock: send fewer")
        return self._syns

    def wait_sent(self, timeout_s: float = 60) -> list[Syn]:
        """Wait until all of a number have been sent, and answered if they are to be."""
        wait_until("all SYNs to be sent", lambda: not self._recorder.runs(), timeout_s, 0.05)
        return self.stop()

    def syns(self) -> list[Syn]:
        """Those so far."""
        self._catch_up()
        return self._syns

    def owners(self, since_ms: float = 0.0) -> dict[Tuple, str]:
        """Who answered each connection's latest SYN that has had its time; not who was not answered."""
        self._catch_up()
        latest: dict[Tuple, str] = {}
        until_ms = now_ms() - LATE_MS
        for number in range(len(self._syns) - 1, max(-1, len(self._syns) - 1 - 4 * self.tuples), -1):
            syn = self._syns[number]
            if syn.sent_ms > until_ms and not syn.answers:
                continue
            if syn.sent_ms < since_ms:
                break
            latest.setdefault(number % self.tuples, next(iter(syn.hosts()), ""))
        return {key: host for key, host in latest.items() if host}

    def wait(
        self, what: str, wanted: Callable[[dict[Tuple, str]], bool] = lambda owners: True,
        timeout_s: float = 30,
    ) -> dict[Tuple, str]:  # fmt: skip
        """Wait until every connection is answered, by SYNs sent from now on, and a condition holds."""
        start_ms = now_ms()
        last: list[dict[Tuple, str]] = [{}]

        def satisfied() -> dict[Tuple, str] | None:
            self._recorder.must_run(what)
            last[0] = self.owners(start_ms)
            return last[0] if len(last[0]) == self.tuples and wanted(last[0]) else None

        def seen() -> str:
            return f"{dict(Counter(last[0].values()))} of {self.tuples}"

        found = wait_until(what, satisfied, timeout_s, 0.05, seen)
        assert found is not None
        return found

    def answered_twice(self) -> list[Syn]:
        """SYNs that came back more than once, from whomever."""
        self._catch_up()
        return [syn for syn in self._syns if len(syn.answers) > 1]

    def unanswered(self, keys: set[Tuple] | None = None, since_ms: float = 0.0) -> list[Syn]:
        """SYNs that were not answered though they had time enough; of some connections only."""
        self._catch_up()
        until_ms = now_ms() - LATE_MS
        return [
            syn for number, syn in enumerate(self._syns)
            if since_ms <= syn.sent_ms < until_ms and not syn.answers
            and (keys is None or number % self.tuples in keys)
        ]  # fmt: skip

    def gaps_ms(self, since_ms: float = 0.0) -> dict[Tuple, float]:
        """The longest that each connection was not answered for: first SYN without to next with answer."""
        self._catch_up()
        began: dict[Tuple, float] = {}
        longest: dict[Tuple, float] = {}
        for number, syn in enumerate(self._syns):
            if syn.sent_ms < since_ms:
                continue
            key = number % self.tuples
            if not syn.answers:
                began.setdefault(key, syn.sent_ms)
            elif key in began:
                longest[key] = max(longest.get(key, 0.0), syn.sent_ms - began.pop(key))
        return longest

    def _catch_up(self) -> None:
        for kind, value, number, _, who in self._recorder.records():
            if kind == b"S":
                self._syns.append(Syn(value / 1e6))
            elif kind in (b"A", b"R"):
                host = self._recorder.hosts[who]
                self._syns[number].answers.append((value / 1e6, host, kind == b"R"))
            elif kind == b"E":
                self._lost = number
