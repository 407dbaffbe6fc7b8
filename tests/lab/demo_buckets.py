# SPDX-License-Identifier: GPL-2.0-or-later
"""./lab demo, third act: one web address on three nodes at once, and a client that keeps asking it."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from typing import Callable

from lab.cluster import Cluster
from lab.knock import Knock
from lab.pool import AGENT, Pool
from lab.probe import now_ms
from lab.switch import CLIENT
from lab.waiting import wait_until

ADDRESS = "10.77.0.80"
BUCKETS = 256
COLUMNS = 64
# How long it is looked at after everything is as it should be.
CALM_MS = 700.0
# A SYN that got no answer is sent again after 1 s (RFC 6298); what took longer than this met a dead node.
SLOW_MS = 500.0

NGINX = """
pid /run/lab-nginx.pid;
error_log /run/lab-nginx.log;
worker_processes 1;
events {}
http {
    access_log off;
    client_body_temp_path /run/lab-nginx-1;
    proxy_temp_path /run/lab-nginx-2;
    fastcgi_temp_path /run/lab-nginx-3;
    uwsgi_temp_path /run/lab-nginx-4;
    scgi_temp_path /run/lab-nginx-5;
    server { listen [::]:80 ipv6only=off; return 200 "NODE\\n"; }
}
"""

# Twelve users, one request after the other each, every one by a connection of its own.
USERS = """
import http.client, sys, threading, time
def user():
    while True:
        begin = time.monotonic()
        try:
            connection = http.client.HTTPConnection(sys.argv[1], timeout=4)
            connection.request("GET", "/")
            who = connection.getresponse().read().decode().strip()
            connection.close()
        except OSError:
            who = "-"
        print(f"{begin * 1000:.1f} {(time.monotonic() - begin) * 1000:.1f} {who}", flush=True)
        time.sleep(0.02)
for _ in range(12):
    threading.Thread(target=user, daemon=True).start()
sys.stdin.read()
"""


@dataclass(frozen=True)
class Visit:
    """One request of a user, and who served it."""

    sent_ms: float
    took_ms: float
    node: str


class Users:
    """The client's users; a context manager."""

    def __init__(self, cluster: Cluster) -> None:
        self._output = tempfile.TemporaryFile("w+")
        inside = ["ip", "netns", "exec", cluster.switch.netns_of(CLIENT)]
        self._child = subprocess.Popen(
            [*inside, sys.executable, "-c", USERS, ADDRESS], stdin=subprocess.PIPE, stdout=self._output
        )

    def __enter__(self) -> Users:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait()
        self._output.close()

    def visits(self, since_ms: float) -> list[Visit]:
        """All that were begun since then and are over."""
        with open(f"/proc/self/fd/{self._output.fileno()}") as written:
            lines = [line.split() for line in written.read().splitlines()]
        found = [Visit(float(line[0]), float(line[1]), line[2]) for line in lines if len(line) == 3]
        return [visit for visit in found if visit.sent_ms >= since_ms]


class BucketDemo:
    """The third act, in a lab that is up."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._pool = Pool(cluster, "lb", ADDRESS)
        self._start_ms = now_ms()

    def run(self) -> bool:
        """Show it; false if two nodes ever answered one connection."""
        for node in self._cluster.node_names():
            self._serve(node)
        print(f"nginx on every node. pcs resource create lb {AGENT} addresses={ADDRESS} buckets={BUCKETS} clone\n")
        self._pool.create(f"buckets={BUCKETS}")
        self._pool.wait_settled()
        self._start_ms = now_ms()
        with Knock(self._cluster, [ADDRESS]) as knock, Users(self._cluster) as users:
            knock.wait("every connection to be answered")
            self._step(knock, users, "all nodes share one address", lambda: None)
            fenced = len(self._cluster.fencings("n1"))
            self._step(
                knock, users, "n1 loses its power", lambda: self._cluster.power_off("n1"), ["n2", "n3"]
            )
            self._step(knock, users, "n1 boots and joins", lambda: self._boot(fenced))
            self._step(knock, users, "kill -9 of n3's buoyd", self._kill)
            knock.stop()
            return self._sum_up(knock)

    def _serve(self, node: str) -> None:
        start = ["sh", "-c", "cat >/run/lab-nginx.conf && exec nginx -c /run/lab-nginx.conf"]
        self._cluster.node(node).run(start, stdin=NGINX.replace("NODE", node))

    def _boot(self, fenced: int) -> None:
        wait_until("n1 to be fenced", lambda: len(self._cluster.fencings("n1")) > fenced)
        self._cluster.power_on("n1")
        self._cluster.wait_online()
        self._serve("n1")

    def _kill(self) -> None:
        old = self._pool.daemon("n3")
        self._cluster.run("n3", ["kill", f"-{signal.SIGKILL.value}", str(old)])
        wait_until("another buoyd on n3", lambda: self._pool.daemon("n3") not in (0, old), 30)

    def _step(
        self, knock: Knock, users: Users, said: str, act: Callable[[], object],
        nodes: list[str] | None = None,
    ) -> None:  # fmt: skip
        began_ms = now_ms()
        act()
        nodes = nodes or self._cluster.node_names()
        standing = next(iter(self._pool.wait_settled(*nodes).values()))
        knock.wait("the members to answer", lambda owners: set(owners.values()) == set(nodes))
        settled_ms = now_ms()
        wait_until("calm", lambda: now_ms() > settled_ms + CALM_MS)
        seen = users.visits(began_ms)
        print(f"{(began_ms - self._start_ms) / 1000:6.1f} s  {said}")
        picture = [standing.owners[str(bucket)].removeprefix("n") for bucket in range(BUCKETS)]
        for first in range(0, BUCKETS, COLUMNS):
            print(f"  {first:>4} {_coloured(''.join(picture[first : first + COLUMNS]))}")
        shares = Counter(visit.node for visit in seen if visit.sent_ms > settled_ms)
        total = max(1, sum(shares.values()))
        for node in self._cluster.node_names():
            part = shares[node] / total
            print(f"       {node} {'█' * round(40 * part):<40} {part:4.0%} of the requests")
        slow = [visit.took_ms for visit in seen if visit.took_ms > SLOW_MS]
        failed = sum(visit.node == "-" for visit in seen)
        waited = f", {len(slow)} waited (the longest {max(slow):.0f} ms)" if slow else ""
        print(f"       {len(seen)} requests: {failed} failed{waited}")
        print(f"       {_unanswered(knock, began_ms)}\n", flush=True)

    def _sum_up(self, knock: Knock) -> bool:
        twice = len(knock.answered_twice())
        if twice:
            print(f"{twice} connections were answered twice", file=sys.stderr)
        else:
            print(f"{len(knock.syns())} connections, and none was answered by two nodes.")
        return twice == 0


def _unanswered(knock: Knock, since_ms: float) -> str:
    """How many of the SYNs, one every millisecond, came to nothing, and in how long a time."""
    total = sum(syn.sent_ms >= since_ms for syn in knock.syns())
    lost = knock.unanswered(since_ms=since_ms)
    if not lost:
        return f"{total} SYNs, and every one was answered"
    within_ms = lost[-1].sent_ms - lost[0].sent_ms + 1
    return f"{total} SYNs, {len(lost)} of them unanswered, all sent within {within_ms:.0f} ms"


def _coloured(digits: str) -> str:
    if not sys.stdout.isatty():
        return digits
    return "".join(f"\x1b[{31 + int(digit)}m{digit}\x1b[0m" if digit else "-" for digit in digits)
