# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's power switch: does what fence agents inside the nodes ask for.

Runs outside the nodes, one per lab, until the lab goes. Usage: watcher.py LAB.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.cluster import Cluster  # noqa: E402
from lab.errors import LabError  # noqa: E402


class Watcher:
    """Answers requests of the form "ACTION NODE ASKER"."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def serve(self, path: Path) -> None:
        """Listen for ever; every request gets a thread, as one may be slow on purpose."""
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(16)
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            try:
                action, node, asker = connection.makefile().readline().split()
            except ValueError:
                return
            try:
                answer = "ok " + self._answer(action, node)
            except LabError as problem:
                answer = f"failed {problem}\n"
            print(f"{time.monotonic():.3f} {asker}: {action} {node}: {answer.strip()}", flush=True)
            try:
                connection.sendall(answer.encode())
            except OSError:
                pass  # the asker was itself switched off, or gave up

    def _answer(self, action: str, node: str) -> str:
        fencing = self._cluster.fencing()
        if fencing.mode == "off":
            raise LabError("the power switch is off (./lab fencing work)")
        if action == "list":
            return "".join(f"{name},\n" for name in self._cluster.node_names())
        if action == "monitor":
            return ""
        if action == "status":
            return "on\n" if self._cluster.node(node).init() else "off\n"
        if action not in ("on", "off", "reboot"):
            raise LabError(f"no such action: {action}")
        self._cluster.node(node)
        if fencing.mode == "fail":
            raise LabError("the power switch refuses (./lab fencing work)")
        if fencing.mode == "slow":
            time.sleep(fencing.delay_s)
        if action in ("off", "reboot"):
            self._cluster.power_off(node)
        if action in ("on", "reboot") and not self._cluster.node(node).init():
            self._cluster.power_on(node)
        return ""


def main() -> None:
    """Serve the lab named on the command line."""
    cluster = Cluster(sys.argv[1])
    Watcher(cluster).serve(cluster.state.path / "shared" / "power.sock")


if __name__ == "__main__":
    main()
