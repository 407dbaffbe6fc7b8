# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting on a condition with a deadline; nothing in the lab sleeps blindly."""

from __future__ import annotations

import time
from typing import Callable, TypeVar

from lab.errors import LabError

T = TypeVar("T")


def wait_until(
    what: str,
    condition: Callable[[], T],
    timeout_s: float = 30.0,
    interval_s: float = 0.05,
    explain: Callable[[], str] | None = None,
) -> T:
    """Poll until the condition is true and return its value.

    At the deadline it raises with `what` and, when given, what `explain` saw instead, because
    "timed out" alone tells nobody what to look at.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            seen = f"; {explain()}" if explain else ""
            raise LabError(f"waited {timeout_s:g} s for {what}, in vain{seen}")
        time.sleep(interval_s)
