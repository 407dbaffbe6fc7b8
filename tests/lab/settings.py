# SPDX-License-Identifier: GPL-2.0-or-later
"""The choices a lab is made with, and the configuration files that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

from lab.errors import LabError
from lab.switch import socket_of

MOST_NODES = 9


@dataclass(frozen=True)
class Settings:
    """What `up` was asked for."""

    nodes: int = 3
    token_ms: int = 1000
    stock_timers: bool = False
    stonith_action: str = "off"
    pacemaker: bool = True
    properties: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= MOST_NODES:
            raise LabError(f"--nodes {self.nodes} will not do: 1 to {MOST_NODES} are possible")
        if self.token_ms < 126:
            raise LabError(f"--token {self.token_ms} will not do: Corosync needs 126 ms or more")

    def names(self) -> list[str]:
        """The nodes' names, which are their host names too."""
        return [f"n{number}" for number in range(1, self.nodes + 1)]


def _block(name: str, lines: list[str]) -> list[str]:
    # Corosync's parser wants one thing a line and "{" at the line's end.
    return [f"{name} {{", *(f"    {line}" for line in lines), "}"]


def corosync_conf(settings: Settings) -> str:
    """corosync.conf with low timers, unless the stock ones were asked for."""
    totem = ["version: 2", "cluster_name: lab", "transport: knet"]
    totem += ["crypto_cipher: aes256", "crypto_hash: sha256"]
    if not settings.stock_timers:
        totem += [f"token: {settings.token_ms}", "token_coefficient: 0"]
    quorum = ["provider: corosync_votequorum"]
    if settings.nodes == 2:
        quorum.append("two_node: 1")
    elif settings.nodes > 2:
        # Otherwise the first two nodes up would fence the third for being slower.
        quorum.append("wait_for_all: 1")
    nodes: list[str] = []
    for number, name in enumerate(settings.names(), start=1):
        address = socket_of(name, "ring").addresses[0].partition("/")[0]
        nodes += _block(
            "node", [f"name: {name}", f"nodeid: {number}", f"ring0_addr: {address}"]
        )
    logging = ["to_syslog: no", "to_stderr: no", "to_logfile: yes", "timestamp: hires"]
    logging.append("logfile: /var/log/corosync/corosync.log")
    lines = [
        "# SPDX-License-Identifier: GPL-2.0-or-later",
        *_block("system", ["move_to_root_cgroup: no"]),
        *_block("totem", totem),
        *_block("quorum", quorum),
        *_block("nodelist", nodes),
        *_block("logging", logging),
    ]
    return "\n".join(lines) + "\n"


def hosts_file(settings: Settings) -> str:
    """/etc/hosts: the nodes by their LAN addresses."""
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    for name in settings.names():
        lines += [f"{address.partition('/')[0]} {name}" for address in socket_of(name, "lan").addresses]
    return "\n".join(lines) + "\n"


def first_cib(settings: Settings) -> str:
    """The cluster's configuration as of its first boot: properties and the fence device.

    Seeded rather than set later, since `dc-deadtime` only matters before the first election: its
    20 s are for nodes that boot minutes apart, and these boot within a second of each other.
    """
    properties = {
        "cluster-name": "lab",
        "dc-deadtime": "3s",
        "stonith-enabled": "true",
        "stonith-action": settings.stonith_action,
        "stonith-timeout": "30s",
        # The nodes share the machine's load: Pacemaker would do one thing at a time on a busy one.
        "load-threshold": "1000%",
        **settings.properties,
    }
    pairs = "".join(
        f'<nvpair id="option-{name}" name="{name}" value={quoteattr(value)}/>'
        for name, value in properties.items()
    )
    hosts = quoteattr(" ".join(settings.names()))
    return (
        '<cib crm_feature_set="3.0.14" validate-with="pacemaker-3.5" admin_epoch="0" epoch="1"'
        ' num_updates="0"><configuration><crm_config>'
        f'<cluster_property_set id="cib-bootstrap-options">{pairs}</cluster_property_set>'
        "</crm_config><nodes/><resources>"
        '<primitive id="fencing" class="stonith" type="fence_lab">'
        '<instance_attributes id="fencing-parameters">'
        f'<nvpair id="fencing-hosts" name="pcmk_host_list" value={hosts}/>'
        "</instance_attributes><operations>"
        '<op id="fencing-monitor" name="monitor" interval="60s"/>'
        "</operations></primitive></resources><constraints/>"
        '<rsc_defaults><meta_attributes id="rsc-defaults">'
        '<nvpair id="rsc-stickiness" name="resource-stickiness" value="1"/>'
        "</meta_attributes></rsc_defaults>"
        "</configuration><status/></cib>\n"
    )
