"""The rules of the sandboxes' network, as text for ``nft``; and calling ``nft``.

**Theory.** All rules are made once, when a node starts, and match *kinds* of devices by name: no rule is added or removed
for a sandbox. There are two tables, each replaced as a whole in one transaction, so that there is no moment with half of
them and a table that a killed node left is simply replaced:

* in the node's own gateway namespace: who may go where (`gateway_rules`). It vanishes with the namespace.
* in the host's namespace, named after the node: nothing but masquerading what comes from the gateway, and keeping it away
  from the host itself (`host_rules`). It is the only one that can be left behind.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from functory.sandbox.port import SandboxError

SANDBOX_DEVICES = "s*"  # as `gateway` names its ends of the sandboxes' cables
UPLINK = "up"
FLOWS_MAX = 1024  # connections per sandbox, as AWS has 1,024 descriptors; the host's connection table is everybody's
NEVER = (
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",  # link-local: the instance metadata of most clouds
    "100.100.100.200/32",  # instance metadata of Alibaba Cloud
    "168.63.129.16/32",  # the same of Azure
    "224.0.0.0/4",
    "240.0.0.0/4",
)
NO_TOOL = "the tool nft is not installed (package nftables)"
_PATH = ":/usr/local/sbin:/usr/sbin:/sbin"
_TIMEOUT_S = 20.0


def gateway_rules(range_: IPv4Network, resolver: IPv4Address, host: IPv4Address, host_ports: Iterable[int]) -> str:
    """The table of the gateway namespace.

    Args:
        range_: the node's whole private range: nothing in it is a target.
        resolver: where sandboxes find name service.
        host: what stands for services of the host.
        host_ports: which of them are offered.
    """
    ports = ", ".join(str(port) for port in sorted(set(host_ports)))
    offered = f'    iifname "{SANDBOX_DEVICES}" ip daddr {host} tcp dport {{ {ports} }} accept\n' if ports else ""
    never = ", ".join((*NEVER, str(range_)))
    return f"""
table inet functory {{
  set flows {{ type ipv4_addr; size 65535; flags dynamic; }}
  chain input {{
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    ct state established,related accept
    iifname "{SANDBOX_DEVICES}" ip daddr {resolver} udp dport 53 accept
    iifname "{SANDBOX_DEVICES}" ip daddr {resolver} tcp dport 53 accept
{offered}    iifname "{SANDBOX_DEVICES}" meta nfproto ipv4 reject
  }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname != "{SANDBOX_DEVICES}" drop
    meta nfproto != ipv4 drop
    oifname != "{UPLINK}" reject with icmp type admin-prohibited
    ip daddr {{ {never} }} reject with icmp type admin-prohibited
    ct state invalid drop
    ct state new add @flows {{ ip saddr ct count over {FLOWS_MAX} }} reject with icmp type admin-prohibited
    accept
  }}
  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    oifname "{UPLINK}" masquerade
  }}
}}
"""


def host_rules(table: str, device: str, uplinks: str, uplink: IPv4Network) -> str:
    """The table of the host's namespace.

    Args:
        table: its name.
        device: the host's end of the cable to this node's gateway.
        uplinks: pattern of all nodes' such devices.
        uplink: the network of that cable.
    """
    return f"""
table ip {table}
delete table ip {table}
table ip {table} {{
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname "{device}" ct state established,related accept
    iifname "{device}" reject
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    oifname "{device}" ct state established,related accept
    oifname "{device}" drop
    iifname "{device}" oifname "{uplinks}" drop
    iifname "{device}" ct status dnat drop comment "a port that the host publishes is a service of the host"
  }}
  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    ip saddr {uplink} oifname != "{device}" masquerade
  }}
}}
"""


def removal(table: str) -> str:
    """Removes a table of `host_rules`, whether or not it is there."""
    return f"table ip {table}\ndelete table ip {table}\n"


def find_tool() -> str | None:
    """The program ``nft``."""
    return shutil.which("nft", path=os.environ.get("PATH", "") + _PATH)


def apply(rules: str) -> None:
    """Apply a text as one transaction, in the calling thread's network namespace. Blocks for about 5 ms.

    Raises:
        SandboxError: ``nft`` is missing or refuses.
    """
    _run("-f", "-", text=rules)


def dropping_chains() -> list[str]:
    """Other chains of this namespace that drop forwarded packets by default (Docker and some firewalls have one)."""
    answer: dict[str, list[dict[str, Any]]] = json.loads(_run("-j", "list", "chains"))
    chains = [entry["chain"] for entry in answer.get("nftables", []) if "chain" in entry]
    return [
        f"{chain['family']} {chain['table']} {chain['name']}"
        for chain in chains
        if chain.get("hook") == "forward" and chain.get("policy") == "drop"
    ]


def _run(*arguments: str, text: str = "") -> str:
    tool = find_tool()
    if tool is None:
        raise SandboxError(NO_TOOL)
    try:
        done = subprocess.run(  # noqa: S603
            [tool, *arguments], input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"nft could not run: {error}") from error
    if done.returncode != 0:
        raise SandboxError(f"nft refused the rules: {done.stderr.strip()[:300]}")
    return done.stdout
