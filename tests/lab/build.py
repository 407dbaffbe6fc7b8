# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds Buoy and stages its install below build/, never on the machine itself."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from lab.errors import LabError

ROOT = Path(__file__).resolve().parents[2]
STAGE = ROOT / "build" / "stage"


@dataclass(frozen=True)
class Flavour:
    """One build directory and what it is configured with."""

    folder: str
    options: tuple[str, ...] = ()
    kind: str = "RelWithDebInfo"
    # Built alone where CMake has a target of this name, everything otherwise.
    target: str = "all"

    @property
    def path(self) -> Path:
        """Its build directory."""
        return ROOT / self.folder


NORMAL = Flavour("build")
# Unoptimised: half the time to build, and the optimiser cannot remove what is to be found.
SANITIZED = Flavour("build-asan", ("-DBUOY_SANITIZE=ON",), "Debug")
FUZZING = Flavour(
    "build-fuzz",
    ("-DBUOY_FUZZ=ON", "-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++"),
    target="fuzz",
)
FLAVOURS = {flavour.folder: flavour for flavour in (NORMAL, SANITIZED, FUZZING)}


@contextmanager
def _alone(flavour: Flavour) -> Iterator[None]:
    """Two labs started at once must not build in one directory at once."""
    flavour.path.mkdir(exist_ok=True)
    with (flavour.path / ".lab-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], verbose: bool) -> str:
    """Run a build step: silent unless it fails or was asked to tell."""
    environment = {**os.environ, "CCACHE_DIR": str(ROOT / ".cache" / "ccache")}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0 or verbose:
        sys.stdout.write(done.stdout)
        sys.stdout.flush()
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} failed with {done.returncode}; see above")
    return done.stdout


def build(flavour: Flavour, verbose: bool = False) -> None:
    """Configure when needed and build what is out of date."""
    for tool in ("cmake", "ninja"):
        if shutil.which(tool) is None:
            raise LabError(f"{tool} is not installed; run ./lab setup")
    # fmt: off
    configure = ["cmake", "-S", str(ROOT), "-B", str(flavour.path), "-G", "Ninja",
                 f"-DCMAKE_BUILD_TYPE={flavour.kind}", "-DCMAKE_INSTALL_PREFIX=/usr",
                 "-DBUOY_WERROR=ON", *flavour.options]
    # fmt: on
    if shutil.which("ccache"):
        configure += ["-DCMAKE_C_COMPILER_LAUNCHER=ccache", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]
    with _alone(flavour):
        note = flavour.path / ".lab-configured"
        configured = note.read_text() if note.exists() else ""
        if configured != "\n".join(configure) or not (flavour.path / "build.ninja").exists():
            print(f"{flavour.folder}: configuring and building ...", flush=True)
            _run(configure, verbose)
            note.write_text("\n".join(configure))
        known = _run(["ninja", "-C", str(flavour.path), "-t", "targets", "all"], False)
        target = flavour.target if f"\n{flavour.target}: phony" in known else "all"
        _run(["ninja", "-C", str(flavour.path), target], verbose)


def stage(verbose: bool = False) -> None:
    """Install the normal build into build/stage if it was rebuilt since the last time."""
    with _alone(NORMAL):
        note, log = NORMAL.path / ".lab-staged", NORMAL.path / ".ninja_log"
        built = max(log.stat().st_mtime_ns, (NORMAL.path / "build.ninja").stat().st_mtime_ns)
        if note.exists() and note.stat().st_mtime_ns > built:
            return
        environment_prefix = ["env", f"DESTDIR={STAGE}"]
        _run([*environment_prefix, "cmake", "--install", str(NORMAL.path)], verbose)
        note.touch()
