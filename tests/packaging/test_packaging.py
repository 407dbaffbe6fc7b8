# SPDX-License-Identifier: GPL-2.0-or-later
"""What an installation consists of besides the programs: the manual against the programs, the unit, the folders.

Takes the build folder from BUOY_BUILD; ctest sets it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUOY_BUILD", ROOT / "build"))
MANUAL = ROOT / "docs" / "man" / "buoy.8"
LOGROTATE = ROOT / "packaging" / "logrotate.conf"
TMPFILES = ROOT / "packaging" / "tmpfiles.conf"
UNIT = BUILD / "packaging" / "buoyd.service"
COMMAND = re.compile(r"^  ([a-z-]+(?: [a-z-]+)?)(?: [A-Z]+)*  ", re.MULTILINE)
OPTION = re.compile(r"--[a-z]+")


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def entries(text: str) -> str:
    """What a page has an entry for, one a line; that it is mentioned elsewhere does not count."""
    return "\n".join(re.findall(r"^\.TP\n(.*)$", text, re.MULTILINE))


def commands_in(help_text: str) -> list[str]:
    return COMMAND.findall(help_text)


def page() -> str:
    """The manual page without its markup, but for the requests .TP: the others, quotes and escapes are gone."""
    text = MANUAL.read_text()
    text = re.sub(r"^\.(?!TP|\\)[A-Z]+ ?", "", text, flags=re.MULTILINE)
    return re.sub(r" +", " ", text.replace('"', "").replace("\\-", "-"))


class Manual(unittest.TestCase):
    def test_every_command_and_every_option_of_it_is_in_the_manual(self) -> None:
        buoy, manual = str(BUILD / "cli" / "buoy"), page()
        commands = commands_in(run(buoy, "--help"))
        self.assertIn("status", commands)
        self.assertIn("pool show", commands)
        for command in commands:
            with self.subTest(command):
                self.assertRegex(entries(manual), rf"(?m)^{command}(?![-\w])")
                for option in OPTION.findall(run(buoy, *command.split(), "--help").split("options:")[1]):
                    self.assertIn(option, manual)

    def test_the_manual_and_the_programs_speak_of_the_same_options(self) -> None:
        buoy, daemon = str(BUILD / "cli" / "buoy"), str(BUILD / "service" / "buoyd")
        helps = [run(buoy, "--help"), run(daemon, "--help")]
        helps += [run(buoy, *command.split(), "--help") for command in commands_in(helps[0])]
        self.assertEqual(set(OPTION.findall("".join(helps))), set(OPTION.findall(page())))
        self.assertRegex(run(buoy, "--version") + run(daemon, "--version"), r"^buoy (\S+)\nbuoyd \1\n$")

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_the_manual_is_well_formed(self) -> None:
        self.assertEqual("", run("groff", "-man", "-Tutf8", "-ww", "-z", str(MANUAL)))


class Service(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_systemd_finds_nothing_wrong_with_the_unit(self) -> None:
        # Not where the daemon is installed: in a copy of the unit that names the one just built.
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder, "buoyd.service")
            text, changed = re.subn(r"(?m)^ExecStart=.*$", f"ExecStart={BUILD}/service/buoyd", UNIT.read_text())
            self.assertEqual(1, changed)
            # What systemd looks for besides, and what it would ask man for, are not of this test.
            unit.write_text(re.sub(r"(?m)^Documentation=.*\n", "", text))
            Path(folder, "corosync.service").write_text("[Service]\nExecStart=/bin/true\n")
            self.assertEqual("", run("env", f"SYSTEMD_UNIT_PATH={folder}:/lib/systemd/system",
                                     "systemd-analyze", "verify", "--man=no", str(unit)))  # fmt: skip

    @unittest.skipUnless(shutil.which("systemd-tmpfiles"), "systemd is not installed")
    def test_the_folders_come_to_be(self) -> None:
        with tempfile.TemporaryDirectory() as root:
            Path(root, "etc").mkdir()
            Path(root, "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
            Path(root, "etc/group").write_text("root:x:0:\n")
            run("systemd-tmpfiles", "--create", f"--root={root}", str(TMPFILES))
            for folder in ("run/buoy/pools", "var/lib/buoy", "var/log/buoy"):
                self.assertEqual(0o755, Path(root, folder).stat().st_mode & 0o7777, folder)

    @unittest.skipUnless(shutil.which("logrotate"), "logrotate is not installed")
    def test_the_log_is_rotated_and_the_daemon_goes_on_writing_to_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            log, rules = Path(folder, "buoyd.log"), Path(folder, "rules")
            rules.write_text(LOGROTATE.read_text().replace("/var/log/buoy/", f"{folder}/"))
            with log.open("a") as daemon:
                print("before", file=daemon, flush=True)
                run("logrotate", "--force", "--state", f"{folder}/state", str(rules))
                print("after", file=daemon, flush=True)
            self.assertEqual("after\n", log.read_text())
            self.assertTrue(Path(folder, "buoyd.log.1.gz").exists())


if __name__ == "__main__":
    unittest.main()
