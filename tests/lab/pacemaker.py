# SPDX-License-Identifier: GPL-2.0-or-later
"""What crm_mon says, as values."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class View:
    """The cluster as one node sees it."""

    quorum: bool
    dc: str
    online: frozenset[str]
    standby: frozenset[str]
    offline: frozenset[str]
    unclean: frozenset[str]
    resources: frozenset[str]
    running: dict[str, tuple[str, ...]]
    failed: frozenset[str]
    settled: bool

    def __str__(self) -> str:
        running = ", ".join(f"{name} on {'+'.join(at)}" for name, at in sorted(self.running.items()))
        return (
            f"online {'+'.join(sorted(self.online)) or 'none'}"
            f", standby {'+'.join(sorted(self.standby)) or 'none'}"
            f", offline {'+'.join(sorted(self.offline)) or 'none'}"
            f", unclean {'+'.join(sorted(self.unclean)) or 'none'}"
            f", running: {running or 'nothing'}; failed {'+'.join(sorted(self.failed)) or 'none'}"
        )


Condition = Callable[[View], bool]


def parse(xml: str) -> View | None:
    """The view in crm_mon's XML; none while it has no cluster to speak of."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    current = root.find("summary/current_dc")
    if current is None or current.get("present") != "true":
        return None
    nodes = root.findall("nodes/node")

    def having(wanted: Callable[[ElementTree.Element], bool]) -> frozenset[str]:
        return frozenset(str(node.get("name")) for node in nodes if wanted(node))

    running: dict[str, tuple[str, ...]] = {}
    failed, busy = set(), False
    # Failed actions as well: their resource may be stopped by now, and banned.
    for failure in root.findall("failures/failure"):
        failed.add(str(failure.get("op_key")).rpartition("_")[0].rpartition("_")[0])
    for resource in root.iter("resource"):
        name = str(resource.get("id"))
        busy = busy or resource.get("pending") is not None
        if resource.get("failed") == "true":
            failed.add(name)
        # Stopped and stopping instances have a node too now and then; role is what counts.
        if resource.get("role") in ("Started", "Promoted") and resource.get("active") == "true":
            places = tuple(str(node.get("name")) for node in resource.findall("node"))
            running[name] = running.get(name, ()) + places
    return View(
        quorum=current.get("with_quorum") == "true",
        dc=str(current.get("name")),
        online=having(lambda node: node.get("online") == "true" and node.get("pending") != "true"),
        standby=having(lambda node: node.get("standby") == "true"),
        offline=having(lambda node: node.get("online") != "true"),
        unclean=having(lambda node: node.get("unclean") == "true"),
        resources=frozenset(str(one.get("id")) for one in root.iter("resource")),
        running=running,
        failed=frozenset(failed),
        settled=not busy,
    )
