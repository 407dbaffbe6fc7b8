# SPDX-License-Identifier: GPL-2.0-or-later
"""One node: its disk, its power button and a way into it."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab.build import STAGE
from lab.errors import LabError
from lab.processes import Process, in_namespace, only_child, spawn
from lab.settings import Settings, corosync_conf, first_cib, hosts_file
from lab.state import State
from lab.switch import Switch
from lab.waiting import wait_until

OVERLAYS = ("usr", "etc", "var", "root", "tmp")
# Directories of the node's disk that hide the machine's, with owner and mode.
FRESH = {
    "etc/corosync": ("root", 0o755),
    "etc/corosync/uidgid.d": ("root", 0o755),
    "var/log": ("root", 0o755),
    "var/log/corosync": ("root", 0o755),
    "var/log/cluster": ("root", 0o755),
    "var/log/crmsh": ("hacluster", 0o775),
    "var/log/pcsd": ("root", 0o700),
    "var/log/pacemaker": ("hacluster", 0o770),
    "var/log/pacemaker/bundles": ("hacluster", 0o770),
    "var/lib/buoy": ("root", 0o755),
    "var/lib/corosync": ("root", 0o755),
    "var/lib/pcsd": ("root", 0o700),
    "var/lib/pacemaker": ("hacluster", 0o755),
    "var/lib/pacemaker/blackbox": ("hacluster", 0o750),
    "var/lib/pacemaker/cib": ("hacluster", 0o750),
    "var/lib/pacemaker/cores": ("hacluster", 0o750),
    "var/lib/pacemaker/pengine": ("hacluster", 0o750),
}
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": os.environ.get("TERM", "dumb"),
}


class Node:
    """One node of a lab, on or off."""

    def __init__(self, state: State, switch: Switch, name: str) -> None:
        self.name = name
        self._state = state
        self._switch = switch
        self._folder = state.path / "nodes" / name
        self.disk = self._folder / "disk"
        self.console = self._folder / "console.log"

    def install(self, settings: Settings, authkey: bytes) -> None:
        """Prepare the disk as an installed member of the cluster that has never booted."""
        upper = self.disk / "upper"
        for directory in OVERLAYS:
            for part in (upper / directory, self.disk / "work" / directory):
                part.mkdir(parents=True)
            there = os.stat(f"/{directory}")
            os.chmod(upper / directory, there.st_mode & 0o7777)
        for directory, (owner, mode) in FRESH.items():
            self._make_fresh(upper / directory, owner, mode)
        files = {
            "etc/corosync/corosync.conf": corosync_conf(settings).encode(),
            "etc/corosync/authkey": authkey,
            "etc/hosts": hosts_file(settings).encode(),
            "etc/hostname": f"{self.name}\n".encode(),
            "var/lib/pacemaker/cib/cib.xml": first_cib(settings).encode(),
            "usr/sbin/fence_lab": Path(__file__).with_name("fence_lab.py").read_bytes(),
        }
        for path, content in files.items():
            (upper / path).parent.mkdir(parents=True, exist_ok=True)
            (upper / path).write_bytes(content)
        (upper / "etc/corosync/authkey").chmod(0o400)
        (upper / "usr/sbin/fence_lab").chmod(0o755)
        account = pwd.getpwnam("hacluster")
        cib = upper / "var/lib/pacemaker/cib/cib.xml"
        os.chown(cib, account.pw_uid, account.pw_gid)
        cib.chmod(0o600)
        self._write_boot_config(settings)

    def _make_fresh(self, path: Path, owner: str, mode: int) -> None:
        path.mkdir(parents=True)
        path.chmod(mode)
        account = pwd.getpwnam(owner)
        os.chown(path, account.pw_uid, account.pw_gid)
        os.setxattr(path, "trusted.overlay.opaque", b"y")

    def _write_boot_config(self, settings: Settings) -> None:
        services: list[dict[str, Any]] = []
        if settings.pacemaker:
            services = [
                {"name": "corosync", "argv": ["/usr/sbin/corosync", "-f"], "notify": True},
                {"name": "pacemaker", "argv": ["/usr/sbin/pacemakerd"]},
            ]
        config = {
            "name": self.name,
            "disk": str(self.disk),
            "overlays": OVERLAYS,
            "layers": [str(STAGE)],
            "shared": str(self._state.path / "shared"),
            "services": services,
        }
        self._state.write(f"nodes/{self.name}/boot.json", config)

    def boot(self) -> None:
        """Switch it on. Returns when its first process runs, not when the node is in the cluster."""
        if self.init() is not None:
            raise LabError(f"{self.name} is already on")
        # After a plain kill the old kernel state is still there; a boot begins with none.
        self._switch.unplug(self.name)
        self._switch.plug_in(self.name)
        environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        command = ["/usr/bin/env", "-i", *environment]
        command += ["nsenter", f"--net=/run/netns/{self._switch.netns_of(self.name)}"]
        command += ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--kill-child"]
        command += ["--propagation", "private", sys.executable, "-B"]
        command += [str(Path(__file__).with_name("node_init.py")), str(self._folder / "boot.json")]
        outer = spawn(command, self._state.record_process, self.console)
        init = only_child(outer)
        self._state.record_process(init)
        self._state.write(f"nodes/{self.name}/init.json", [init.pid, init.start_ticks])

    def init(self) -> Process | None:
        """The node's first process, when the node is on."""
        known = self._state.read(f"nodes/{self.name}/init.json")
        process = Process(*known) if known else None
        return process if process and process.alive() else None

    def kill(self) -> None:
        """End every process at once and leave the kernel's side (addresses, links) as it is."""
        init = self.init()
        if init is not None:
            init.kill()

    def power_off(self) -> None:
        """Off as by pulling the plug. Silent on the wire before anything else happens."""
        self._switch.silence(self.name)
        self.kill()
        self._switch.unplug(self.name)

    def pause(self) -> None:
        """Stop every process where it stands; the kernel goes on answering."""
        handle = f"/proc/{self.require_on().pid}/ns/pid"
        self._signal_all(signal.SIGSTOP)
        # The signal is heeded when the process next gets the processor, which may take a while.
        wait_until(
            f"all processes of {self.name} to stand still",
            lambda: all(process.runs_no_more() for process in in_namespace("pid", handle)), 10, 0.001,
        )  # fmt: skip

    def resume(self) -> None:
        """Let a paused node go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        handle = f"/proc/{self.require_on().pid}/ns/pid"
        done: set[Process] = set()

        def nobody_new() -> bool:
            new = set(in_namespace("pid", handle)) - done
            for process in new:
                process.signal(number)
            done.update(new)
            return not new

        # A process may fork while we go through the list, so go through it until nothing is new.
        wait_until(f"all processes of {self.name} to be signalled", nobody_new, 10, 0)

    def require_on(self) -> Process:
        """The first process, or a clear refusal."""
        init = self.init()
        if init is None:
            raise LabError(f"{self.name} is off; ./lab power-on {self.name} boots it")
        return init

    def last_words(self) -> str:
        """The last line of the console, for when the node went off by itself."""
        lines = self.console.read_text(errors="replace").splitlines() if self.console.exists() else []
        return f"the console of {self.name} ends with: {lines[-1] if lines else 'nothing'}"

    def booted(self) -> bool:
        """Whether its mounts are made and its services started."""
        init = self.init()
        return init is not None and os.path.exists(f"/proc/{init.pid}/root/run/booted")

    def enter(self, command: list[str]) -> list[str]:
        """The command line that runs a command inside the node."""
        pid = str(self.require_on().pid)
        environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        entered = ["nsenter", "--target", pid, "--mount", "--uts", "--ipc", "--net", "--pid"]
        return [*entered, "--wd=/", "--", "/usr/bin/env", "-i", *environment, *command]

    def run(
        self, command: list[str], check: bool = True, timeout_s: float = 120, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the node; with `check`, a failure is a LabError with its words."""
        try:
            done = subprocess.run(
                self.enter(command), input=stdin, capture_output=True, text=True,
                timeout=timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            words = " ".join(command)
            raise LabError(f"on {self.name}: {words}: no end within {timeout_s:g} s") from None
        if check and done.returncode != 0:
            said = (done.stderr + done.stdout).strip() or "it said nothing"
            raise LabError(f"on {self.name}: {' '.join(command)}: exit {done.returncode}: {said}")
        return done
