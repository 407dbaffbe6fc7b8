# SPDX-License-Identifier: GPL-2.0-or-later
"""What a client sees of an address: who answers, and how long nobody does.

A request counts as answered when its answer came in time (`late_ms`). A gap reaches from the last
answered request before it to the first answered request after it, both by the time they were sent.
A request that waited in the client's queue for a neighbour to resolve is late, not answered: the
client waited that long.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError
from lab.waiting import wait_until


def now_ms() -> float:
    """The clock of all probes and captures: monotonic, in ms."""
    return time.monotonic_ns() / 1e6


@dataclass(slots=True)
class Request:
    """One echo request and what became of it."""

    sequence: int
    sent_ms: float
    answered_ms: float | None = None
    mac: str | None = None
    hosts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Gap:
    """A stretch without answers. `end_ms` is None while nobody has answered since."""

    start_ms: float
    end_ms: float | None
    unanswered: int
    before: str | None
    after: str | None

    @property
    def length_ms(self) -> float:
        """Its length; infinite for one that has not ended."""
        return float("inf") if self.end_ms is None else self.end_ms - self.start_ms


@dataclass(frozen=True)
class Turn:
    """From when on which host answers, under which MAC."""

    since_ms: float
    host: str
    mac: str


class Report:
    """The requests of one probe, in the order they were sent."""

    def __init__(self, requests: list[Request], late_ms: float) -> None:
        self.requests = requests
        self._late_ms = late_ms

    def answered(self, request: Request) -> bool:
        """Whether the answer came, and in time."""
        at = request.answered_ms
        return at is not None and at - request.sent_ms <= self._late_ms

    def since(self, start_ms: float, end_ms: float = float("inf")) -> Report:
        """The part sent in a stretch of time, with the request before it for the gap's start."""
        first = 0
        for index, request in enumerate(self.requests):
            if request.sent_ms >= start_ms:
                first = index
                break
        else:
            first = len(self.requests)
        while first > 0 and not self.answered(self.requests[first - 1]):
            first -= 1
        part = self.requests[max(0, first - 1) :]
        return Report([one for one in part if one.sent_ms <= end_ms], self._late_ms)

    def gaps(self) -> list[Gap]:
        """Every stretch in which at least one request had no answer in time."""
        gaps: list[Gap] = []
        last: Request | None = None
        missed: list[Request] = []
        for request in self.requests:
            if not self.answered(request):
                missed.append(request)
                continue
            if missed:
                gaps.append(self._gap(last, missed, request))
            last, missed = request, []
        if missed:
            gaps.append(self._gap(last, missed, None))
        return gaps

    def _gap(self, last: Request | None, missed: list[Request], first: Request | None) -> Gap:
        return Gap(
            start_ms=last.sent_ms if last else missed[0].sent_ms,
            end_ms=first.sent_ms if first else None,
            unanswered=len(missed),
            before=last.hosts[0] if last and last.hosts else None,
            after=first.hosts[0] if first and first.hosts else None,
        )

    def longest_gap_ms(self) -> float:
        """0 when every request was answered."""
        return max((gap.length_ms for gap in self.gaps()), default=0.0)

    def turns(self) -> list[Turn]:
        """Who answered, with a new entry for each change of host or MAC."""
        turns: list[Turn] = []
        for request in self.requests:
            if request.answered_ms is None or request.mac is None:
                continue
            host = request.hosts[0] if request.hosts else "?"
            if not turns or (turns[-1].host, turns[-1].mac) != (host, request.mac):
                turns.append(Turn(request.answered_ms, host, request.mac))
        return turns

    def answered_twice(self) -> list[Request]:
        """Requests that more than one host answered: two nodes held the address at once."""
        return [request for request in self.requests if len(set(request.hosts)) > 1]

    def round_trips_ms(self) -> list[float]:
        """Sorted round-trip times of the answered requests."""
        times = [r.answered_ms - r.sent_ms for r in self.requests if r.answered_ms is not None]
        return sorted(times)


class Probe:
    """A running probe; use it as a context manager, then ask for its report."""

    def __init__(self, lab: str, address: str, interval_ms: float = 5.0, count: int = 0) -> None:
        if interval_ms < 0.2:
            raise LabError(f"an interval of {interval_ms:g} ms is too short: 0.2 ms or more")
        self.address = address
        self.late_ms = max(10.0, 3 * interval_ms)
        self._requests: dict[int, Request] = {}
        self._lock = threading.Lock()
        script = str(Path(__file__).with_name("prober.py"))
        interval_ns = str(round(interval_ms * 1e6))
        self._child = subprocess.Popen(
            [sys.executable, "-B", script, lab, address, interval_ns, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is for us: the prober is to end when its input does, with its last answers.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> Report:
        """End it, wait for the last answers and return the report."""
        if self._child.stdin and not self._child.stdin.closed:
            self._child.stdin.close()
        self._child.wait()
        self._reader.join()
        return self.report()

    def finished(self) -> bool:
        """Whether all it was to send has been sent and waited for."""
        return self._child.poll() is not None

    def report(self) -> Report:
        """What is known so far; complete after `stop`."""
        with self._lock:
            return Report(list(self._requests.values()), self.late_ms)

    def decided(self, first: int) -> list[Request]:
        """Requests from a sequence number on whose answers have come or are late."""
        ready: list[Request] = []
        deadline_ms = now_ms() - self.late_ms if not self.finished() else float("inf")
        with self._lock:
            while (request := self._requests.get(first + len(ready))) is not None:
                if request.sent_ms > deadline_ms:
                    break
                ready.append(request)
        return ready

    def wait_answer(self, host: str | None = None, timeout_s: float = 60) -> Request:
        """Wait until a request sent from now on is answered (by one host, if given)."""
        start_ms = now_ms()

        def answer() -> Request | None:
            with self._lock:
                for request in reversed(self._requests.values()):
                    if request.sent_ms < start_ms:
                        return None
                    if request.answered_ms and request.hosts and host in (None, request.hosts[0]):
                        return request
            if self.finished():
                raise LabError(f"the probe of {self.address} has ended")
            return None

        by = f" by {host}" if host else ""
        found = wait_until(f"{self.address} to be answered{by}", answer, timeout_s, 0.002)
        assert found is not None
        return found

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            kind, sequence_text, time_text, *who = line.split()
            sequence, time_ms = int(sequence_text), int(time_text) / 1e6
            with self._lock:
                if kind == "S":
                    self._requests[sequence] = Request(sequence, time_ms)
                    continue
                request = self._requests[sequence]
                if kind == "P":
                    request.hosts.append(who[0])
                elif request.answered_ms is None:
                    request.answered_ms, request.mac = time_ms, who[0]
