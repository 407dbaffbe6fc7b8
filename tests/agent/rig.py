# SPDX-License-Identifier: GPL-2.0-or-later
"""A segment of Ethernet made of network namespaces, and the built agent run on its hosts.

The namespaces' names live in a mount namespace of this process alone: whatever ends it, nothing stays
on the machine, and two runs at once cannot meet.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import unittest
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from lab.kernel import CLONE_NEWNET, MS_BIND, MS_PRIVATE, MS_REC, _libc, inside_netns, mount  # noqa: E402
from lab.processes import Process, in_namespace  # noqa: E402
from lab.waiting import wait_until  # noqa: E402
from sniffer import Sniffer  # noqa: E402

AGENT = Path(os.environ.get("BUOY_AGENT_ADDRESS", TESTS.parent / "build" / "agent" / "address")).resolve()
# A program built with sanitizers does not survive everything that is done to an agent here.
SANITIZED = AGENT.exists() and b"__asan_init" in AGENT.read_bytes()
CLONE_NEWNS = 0x00020000
# Far longer than any action takes: a test that waits this long has failed.
PATIENCE_S = 30

NET4, NET6 = "10.9.0", "2001:db8:9"
IP4, IP6 = f"{NET4}.50", f"{NET6}::50"
_isolated = False
_made = 0


def isolate() -> None:
    """Give this process a private /run/netns, once."""
    global _isolated
    if _isolated:
        return
    if os.geteuid() != 0:
        raise unittest.SkipTest("network namespaces need root: run this as root")
    if not AGENT.exists():
        raise RuntimeError(f"{AGENT} is not built, or BUOY_AGENT_ADDRESS names the wrong file")
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise unittest.SkipTest("this machine allows no mount namespaces")
    mount("none", "/", "", MS_PRIVATE | MS_REC)
    os.makedirs("/run/netns", exist_ok=True)
    mount("tmpfs", "/run/netns", "tmpfs")
    _isolated = True


@dataclass(frozen=True)
class Answer:
    """What one call of the agent came to."""

    code: int
    stdout: str
    stderr: str

    @property
    def reasons(self) -> list[str]:
        """The lines that Pacemaker shows to the administrator."""
        mark = "ocf-exit-reason:"
        return [line.removeprefix(mark) for line in self.stderr.split("\n") if line.startswith(mark)]

    @property
    def reason(self) -> str:
        """The only such line, or nothing."""
        return self.reasons[0] if len(self.reasons) == 1 else ""


def environment(parameters: dict[str, object], meta: dict[str, object] | None = None, level: int = 0) -> dict:
    """What Pacemaker would hand to the agent."""
    variables = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "OCF_RESKEY_crm_feature_set": "3.16.2"}
    # A sanitized build looks for leaks with processes of its own, which some tests count or forbid.
    variables["ASAN_OPTIONS"] = "detect_leaks=0"
    for name, value in parameters.items():
        variables[f"OCF_RESKEY_{name}"] = value if isinstance(value, bytes) else str(value)
    for name, value in (meta or {}).items():
        variables[f"OCF_RESKEY_CRM_meta_{name}"] = str(value)
    if level:
        variables["OCF_CHECK_LEVEL"] = str(level)
    return variables


PROBE = {"interval": 0}


class Host:
    """One network namespace with an interface eth0 on the segment."""

    def __init__(self, name: str) -> None:
        global _made
        isolate()
        _made += 1
        self.name = name
        self.netns = f"{name}-{_made}"
        path = f"/run/netns/{self.netns}"
        open(path, "x").close()
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.unshare(CLONE_NEWNET) != 0:
                raise OSError("cannot make a network namespace")
            mount("/proc/thread-self/ns/net", path, "", MS_BIND)
        finally:
            _libc.setns(home, CLONE_NEWNET)
            os.close(home)

    def inside(self):
        """Run the body in this namespace."""
        return inside_netns(self.netns)

    def remove(self) -> None:
        """End whatever still runs in it, then drop its name."""
        path = f"/run/netns/{self.netns}"
        if not os.path.exists(path):
            return
        for process in in_namespace("net", path):
            process.kill()
        _libc.umount2(path.encode(), 2)
        os.unlink(path)

    def run(self, *argv: str, check: bool = True, stdin: str | None = None) -> str:
        """Run a command in the namespace and give what it printed."""
        with self.inside():
            done = subprocess.run(
                argv, input=stdin, capture_output=True, text=True, timeout=PATIENCE_S, check=False
            )
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def ip(self, line: str) -> str:
        """One call of ip(8)."""
        return self.run("ip", *line.split())

    def batch(self, *lines: str) -> None:
        """Several calls of ip(8) in one process."""
        self.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def json(self, line: str) -> list[dict]:
        """What ip(8) lists."""
        return json.loads(self.run("ip", "-json", *line.split()) or "[]")

    def sysctl(self, path: str, value: int | None = None) -> int:
        """Read or write one setting below /proc/sys/net."""
        with self.inside():
            file = Path("/proc/sys/net") / path
            if value is not None:
                file.write_text(str(value))
            return int(file.read_text())

    # Addresses and links

    def addresses(self, ip: str | None = None) -> list[tuple[str, str, int]]:
        """(interface, address, prefix length) of every address, or of one."""
        return [
            (link["ifname"], info["local"], info["prefixlen"])
            for link in self.json("address")
            for info in link["addr_info"]
            if ip is None or info.get("local") == ip
        ]

    def address(self, ip: str) -> dict:
        """Everything about the only entry of an address."""
        (found,) = [i for link in self.json("-details address") for i in link["addr_info"] if i["local"] == ip]
        return found

    def mac(self, link: str = "eth0") -> str:
        """The MAC of an interface."""
        return self.json(f"link show dev {link}")[0]["address"]

    def neighbour(self, ip: str) -> str | None:
        """The MAC that this host has cached for an address."""
        found = self.json(f"neighbor show {ip}")
        return found[0].get("lladdr") if found else None

    def state(self) -> dict[str, object]:
        """All that an agent might leave behind, to be compared."""
        links = self.json("-details link")
        keep = ("ifname", "mtu", "operstate", "address", "flags", "ifalias", "linkinfo", "altnames")
        return {
            "links": [{key: link[key] for key in keep if key in link} for link in links],
            "addresses": sorted(self.run("ip", "-oneline", "address").splitlines()),
            "rules": self.run("ip", "rule") + self.run("ip", "-6", "rule"),
            "routes": sorted(
                self.run("ip", "route", "show", "table", "all").splitlines()
                + self.run("ip", "-6", "route", "show", "table", "all").splitlines()
            ),
            "labels": self.run("ip", "addrlabel"),
            "settings": self._settings([link["ifname"] for link in links]),
            "processes": [process.pid for process in self.processes()],
        }

    def _settings(self, links: list[str]) -> dict[str, str]:
        found = {}
        with self.inside():
            for link in links:
                for family in ("ipv4", "ipv6"):
                    for file in Path(f"/proc/sys/net/{family}/conf/{link}").glob("*"):
                        if file.name != "stable_secret":
                            found[f"{family} {link} {file.name}"] = file.read_text().strip()
        return found

    def processes(self) -> list[Process]:
        """Who runs in the namespace, this process aside."""
        found = in_namespace("net", f"/run/netns/{self.netns}")
        return [process for process in found if process.pid != os.getpid() and not exiting(process.pid)]

    # The agent

    def agent(self, action: str, *, meta: dict | None = None, level: int = 0, wrapper: tuple[str, ...] = (),
              preexec=None, **parameters: object) -> Answer:  # fmt: skip
        """Run one action to its end."""
        return self.begin(
            action, meta=meta, level=level, wrapper=wrapper, preexec=preexec, **parameters
        ).wait()

    def begin(self, action: str, *, meta: dict | None = None, level: int = 0, wrapper: tuple[str, ...] = (),
              preexec=None, **parameters: object) -> Running:  # fmt: skip
        """Run one action and go on."""
        with self.inside():
            child = subprocess.Popen(
                [*wrapper, str(AGENT), *([action] if action else [])],
                env=environment(parameters, meta, level),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                preexec_fn=preexec,
            )
        return Running(child)

    # As a client

    def reaches(self, ip: str, patience_s: float = 2, source: str = "") -> bool:
        """Whether somebody answers for an address: a refused connection is an answer as well."""
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        with self.inside(), socket.socket(family, socket.SOCK_STREAM) as one:
            one.settimeout(patience_s)
            if source:
                one.bind((source, 0))
            try:
                one.connect((ip, 9))
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
            return True


class Sending:
    """A host that sends frames on and on, as context manager; what cannot be sent is left out."""

    def __init__(self, host: Host, frames: list[bytes]) -> None:
        with host.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket.bind(("eth0", 0))
        self._frames, self._done, self.sent = frames, threading.Event(), 0
        self._thread = threading.Thread(target=self._send, daemon=True)

    def _send(self) -> None:
        while not self._done.wait(0.0005):
            for frame in self._frames:
                try:
                    self._socket.send(frame)
                    self.sent += 1
                except OSError:
                    pass

    def __enter__(self) -> Sending:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()
        self._socket.close()


def exiting(pid: int) -> bool:
    """Whether a process runs no more code of its own: its sockets close before it is gone (proc(5), flags)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return fields[0] in "ZX" or int(fields[6]) & 0x4 != 0


