# SPDX-License-Identifier: GPL-2.0-or-later
"""./lab probe: what a probe sees, told as it happens."""

from __future__ import annotations

import ipaddress
import time
from typing import Callable

from lab.errors import LabError
from lab.probe import Probe, Report, Request


class Narrator:
    """Tells turns and gaps from requests that come in order."""

    def __init__(self, say: Callable[[str], None], answered: Callable[[Request], bool]) -> None:
        self._say, self._answered = say, answered
        self._first_ms: float | None = None
        self._last: Request | None = None
        self._who: tuple[str, str | None] | None = None
        self._silent = 0

    def tell(self, request: Request) -> None:
        """One more request whose fate is known."""
        if self._first_ms is None:
            self._first_ms = request.sent_ms
        at = f"{(request.sent_ms - self._first_ms) / 1000:9.3f} s  "
        if not self._answered(request):
            self._silent += 1
            if self._silent == 1:
                self._say(f"{at}no answer")
            return
        host = request.hosts[0] if request.hosts else "?"
        if self._silent:
            gap = f" after {request.sent_ms - self._last.sent_ms:.0f} ms" if self._last else ""
            self._say(f"{at}answers again{gap}, {self._silent} requests unanswered")
        if (host, request.mac) != self._who:
            self._say(f"{at}{host} ({request.mac}) answers")
            self._who = (host, request.mac)
        if len(set(request.hosts)) > 1:
            self._say(f"{at}TWO NODES ANSWER: {', '.join(request.hosts)}")
        self._last, self._silent = request, 0


def summary(report: Report) -> str:
    """The totals, in three lines."""
    trips = report.round_trips_ms()
    gaps = report.gaps()
    answered = sum(1 for request in report.requests if report.answered(request))
    lines = [f"{len(report.requests)} requests, {answered} answered in time"]
    if trips:
        lines.append(f"round trip: median {trips[len(trips) // 2]:.3f} ms, longest {trips[-1]:.3f} ms")
    longest = max((gap.length_ms for gap in gaps if gap.end_ms is not None), default=0.0)
    still = ", one of them still open" if gaps and gaps[-1].end_ms is None else ""
    lines.append(f"gaps: {len(gaps)}{still}; longest {longest:.0f} ms")
    return "\n".join(lines)


def follow(lab: str, address: str, interval_ms: float, count: int) -> int:
    """Probe until Ctrl-C or the count is reached, telling what changes; 1 if nothing answered."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise LabError(f"'{address}' is no address; give one such as 10.77.0.50") from None

    def say(text: str) -> None:
        print(text, flush=True)

    probe = Probe(lab, address, interval_ms, count)
    narrator, told = Narrator(say, probe.report().answered), 0

    def catch_up() -> None:
        nonlocal told
        for request in probe.decided(told):
            narrator.tell(request)
            told += 1

    try:
        while not probe.finished():
            catch_up()
            time.sleep(0.05)
    except KeyboardInterrupt:
        pass
    report = probe.stop()
    catch_up()
    print(summary(report))
    return 0 if report.round_trips_ms() else 1
