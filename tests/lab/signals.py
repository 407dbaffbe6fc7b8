# SPDX-License-Identifier: GPL-2.0-or-later
"""Being told to stop."""

from __future__ import annotations

import signal
from typing import NoReturn


def _interrupt(number: int, frame: object) -> NoReturn:
    # Once is enough: what follows is the tearing down, which must not be interrupted.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def catch_signals() -> None:
    """Turn SIGINT and SIGTERM into one KeyboardInterrupt, so that every `finally` runs."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
