# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether two nodes held an address at one time, judged by the frames they sent.

A frame proves that its sender held the address at that moment: an echo's answer, an ARP reply, a
neighbour advertisement. Frames come one after the other, so what shows two holders is their order. A
handover is one change of sender, there and back two. Two nodes that both hold the address take turns
for as long as it lasts. Who takes an address over announces it first, so turns that all begin with an
announcement are handovers, however many.
"""

from __future__ import annotations

from dataclasses import dataclass

# Three changes within this: A, B, A, B. No cluster hands over three times in it unless it is told to.
ALTERNATING_MS = 200.0
# Two changes within this: A, B, A. A handover takes an ordered message and a datagram at least, and
# this would have been two.
THERE_AND_BACK_MS = 4.0


ANNOUNCED = "announced it"


@dataclass(frozen=True, order=True, slots=True)
class Evidence:
    """A frame in which a node said that it has an address."""

    time_ms: float
    host: str
    how: str


@dataclass(frozen=True)
class Overlap:
    """Frames that show two holders at one time."""

    address: str
    frames: tuple[Evidence, ...]

    def hosts(self) -> frozenset[str]:
        """Whose they are."""
        return frozenset(one.host for one in self.frames)

    def __str__(self) -> str:
        first_ms = self.frames[0].time_ms
        said = [f"{one.host} {one.how} (+{one.time_ms - first_ms:.3f} ms)" for one in self.frames]
        return f"{self.address} at {first_ms:.3f}: {', '.join(said)}"


def _changes(evidence: list[Evidence]) -> list[tuple[Evidence, Evidence]]:
    """Each place where another node than before speaks: the last word of one, the first of the next."""
    pairs = zip(evidence, evidence[1:])
    return [(before, after) for before, after in pairs if before.host != after.host]


def overlaps(address: str, evidence: list[Evidence]) -> list[Overlap]:
    """Every place at which the order of frames cannot come from handovers, in any order given."""
    found: list[Overlap] = []
    changes = _changes(sorted(evidence))
    for index, (before, after) in enumerate(changes):
        # What came after: one change more for there and back, two for taking turns.
        said = (before, after, *(change[1] for change in changes[index + 1 : index + 3]))
        for length, within_ms in ((3, THERE_AND_BACK_MS), (4, ALTERNATING_MS)):
            frames = said[:length]
            returns = len({one.host for one in frames}) < length == len(frames)
            taken_over = length == 4 and all(one.how == ANNOUNCED for one in frames[1:])
            if returns and not taken_over and frames[-1].time_ms - before.time_ms < within_ms:
                found.append(Overlap(address, frames))
                break
    return found