class Running:
    """An agent that has not ended yet."""

    def __init__(self, child: subprocess.Popen) -> None:
        self.child = child

    def wait(self) -> Answer:
        """Wait until it has ended and everybody has closed its output, as Pacemaker does."""
        try:
            stdout, stderr = self.child.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.communicate()
            raise AssertionError(f"{self.child.args} did not end within {PATIENCE_S} s") from None
        return Answer(
            self.child.returncode, stdout.decode(errors="backslashreplace"), stderr.decode(errors="backslashreplace")
        )


class Segment:
    """A bridge and the hosts on it: "node" (.1), "client" (.100), and whoever is added."""

    def __init__(self) -> None:
        self.switch = Host("switch")
        self.hosts: list[Host] = []
        self.switch.batch("link add br0 type bridge forward_delay 0 mcast_snooping 0",
                          "link set br0 addrgenmode none up")  # fmt: skip

    def add(self, name: str, number: int, device: str = "eth0") -> Host:
        """A new host on the segment."""
        host = Host(name)
        self.hosts.append(host)
        host.ip("link set lo up")
        self.plug_in(host, number, device)
        return host

    def plug_in(self, host: Host, number: int, device: str = "eth0", port: str | None = None) -> None:
        """One more cable from a host to the bridge."""
        port = port or host.name
        self.switch.batch(
            f"link add {port} type veth peer name {device} address {mac_of(number)} netns {host.netns}",
            f"link set {port} master br0 addrgenmode none up",
        )
        host.batch(
            f"link set dev {device} addrgenmode none",
            f"address add {NET4}.{number}/24 broadcast + dev {device}",
            f"link set dev {device} up",
            f"address add {NET6}::{number:x}/64 dev {device} nodad",
            f"address add fe80::{number:x}/64 dev {device} nodad",
        )
        # The kernel gives an IPv6 address its routes a while later.
        local = ("ip", "-6", "route", "show", "table", "local", f"fe80::{number:x}", "dev", device)
        wait_until(f"{host.name}'s routes", lambda: "local" in host.run(*local))

    def carrier(self, name: str, there: bool) -> None:
        """Pull or plug a host's cable, and wait until its kernel has drawn its conclusions."""
        self.switch.ip(f"link set {name} {'up' if there else 'down'}")
        (host,) = [host for host in self.hosts if host.name == name]
        wanted = "UP" if there else "DOWN"
        wait_until(f"{name} to see the link {wanted}", lambda: host.json("link show eth0")[0]["operstate"] == wanted)

    def sniff(self) -> Sniffer:
        """Record every frame the hosts send from now on."""
        return Sniffer(self.switch.netns)

    def remove(self) -> None:
        """Nothing of it is left."""
        for host in [*self.hosts, self.switch]:
            host.remove()


