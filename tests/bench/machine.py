# SPDX-License-Identifier: GPL-2.0-or-later
"""What one has to know of a machine and of the peers to judge the figures taken there."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from lab.build import ROOT

PEERS = ("pacemaker", "corosync", "resource-agents", "keepalived", "iproute2", "libc6")


def _said(*command: str) -> str:
    """What a command prints; nothing when it fails or is not there. Facts must not end a run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)


def _clock_source() -> str:
    path = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    return path.read_text().strip() if path.exists() else ""


def cores() -> int:
    """The processors that we may use."""
    return len(os.sched_getaffinity(0))


def load() -> list[float]:
    """The load averages of 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def now() -> str:
    """UTC, for people and for sorting."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def facts() -> dict[str, object]:
    """Machine, versions and the state of the sources."""
    versions = {
        name: _said("dpkg-query", "--show", "--showformat", "${Version}", name) for name in PEERS
    }
    git = ["git", "-C", str(ROOT)]
    return {
        "machine": {
            "kernel": platform.release(),
            "architecture": platform.machine(),
            "processor": _processor(),
            "cores": cores(),
            "memory_mib": _memory_mib(),
            "clock_source": _clock_source(),
            "python": platform.python_version(),
        },
        "versions": versions,
        "commit": _said(*git, "rev-parse", "HEAD"),
        "modified": bool(_said(*git, "status", "--porcelain", "--untracked-files=no")),
    }
