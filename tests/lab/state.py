# SPDX-License-Identifier: GPL-2.0-or-later
"""What a lab is and what it has made, on disk, so that any later process can go on or clean up.

Things are written down before they are made. `down` after a crash needs nothing else, and touches
nothing that is not written here.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from lab.errors import LabError
from lab.processes import Process

BASE = Path("/run/buoy-lab")
# Namespace names and Unix socket paths are built from it, hence the limit.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")


def check_name(name: str) -> str:
    """Refuse a lab name that would not do in file and namespace names."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"lab name '{name}' will not do: use up to 24 lower-case letters, digits and '-', "
            "beginning with a letter"
        )
    return name


class State:
    """The state folder of one lab."""

    def __init__(self, name: str) -> None:
        self.name = check_name(name)
        self.path = BASE / name

    def exists(self) -> bool:
        """Whether there is a lab of this name, whole or broken."""
        return self.path.is_dir()

    def create(self, settings: dict[str, Any]) -> None:
        """Claim the name; making the folder is what decides between two who want it."""
        BASE.mkdir(mode=0o755, exist_ok=True)
        try:
            self.path.mkdir(mode=0o755)
        except FileExistsError:
            raise self.taken() from None
        (self.path / "shared").mkdir()
        self.write("lab.json", settings)

    def taken(self) -> LabError:
        """The refusal to make a second lab of this name."""
        return LabError(
            f"there already is a lab '{self.name}'; take it down first "
            f"(./lab down --name {self.name}) or give this one another --name"
        )

    def read(self, file: str, otherwise: Any = None) -> Any:
        """A JSON file of the folder, or `otherwise` when there is none."""
        try:
            return json.loads((self.path / file).read_text())
        except FileNotFoundError:
            return otherwise

    def write(self, file: str, value: Any) -> None:
        """Replace a JSON file in one step, so that a reader or a crash never sees half of it."""
        target = self.path / file
        draft = target.with_suffix(".new")
        draft.write_text(json.dumps(value, indent=1))
        draft.replace(target)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lab's lock: for changes only, never while waiting for the cluster."""
        if not self.exists():
            raise LabError(f"there is no lab '{self.name}'; ./lab list shows those there are")
        descriptor = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def record_process(self, process: Process) -> None:
        """Write down a process of the lab that lives outside its namespaces or starts one."""
        self._append("processes", f"{process.pid} {process.start_ticks}")

    def record_netns(self, netns: str) -> None:
        """Write down a network namespace that is about to be made."""
        self._append("namespaces", netns)

    def processes(self) -> list[Process]:
        """All processes written down."""
        return [Process(*map(int, line.split())) for line in self._lines("processes")]

    def namespaces(self) -> list[str]:
        """All namespaces written down, each once."""
        return list(dict.fromkeys(self._lines("namespaces")))

    def remove(self) -> None:
        """Forget the lab. The base folder goes with the last one."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.exists():
            raise LabError(f"could not remove {self.path}; is something mounted below it?")
        try:
            BASE.rmdir()
        except OSError:
            pass

    def _append(self, file: str, line: str) -> None:
        with (self.path / file).open("a") as output:
            output.write(line + "\n")

    def _lines(self, file: str) -> list[str]:
        try:
            text = (self.path / file).read_text()
        except FileNotFoundError:
            return []
        # A crash can leave a last line without its end: that one was never acted on.
        return text.split("\n")[:-1]


def all_labs() -> list[State]:
    """Every lab on this machine."""
    if not BASE.is_dir():
        return []
    return [State(path.name) for path in sorted(BASE.iterdir()) if _NAME.fullmatch(path.name)]
