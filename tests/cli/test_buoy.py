# SPDX-License-Identifier: GPL-2.0-or-later
"""`buoy` itself, on a stand-in for the daemon and without one, in namespaces of its own.

Needs BUOY_CLI and BUOY_FAKE_DAEMON, the two programs; ctest gives them.
"""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden"
MAN = HERE.parents[1] / "docs" / "man" / "buoy.8"
CLI, FAKE = os.environ.get("BUOY_CLI", ""), os.environ.get("BUOY_FAKE_DAEMON", "")
PATIENCE_S = 30
# The local socket's name belongs to a network namespace; /run/buoy and /dev/shm get a place of their own, too.
INSIDE = ("nsenter", "-m", "-n", "-t")


class BuoyTest(unittest.TestCase):
    def setUp(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("namespaces need root")
        # Mounts /run anew, says so, and is the namespaces' handle until its input ends.
        script = "mount -t tmpfs none /run && mount -t tmpfs none /dev/shm && ip link set lo up && echo && exec cat"
        self.holder = subprocess.Popen(
            ("unshare", "-m", "-n", "sh", "-c", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.addCleanup(self.end, self.holder)
        assert self.holder.stdout is not None
        self.assertEqual(b"\n", self.holder.stdout.readline())
        self.status_file = Path(tempfile.mkstemp(prefix="buoy-status-")[1])
        self.addCleanup(self.status_file.unlink)

    def end(self, process: subprocess.Popen) -> None:
        process.stdin.close()
        process.wait(PATIENCE_S)
        process.stdout.close()

    def inside(self, *argv: str) -> tuple[str, ...]:
        return (*INSIDE, str(self.holder.pid), *argv)

    def shell(self, text: str) -> None:
        subprocess.run(self.inside("sh", "-c", text), check=True, timeout=PATIENCE_S)

    def fake(self, status: str) -> None:
        """Start the stand-in with this status."""
        shutil.copy(GOLDEN / f"{status}.json", self.status_file)
        daemon = subprocess.Popen(
            self.inside(FAKE, str(self.status_file)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.addCleanup(self.end, daemon)
        assert daemon.stdout is not None
        self.assertEqual(b"READY\n", daemon.stdout.readline())

    def buoy(self, *argv: str, stdin: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.inside(CLI, *argv), input=stdin, capture_output=True, text=True, timeout=PATIENCE_S,
            check=False, env={**os.environ, **(env or {})},
        )  # fmt: skip

    def asked(self, *argv: str, env: dict[str, str] | None = None) -> dict:
        """What the daemon was asked by a command that succeeds."""
        done = self.buoy(*argv, "--json", env=env)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return json.loads(done.stdout)["asked"]

    def said(self, *argv: str) -> str:
        done = self.buoy(*argv)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout

    def refused(self, code: int, *argv: str) -> str:
        done = self.buoy(*argv)
        self.assertEqual((code, ""), (done.returncode, done.stdout))
        return done.stderr


class CommandLine(BuoyTest):
    def commands(self) -> list[str]:
        lines = self.said("--help").splitlines()[2:]
        return [line.strip().split("  ")[0] for line in lines[: lines.index("")]]

    def test_every_command_has_help_and_a_place_in_the_manual(self) -> None:
        page = MAN.read_text().replace("\\-", "-")
        self.assertIn("status", self.commands())
        for line in self.commands():
            words = [word for word in line.split() if word.islower()]
            with self.subTest(command=line):
                self.assertIn(f"usage: buoy {line}", self.said(*words, "--help"))
                self.assertIn(" ".join(words), page)

    def test_a_wrong_command_line_is_refused(self) -> None:
        for argv in ((), ("frobnicate",), ("pool",), ("pool", "frobnicate"), ("move",), ("move", "web/0"),
                     ("move", "web/0", "n1", "n2"), ("status", "x"), ("status", "--frob"), ("journal", "--lines", "x"),
                     ("drain", "n1", "--yes")):  # fmt: skip
            with self.subTest(argv=argv):
                self.assertIn("buoy", self.refused(2, *argv))

    def test_a_full_disk_is_an_error(self) -> None:
        self.fake("thirty")
        done = subprocess.run(
            self.inside("sh", "-c", f"{CLI} status >/dev/full"), capture_output=True, timeout=PATIENCE_S, check=False
        )
        self.assertEqual(1, done.returncode)


class Reading(BuoyTest):
    def test_status_is_what_the_daemon_says(self) -> None:
        self.fake("lost")
        self.assertEqual((GOLDEN / "lost.status").read_text(), self.said("status"))
        self.assertEqual(json.loads((GOLDEN / "lost.json").read_text()), json.loads(self.said("status", "--json")))

    def test_pools(self) -> None:
        self.fake("fenced")
        listed = json.loads(self.said("pool", "list", "--json"))["pools"]
        self.assertEqual(["web", "risky"], [pool["name"] for pool in listed])
        self.assertIn("risky", self.said("pool", "list"))
        self.assertEqual(4, len(json.loads(self.said("pool", "show", "web", "--json"))["pool"]["table"]))
        self.assertIn("web/3", self.said("pool", "show", "web"))
        self.assertIn("no pool 'x'", self.refused(1, "pool", "show", "x"))

    def test_texts(self) -> None:
        self.fake("thirty")
        self.assertEqual("metrics's text\n", self.said("metrics"))
        self.assertEqual("journal's text\n", self.said("journal"))
        self.assertEqual({"request": "journal", "lines": 5}, self.asked("journal", "-n", "5"))
        self.assertEqual("Slot web/20\n  because\n", self.said("explain", "2001:db8:77::60"))

    def test_an_answer_that_is_no_status_does_no_harm(self) -> None:
        self.fake("thirty")
        for text in ("{}", '{"ok":true,"pools":5}', '{"ok":"x"}', "[]"):
            self.status_file.write_text(text)
            with self.subTest(text=text):
                for argv in (("status",), ("pool", "list"), ("pool", "show", "x"), ("move", "10.0.0.1", "n1")):
                    done = self.buoy(*argv)
                    self.assertIn(done.returncode, (0, 1), done.stderr)


class Changing(BuoyTest):
    def test_slots_are_named_by_address_or_number(self) -> None:
        self.fake("thirty")
        slot = {"pool": "web", "slot": 3}
        self.assertEqual({"request": "move", "node": "n2", **slot}, self.asked("move", "10.77.0.63", "n2"))
        self.assertEqual({"request": "move", "node": "n2", **slot}, self.asked("move", "web/3", "n2"))
        self.assertEqual({"request": "pin", "node": "n1", **slot}, self.asked("pin", "web/3", "n1"))
        self.assertEqual({"request": "unpin", **slot}, self.asked("unpin", "web/3"))
        self.assertIn("no pool has the address 10.0.0.1", self.refused(1, "move", "10.0.0.1", "n2"))

    def test_the_rest(self) -> None:
        self.fake("thirty")
        self.assertEqual({"request": "drain", "node": "n2"}, self.asked("drain", "n2"))
        self.assertEqual({"request": "undrain", "node": "n2"}, self.asked("undrain", "n2"))
        self.assertEqual(
            {"request": "weight", "pool": "web", "node": "n1", "weight": 50}, self.asked("weight", "web", "n1", "50")
        )
        self.assertEqual(
            {"request": "rebalance", "pool": "web", "mode": "never"}, self.asked("pool", "rebalance", "web", "never")
        )
        self.assertEqual({"request": "cleanup", "pool": "web"}, self.asked("pool", "cleanup", "web"))
        self.assertEqual({"request": "remove-pool", "pool": "web"}, self.asked("pool", "remove", "web"))

    def test_what_was_done_is_said(self) -> None:
        self.fake("thirty")
        self.assertEqual("10.77.0.63 goes to n2\n", self.said("move", "web/3", "n2"))
        self.assertIn("it is so already", self.said("undrain", "n2"))

    def test_a_wrong_weight_is_refused_here(self) -> None:
        self.fake("thirty")
        for weight in ("1001", "-1", "x", "", "99999999999", "1.5"):
            with self.subTest(weight=weight):
                argv = ("weight", "web", "n1", "--", weight) if weight.startswith("-") else ("weight", "web", "n1", weight)
                self.assertIn("0 to 1000", self.refused(1, *argv))

    def test_what_the_daemon_refuses_is_said(self) -> None:
        self.fake("thirty")
        self.assertEqual("buoy: there is no node 'n9'; the cluster has n1, n2, n3\n", self.refused(1, "drain", "n9"))
        done = self.buoy("drain", "n9", "--json")
        self.assertEqual((1, "no_such_node"), (done.returncode, json.loads(done.stdout)["outcome"]))


class Vouching(BuoyTest):
    def test_nobody_vouches_by_accident(self) -> None:
        self.fake("thirty")
        for command in ("confirm-down", "forget"):
            with self.subTest(command=command):
                self.assertIn("--yes", self.refused(1, command, "n3"))
                self.assertEqual(1, self.buoy(command, "n3", stdin="yes\n").returncode)

    def test_the_users_name_goes_along(self) -> None:
        self.fake("thirty")
        asked = self.asked("confirm-down", "n3", "--yes", env={"SUDO_USER": "alice"})
        self.assertEqual({"request": "confirm-down", "node": "n3", "user": "alice"}, asked)
        self.assertEqual("root", self.asked("forget", "n3", "-y", env={"SUDO_USER": ""})["user"])

    def test_a_terminal_is_asked(self) -> None:
        self.fake("thirty")
        for answer, code in (("yes\n", 0), ("y\n", 1), ("\n", 1)):
            with self.subTest(answer=answer):
                ours, theirs = pty.openpty()
                asking = subprocess.Popen(
                    self.inside(CLI, "confirm-down", "n3"), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
                )
                os.write(ours, answer.encode())
                _, errors = asking.communicate(timeout=PATIENCE_S)
                os.close(ours)
                os.close(theirs)
                self.assertEqual(code, asking.returncode)
                self.assertIn(b"for certain", errors)


class WithoutDaemon(BuoyTest):
    def test_it_is_said_with_what_the_kernel_has(self) -> None:
        pool = {"name": "web", "addresses": "10.9.0.60-10.9.0.79"}
        self.shell(
            f"mkdir -p /run/buoy/pools && echo '{json.dumps(pool)}' >/run/buoy/pools/web.json && ip link add eth0 type veth"
            " && for i in 60 61 62 99; do ip address add 10.9.0.$i/24 dev eth0; done"
        )
        for argv in (("status",), ("move", "web/0", "n1"), ("metrics",)):
            error = self.refused(1, *argv)
            self.assertIn("buoyd does not run", error)
            self.assertIn("kernel still has 3 of its 20 addresses", error)
            self.assertIn("eth0: 10.9.0.60-10.9.0.62\n", error)
        done = self.buoy("status", "--json")
        self.assertEqual(1, done.returncode)
        answer = json.loads(done.stdout)
        self.assertEqual((False, 20), (answer["ok"], answer["pools"][0]["slots"]))
        self.assertEqual({"address": "10.9.0.60", "link": "eth0"}, answer["pools"][0]["carried"][0])


class Watching(BuoyTest):
    def watch(self, *argv: str, **streams) -> subprocess.Popen:
        watcher = subprocess.Popen(self.inside(CLI, "watch", "--interval", "20", *argv), **streams)
        self.addCleanup(watcher.wait, PATIENCE_S)
        self.addCleanup(watcher.kill)
        return watcher

    def test_lines_follow_every_change(self) -> None:
        self.fake("thirty")
        watcher = self.watch(stdout=subprocess.PIPE, text=True)
        assert watcher.stdout is not None
        self.addCleanup(watcher.stdout.close)
        self.assertIn("n1: primary, quorate", watcher.stdout.readline())
        self.assertIn("web: n1 10, n2 10, n3 10", watcher.stdout.readline())
        replace(self.status_file, GOLDEN / "lost.json")
        self.assertIn("n2: voter, drained", watcher.stdout.readline())
        self.assertIn("n3: voter, lost, condemned", watcher.stdout.readline())
        self.assertIn("web: n1 15, n2 15; 5 n2 to n1, 10 n3 to n2", watcher.stdout.readline())
        watcher.send_signal(signal.SIGTERM)
        self.assertEqual(0, watcher.wait(PATIENCE_S))

    def test_json_follows_every_change(self) -> None:
        self.fake("thirty")
        watcher = self.watch("--json", stdout=subprocess.PIPE, text=True)
        assert watcher.stdout is not None
        self.addCleanup(watcher.stdout.close)
        self.assertEqual(30, len(json.loads(watcher.stdout.readline())["pools"][0]["table"]))
        replace(self.status_file, GOLDEN / "empty.json")
        self.assertEqual([], json.loads(watcher.stdout.readline())["pools"])

    def test_a_terminal_is_told_what_goes_through_the_gate(self) -> None:
        self.count(1_000, packets=100, dropped=7)
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        self.watch(stdout=theirs)
        os.close(theirs)
        self.assertNotIn("packets/s", read_until(ours, "█"))
        self.count(3_000, packets=1_100, dropped=7)
        read_until(ours, "through the gate of n1: 500 packets/s, 0 bytes/s, 0 dropped/s")

    def test_json_has_the_counters_and_no_line_for_them_alone(self) -> None:
        self.count(1_000, packets=100, dropped=7)
        watcher = self.watch("--json", stdout=subprocess.PIPE, text=True)
        assert watcher.stdout is not None
        self.addCleanup(watcher.stdout.close)
        self.assertEqual(100, json.loads(watcher.stdout.readline())["pools"][0]["table"][0]["packets"])
        self.count(2_000, packets=200, dropped=7)
        replace(self.status_file, GOLDEN / "empty.json")
        self.assertEqual([], json.loads(watcher.stdout.readline())["pools"])

    def count(self, at_ms: int, **counters: int) -> None:
        """Have the stand-in say that so much went through the gate for the first slot."""
        status = json.loads((GOLDEN / "thirty.json").read_text()) | {"counted_ms": at_ms}
        status["pools"][0]["table"][0] |= counters
        if self.status_file.stat().st_size == 0:
            self.fake("thirty")
        source = self.status_file.with_suffix(".counted")
        self.addCleanup(source.unlink, missing_ok=True)
        source.write_text(json.dumps(status))
        replace(self.status_file, source)

    def test_it_ends_with_whoever_reads_it(self) -> None:
        self.fake("thirty")
        watcher = self.watch("--json", stdout=subprocess.PIPE, text=True)
        assert watcher.stdout is not None
        watcher.stdout.readline()
        watcher.stdout.close()
        self.assertEqual(0, watcher.wait(PATIENCE_S))

    def test_a_daemon_that_comes_is_noticed(self) -> None:
        watcher = self.watch(stdout=subprocess.PIPE, text=True)
        assert watcher.stdout is not None
        self.addCleanup(watcher.stdout.close)
        self.assertIn("buoyd does not run", watcher.stdout.readline())
        self.fake("thirty")
        self.assertIn("primary", watcher.stdout.readline())

    def test_a_terminal_gets_a_picture_and_is_left_as_it_was(self) -> None:
        self.fake("thirty")
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        watcher = self.watch(stdout=theirs)
        os.close(theirs)
        seen = read_until(ours, "█")
        replace(self.status_file, GOLDEN / "empty.json")
        seen += read_until(ours, "No pools")
        watcher.send_signal(signal.SIGINT)
        self.assertEqual(0, watcher.wait(PATIENCE_S))
        seen += read_until(ours, "\x1b[?1049l")
        self.assertTrue(seen.startswith("\x1b[?1049h"))
        self.assertIn("\x1b[?25h", seen)


def replace(file: Path, source: Path) -> None:
    """In one step: the stand-in must not read half a file."""
    beside = file.with_suffix(".new")
    shutil.copy(source, beside)
    beside.rename(file)


def read_until(descriptor: int, wanted: str) -> str:
    seen = b""
    end = time.monotonic() + PATIENCE_S
    while wanted.encode() not in seen:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            raise AssertionError(f"{wanted!r} has not come within {PATIENCE_S} s, but {seen!r}")
        try:
            seen += os.read(descriptor, 65536)
        except OSError:
            break
    return seen.decode(errors="replace")


if __name__ == "__main__":
    unittest.main()
