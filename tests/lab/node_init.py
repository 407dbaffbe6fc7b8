# SPDX-License-Identifier: GPL-2.0-or-later
"""The first process of a node: builds the node's view of the machine, starts its services, reaps.

Runs as pid 1 of new pid, mount, uts and ipc namespaces inside the node's network namespace. Usage:
node_init.py CONFIG.json. What it prints goes to the node's console log.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab import kernel  # noqa: E402

READY_S = 60.0


def say(text: str) -> None:
    """A line for the console log."""
    print(f"{time.monotonic():.3f} {text}", flush=True)


def overlay_root(config: dict[str, Any]) -> None:
    """Lay the node's disk and the staged build over the machine's directories.

    Whatever the node writes lands on its own disk, which outlives a power-off and goes with the lab.
    """
    for directory in config["overlays"]:
        disk = Path(config["disk"])
        upper, work = disk / "upper" / directory, disk / "work" / directory
        lowers = [f"{layer}/{directory}" for layer in config["layers"]]
        below = ":".join([path for path in lowers if os.path.isdir(path)] + [f"/{directory}"])
        options = f"lowerdir={below},upperdir={upper},workdir={work}"
        kernel.mount("buoy-lab", f"/{directory}", "overlay", 0, options)


def mount_everything(config: dict[str, Any]) -> None:
    """Everything a node must not share with the machine or with other nodes."""
    shared = os.open(config["shared"], os.O_PATH)
    overlay_root(config)
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    # A node that panics must not take the machine along.
    if os.path.exists("/proc/sysrq-trigger"):
        kernel.mount("/dev/null", "/proc/sysrq-trigger", "", kernel.MS_BIND)
    # A sysfs mounted here shows this network namespace.
    kernel.mount("sysfs", "/sys", "sysfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    kernel.mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=700")
    kernel.mount("tmpfs", "/dev/shm", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=1777")
    release_other_namespaces()
    kernel.mount("tmpfs", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    for name, mode in (("lock", 0o1777), ("lab", 0o755), ("resource-agents", 0o1755)):
        os.mkdir(f"/run/{name}")
        os.chmod(f"/run/{name}", mode)
    kernel.mount(f"/proc/self/fd/{shared}", "/run/lab", "", kernel.MS_BIND)
    os.close(shared)


def release_other_namespaces() -> None:
    """Drop our copies of the handles in /run/netns, or we would keep other labs' networks alive."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        target = line.split()[4]
        if target.startswith("/run/netns"):
            try:
                kernel.unmount(target)
            except OSError:
                pass  # unmounting its parent took it along


class Services:
    """Starts the node's services in order and reaps whatever ends."""

    def __init__(self, notify_path: str = "/run/init-notify") -> None:
        self._names: dict[int, str] = {}
        self._notify_path = notify_path

    def start(self, service: dict[str, Any]) -> int:
        """Start one and, if it says when it is ready (as for systemd), wait for that."""
        environment = dict(os.environ)
        if not service.get("notify"):
            return self._spawn(service, environment)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(self._notify_path)
            told.settimeout(READY_S)
            environment["NOTIFY_SOCKET"] = self._notify_path
            pid = self._spawn(service, environment)
            self._wait_ready(service["name"], told)
        # Closed from here on: Corosync tells every change of membership, and an open socket that
        # nobody reads would make it wait for us, for ever, once its queue is full.
        os.unlink(self._notify_path)
        return pid

    def _spawn(self, service: dict[str, Any], environment: dict[str, str]) -> int:
        child = subprocess.Popen(service["argv"], env=environment, stdin=subprocess.DEVNULL)
        self._names[child.pid] = service["name"]
        say(f"{service['name']} started as {child.pid}")
        return child.pid

    def _wait_ready(self, name: str, told: socket.socket) -> None:
        try:
            while b"READY=1" not in told.recv(4096):
                pass
            say(f"{name} is ready")
        except TimeoutError:
            say(f"{name} was not ready within {READY_S:g} s; going on")

    def reap_forever(self) -> None:
        """Orphans of the whole node end up here."""
        while True:
            try:
                pid, status = os.wait()
            except ChildProcessError:
                signal.pause()
                continue
            if pid in self._names:
                say(f"{self._names.pop(pid)} ended with {os.waitstatus_to_exitcode(status)}")


def main() -> None:
    """Boot."""
    config = json.loads(Path(sys.argv[1]).read_text())
    socket.sethostname(config["name"])
    mount_everything(config)
    os.chdir("/")
    say("mounted")
    # Wakes the pause() above when a process is handed to us while we had none.
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    services = Services()
    for service in config["services"]:
        services.start(service)
    Path("/run/booted").touch()
    say("booted")
    services.reap_forever()


if __name__ == "__main__":
    main()
