# SPDX-License-Identifier: GPL-2.0-or-later
"""What a node's first process owes the services it starts."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import unittest

from lab.node_init import Services
from lab.waiting import wait_until

# Tells that it is ready and then, as Corosync does, every change of its state, blocking if need be.
_TALKATIVE = """
import os, socket
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def tell(what):
    told.sendto(what, os.environ["NOTIFY_SOCKET"])
tell(b"STATUS=starting")
tell(b"READY=1")
for change in range(5000):
    try:
        tell(b"STATUS=membership")
    except (ConnectionRefusedError, FileNotFoundError):
        pass
"""


def _ended(pid: int) -> tuple[int, int] | None:
    ended = os.waitpid(pid, os.WNOHANG)
    return ended if ended != (0, 0) else None


class Notifications(unittest.TestCase):
    def test_service_that_goes_on_telling_is_never_blocked(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            services = Services(os.path.join(scratch, "notify"))
            service = {"name": "talkative", "argv": [sys.executable, "-c", _TALKATIVE], "notify": True}
            with contextlib.redirect_stdout(io.StringIO()) as console:
                pid = services.start(service)
            self.assertIn("talkative is ready", console.getvalue())
            ended = wait_until(
                "the service to have said all", lambda: _ended(pid), 20, explain=lambda: "it is blocked"
            )
            self.assertEqual((pid, 0), ended)


if __name__ == "__main__":
    unittest.main()
