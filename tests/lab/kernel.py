# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls that Python 3.11 does not offer."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

CLONE_NEWNET = 0x40000000
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags),
        data.encode() or None,
    )  # fmt: skip
    _checked(result, target)


def unmount(target: str) -> None:
    """umount2(2), lazily: whoever still uses it keeps it."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH), target)


@contextmanager
def inside_netns(name: str) -> Iterator[None]:
    """Run the body in a named network namespace; only the calling thread moves.

    A socket stays in the namespace it was made in, so one process can hold ends in several.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.setns(there, CLONE_NEWNET), name)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _checked(_libc.setns(home, CLONE_NEWNET), "own network namespace")
    finally:
        os.close(home)


@contextmanager
def room_for_neighbours(count: int) -> Iterator[None]:
    """Let the kernel know so many neighbours at least, in all namespaces together.

    Its default is 1024, of which half may be thrown out after five seconds: a client of a thousand
    addresses would be asking who has them instead of asking them.
    """
    folders = [Path(f"/proc/sys/net/{family}/neigh/default") for family in ("ipv4", "ipv6")]
    limits = [folder / f"gc_thresh{number}" for folder in folders for number in (3, 2, 1)]
    before = {limit: limit.read_text() for limit in limits}
    try:
        for limit, text in before.items():
            if int(text) < count:
                limit.write_text(str(count))
        yield
    finally:
        for limit, text in before.items():
            limit.write_text(text)
