# SPDX-License-Identifier: GPL-2.0-or-later
"""The agents under comparison and the environment in which Pacemaker runs them."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.model import BUOY, IPADDR2

ROOT = "/usr/lib/ocf"


@dataclass(frozen=True)
class Agent:
    """One resource agent with its parameters."""

    peer: str
    provider: str
    kind: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The program, as seen inside a node."""
        return f"{ROOT}/resource.d/{self.provider}/{self.kind}"

    @property
    def name(self) -> str:
        """As pcs wants it."""
        return f"ocf:{self.provider}:{self.kind}"

    def environment(self, action: str, interval_ms: int = 0) -> dict[str, str]:
        """What Pacemaker 2.1's executor passes to an agent, as seen by dumping it there.

        The logging variables matter: with them a shell agent starts logger(1) for every line it
        logs, which is part of what it costs in a real cluster.
        """
        fixed = {
            "OCF_ROOT": ROOT,
            "OCF_RA_VERSION_MAJOR": "1",
            "OCF_RA_VERSION_MINOR": "1",
            "OCF_EXIT_REASON_PREFIX": "ocf-exit-reason:",
            "OCF_OUTPUT_FORMAT": "text",
            "OCF_RESOURCE_INSTANCE": "vip",
            "OCF_RESOURCE_PROVIDER": self.provider,
            "OCF_RESOURCE_TYPE": self.kind,
            "OCF_RESKEY_CRM_meta_name": action,
            "OCF_RESKEY_CRM_meta_timeout": "20000",
            "OCF_RESKEY_crm_feature_set": "3.16.1",
            "PCMK_service": "pacemaker-execd",
            "PCMK_debug": "0",
            "PCMK_logfacility": "daemon",
            "PCMK_logfile": "/var/log/pacemaker/pacemaker.log",
            "HA_debug": "0",
            "HA_cluster_type": "corosync",
            "HA_quorum_type": "corosync",
            "HA_mcp": "true",
            "HA_logfacility": "daemon",
            "HA_LOGFACILITY": "daemon",
            "HA_logfile": "/var/log/pacemaker/pacemaker.log",
            "HA_LOGFILE": "/var/log/pacemaker/pacemaker.log",
            "HOME": "/root",
            "LC_ALL": "C",
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        if interval_ms:
            fixed["OCF_RESKEY_CRM_meta_interval"] = str(interval_ms)
        return {**fixed, **{f"OCF_RESKEY_{key}": value for key, value in self.parameters.items()}}


def _parameters(ip: str, extra: dict[str, str]) -> dict[str, str]:
    # What the documentation of Pacemaker and IPaddr2 shows: the address and its prefix length.
    return {"ip": ip, "cidr_netmask": "64" if ":" in ip else "24", **extra}


def buoy(ip: str, **extra: str) -> Agent:
    """ocf:buoy:address."""
    return Agent(BUOY, "buoy", "address", _parameters(ip, extra))


def ipaddr2(ip: str, **extra: str) -> Agent:
    """ocf:heartbeat:IPaddr2."""
    return Agent(IPADDR2, "heartbeat", "IPaddr2", _parameters(ip, extra))
