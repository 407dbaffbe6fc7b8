# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames seen on the wire while something happens, decoded."""

from __future__ import annotations

import select
import socket
import threading
from typing import Callable, Iterable, TypeVar

from lab.errors import LabError
from lab.frames import Advertisement, Arp, Frame, decode
from lab.switch import CLIENT, Switch
from lab.taps import ArrivalClock, open_tap
from lab.waiting import wait_until

Wanted = Callable[[Frame], bool]
T = TypeVar("T")


class Capture:
    """Records ARP, ICMP and ICMPv6, and all that comes from virtual MACs, until `stop`; use it as a context manager.

    At the switch (the default) it sees what each host sends on the LAN, and from whose port; at the
    client it sees what reaches the client.
    """

    def __init__(self, switch: Switch, at: str = "switch", network: str = "lan") -> None:
        if at not in ("switch", CLIENT):
            raise LabError(f"a capture is taken at the switch or the client, not at '{at}'")
        self._network, self._at = network, at
        self._tap = open_tap(switch.netns_of(at), "eth0" if at == CLIENT else None)
        self._clock = ArrivalClock()
        self._frames: list[Frame] = []
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the recording; the frames stay."""
        if self._thread.is_alive():
            self._wake.send(b"x")
            self._thread.join()
            for end in (self._tap, self._wake, self._woken):
                end.close()

    def frames(self, wanted: Wanted = lambda frame: True) -> list[Frame]:
        """Frames recorded so far that fit."""
        return [frame for frame in list(self._frames) if wanted(frame)]

    def wait(self, what: str, wanted: Wanted, count: int = 1, timeout_s: float = 20) -> list[Frame]:
        """Wait until so many fitting frames have been recorded."""

        def enough() -> list[Frame] | None:
            found = self.frames(wanted)
            return found if len(found) >= count else None

        def seen() -> str:
            return f"{len(self.frames(wanted))} of {count} seen among {len(self._frames)} frames"

        found = wait_until(what, enough, timeout_s, 0.005, seen)
        assert found is not None
        return found

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._tap, self._woken], [], [])
            if self._woken in ready:
                return
            try:
                time_ns, device, data = self._clock.receive(self._tap)
            except OSError:
                continue
            host, dash, network = device.partition("-")
            if self._at == "switch" and (not dash or network != self._network):
                continue
            frame = decode(time_ns, host if dash else CLIENT, data)
            if frame:
                self._frames.append(frame)


def announces(address: str) -> Wanted:
    """Frames that tell everybody who holds an address: gratuitous ARP, unsolicited NA."""

    def fits(frame: Frame) -> bool:
        packet = frame.packet
        if isinstance(packet, Arp):
            return packet.gratuitous and packet.sender_ip == address
        if isinstance(packet, Advertisement):
            return packet.target == address and not packet.solicited
        return False

    return fits


def packets(frames: Iterable[Frame], kind: type[T]) -> list[T]:
    """The packets of one kind in some frames."""
    return [frame.packet for frame in frames if isinstance(frame.packet, kind)]