def mac_of(number: int) -> str:
    """The MAC of a host's own interface."""
    return f"02:00:00:00:00:{number:02x}"


class AgentTest(unittest.TestCase):
    """Base of the tests: a segment with `node`, on which the agent runs, and `client`."""

    # What a test leaves out when it fails is the first thing a reader wants to see.
    maxDiff = None

    def setUp(self) -> None:
        self.segment = Segment()
        self.addCleanup(self.segment.remove)
        self.node = self.segment.add("node", 1)
        self.client = self.segment.add("client", 100)

    def ok(self, answer: Answer) -> Answer:
        """The action succeeded and had nothing to complain about."""
        self.assertEqual((0, []), (answer.code, answer.reasons), answer.stderr)
        return answer

    def start(self, **parameters: object) -> Answer:
        """start on the node, which succeeds."""
        return self.ok(self.node.agent("start", **parameters))

    def stop(self, **parameters: object) -> Answer:
        """stop on the node, which succeeds."""
        return self.ok(self.node.agent("stop", **parameters))

    def refused(self, code: int, answer: Answer, *words: str) -> None:
        """The action failed with this code and one reason that holds these words."""
        self.assertEqual(code, answer.code, answer.stderr)
        self.assertEqual(1, len(answer.reasons), answer.stderr)
        for word in words:
            self.assertIn(word, answer.reason)

    @contextmanager
    def nothing_changes(self, host: Host | None = None) -> Iterator[None]:
        """Whatever the body does, the host is afterwards as it was."""
        host = host or self.node
        before = host.state()
        yield
        after = host.state()
        for key, was in before.items():
            self.assertEqual(was, after[key], f"{key} changed")
