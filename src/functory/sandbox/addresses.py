"""Which addresses the sandboxes' network uses. Pure.

A node's *range* (a /16 by default) is divided so: in front 256 networks of four addresses for the cables between the host
and the gateways of its nodes, then the gateway's own addresses, then one address per sandbox. Only the cable's network is
ever seen in the host's namespace, so several nodes may share a range.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from functory.sandbox.port import SandboxError

CANDIDATES = tuple(
    IPv4Network(text) for text in ("10.213.0.0/16", "172.29.0.0/16", "100.90.0.0/16", "10.113.0.0/16", "198.18.0.0/16")
)
PREFIX_MAX = 20
_UPLINKS = 256
_GATEWAY = 4 * _UPLINKS
_FIRST_SANDBOX = _GATEWAY + 256
_ROUTE_PREFIX_MIN = 5  # shorter ones are ways of saying "everything" and collide with nothing


@dataclass(frozen=True, slots=True)
class Plan:
    """The addresses of one node.

    Attributes:
        range: all of it.
        uplink: the network of the cable between host and gateway.
    """

    range: IPv4Network
    uplink: IPv4Network

    @property
    def host_end(self) -> IPv4Address:
        """The host's end of the cable."""
        return self.uplink[1]

    @property
    def gateway_end(self) -> IPv4Address:
        """The gateway's end of the cable."""
        return self.uplink[2]

    @property
    def resolver(self) -> IPv4Address:
        """The gateway as sandboxes know it: next hop and name service."""
        return self.range[_GATEWAY + 1]

    @property
    def host(self) -> IPv4Address:
        """``host.functory.internal``."""
        return self.range[_GATEWAY + 2]

    @property
    def slots(self) -> int:
        """How many sandboxes have an address."""
        return self.range.num_addresses - _FIRST_SANDBOX - 1

    def sandbox(self, slot: int) -> IPv4Address:
        """The address of the sandbox in a slot."""
        return self.range[_FIRST_SANDBOX + slot]


def plan(setting: str, routes: Iterable[IPv4Network], uplinks: Sequence[IPv4Network], start: int) -> Plan:
    """Choose a range and a cable network that nothing else uses.

    Args:
        setting: ``auto`` or a network in CIDR notation.
        routes: targets of the host's routes, without those of gateways.
        uplinks: targets of routes of all gateways on this machine.
        start: where to begin looking for a cable network, so that a node mostly gets the same one.

    Raises:
        SandboxError: the range is impossible or everything is in use.
    """
    taken = [network for network in routes if network.prefixlen >= _ROUTE_PREFIX_MIN]
    range_ = _range(setting, taken)
    for step in range(_UPLINKS):
        uplink = IPv4Network((int(range_[0]) + 4 * ((start + step) % _UPLINKS), 30))
        if not any(uplink.overlaps(other) for other in uplinks):
            return Plan(range_, uplink)
    raise SandboxError(f"all {_UPLINKS} networks for gateways in {range_} are in use")


def parse_range(text: str) -> IPv4Network:
    """A range from the settings.

    Raises:
        SandboxError: no IPv4 network, or too small.
    """
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise SandboxError(f"setting sandbox.network_range: {error}") from error
    if network.prefixlen > PREFIX_MAX or network.prefixlen < 8:
        raise SandboxError(f"setting sandbox.network_range: {text} must be a /8 to a /{PREFIX_MAX}")
    return network


def _range(setting: str, taken: Sequence[IPv4Network]) -> IPv4Network:
    candidates = CANDIDATES if setting == "auto" else (parse_range(setting),)
    for candidate in candidates:
        if not any(candidate.overlaps(network) for network in taken):
            return candidate
    names = ", ".join(map(str, candidates))
    raise SandboxError(f"the host has routes into {names}: name a free private range in sandbox.network_range")
