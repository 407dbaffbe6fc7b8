# SPDX-License-Identifier: GPL-2.0-or-later
"""What a client sees of many addresses at once, and which nodes say that they have them.

The asking is done by a native program (tests/tools/sweep.cpp).
"""

from __future__ import annotations

import ipaddress
from typing import Callable

from lab.cluster import Cluster
from lab.errors import LabError
from lab.evidence import ANNOUNCED, Evidence, Overlap, overlaps
from lab.kernel import room_for_neighbours
from lab.probe import Report, Request, now_ms
from lab.recorder import Recorder
from lab.switch import CLIENT
from lab.waiting import wait_until

# From so many on the kernel would run out of room for neighbours, by its default.
_MANY = 250

Holders = dict[str, str]


class Sweep:
    """A running sweep; use it as a context manager, then ask for its reports.

    Every address is asked once per interval. With `audit_ms` every node is asked as well, at its own
    port of the switch, which addresses it would answer for: no client's neighbour cache can hide a
    second holder then.
    """

    def __init__(
        self, cluster: Cluster, addresses: list[str], interval_ms: float = 5.0, audit_ms: float = 0.0
    ) -> None:
        self.addresses = [str(ipaddress.ip_address(address)) for address in addresses]
        self.late_ms = max(10.0, 3 * interval_ms)
        self.cpu_s = 0.0
        # When the asking went on after it had been held up, and for how long: (end, length).
        self.stalls_ms: list[tuple[float, float]] = []
        self._requests: list[list[Request]] = [[] for _ in addresses]
        self._evidence: list[list[Evidence]] = [[] for _ in addresses]
        self._latest_ms = 0.0
        self._recorder = Recorder("sweep")
        if len(addresses) > _MANY:
            self._recorder.stack.enter_context(room_for_neighbours(4 * len(addresses)))
        nanoseconds = [str(round(time_ms * 1e6)) for time_ms in (interval_ms, audit_ms)]
        namespaces = [cluster.switch.netns_of(host) for host in (CLIENT, "switch")]
        self._recorder.start([*namespaces, *nanoseconds], self.addresses)

    def __enter__(self) -> Sweep:
        return self

    def __exit__(self, *exception: object) -> None:
        # What it has written is still to be had afterwards.
        with self._recorder.stack:
            self._recorder.end()
            self._catch_up()

    def stop(self) -> dict[str, Report]:
        """End it, wait for the last answers and return the reports."""
        self._recorder.end()
        reports = self.reports()
        self._recorder.check()
        return reports

    def reports(self) -> dict[str, Report]:
        """What is known so far, by address; complete after `stop`."""
        self._catch_up()
        return {
            address: Report(list(requests), self.late_ms)
            for address, requests in zip(self.addresses, self._requests)
        }

    def overlaps(self, since_ms: float = 0.0) -> list[Overlap]:
        """Where more than one node answered for an address at a time; see lab/evidence.py."""
        self._catch_up()
        found: list[Overlap] = []
        for address, evidence in zip(self.addresses, self._evidence):
            found += overlaps(address, [one for one in evidence if one.time_ms >= since_ms])
        return found

    def evidence(self, address: str) -> list[Evidence]:
        """Every frame in which a node said that it has an address, in order."""
        self._catch_up()
        return sorted(self._evidence[self.addresses.index(address)])

    def holders(self) -> Holders:
        """Who answered each address's latest answered request. What nobody answers now is left out."""
        self._catch_up()
        return self._holders()

    def _holders(self, start_ms: float = 0.0) -> Holders:
        """By the latest requests that are known of, and none from before a time."""
        held: Holders = {}
        since_ms = max(start_ms, self._latest_ms - 2 * self.late_ms)
        for address, requests in zip(self.addresses, self._requests):
            for request in reversed(requests):
                if request.sent_ms < since_ms:
                    break
                if request.answered_ms is not None and request.hosts:
                    held[address] = request.hosts[0]
                    break
        return held

    def wait(
        self, what: str, wanted: Callable[[Holders], bool] = lambda held: True, timeout_s: float = 30
    ) -> Holders:
        """Wait until every address is answered, by requests sent from now on, and a condition holds.

        The condition is asked with the holders by the latest requests.
        """
        start_ms = now_ms()
        last: list[Holders] = [{}]

        def satisfied() -> Holders | None:
            self._recorder.must_run(what)
            self._catch_up()
            last[0] = self._holders(start_ms)
            return last[0] if len(last[0]) == len(self.addresses) and wanted(last[0]) else None

        def seen() -> str:
            return f"the client sees {spread(last[0])} of {len(self.addresses)}"

        found = wait_until(what, satisfied, timeout_s, 0.02, seen)
        assert found is not None
        return found

    def _catch_up(self) -> None:
        """Read what has been written since the last time."""
        hosts, macs = self._recorder.hosts, self._recorder.macs
        for kind, value, sequence, address, who in self._recorder.records():
            if kind == b"S":
                self._latest_ms = value / 1e6
                self._requests[address].append(Request(sequence, self._latest_ms))
            elif kind == b"A":
                request = self._requests[address][sequence]
                if request.answered_ms is None:
                    request.answered_ms, request.mac = value / 1e6, macs[who]
            elif kind == b"P":
                self._requests[address][sequence].hosts.append(hosts[who])
                self._evidence[address].append(Evidence(value / 1e6, hosts[who], "answered an echo"))
            elif kind == b"C":
                how = ANNOUNCED if sequence else "answered who has it"
                self._evidence[address].append(Evidence(value / 1e6, hosts[who], how))
            elif kind == b"L":
                self.stalls_ms.append((value / 1e6, sequence / 1e3))
            elif kind == b"E":
                self.cpu_s = value / 1e9
                if sequence:
                    raise LabError(f"{sequence} frames were lost on their way to the sweep: ask less often")


def counts(held: Holders) -> dict[str, int]:
    """How many addresses each node holds."""
    found: dict[str, int] = {}
    for host in held.values():
        found[host] = found.get(host, 0) + 1
    return found


def spread(held: Holders) -> str:
    """The same to be read: "n1 10, n2 20"."""
    parts = [f"{host} {count}" for host, count in sorted(counts(held).items())]
    return ", ".join(parts) or "none"
