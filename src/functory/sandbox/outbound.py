"""What sandboxes reach beyond themselves: the driver's view of `network`, `gateway` and `relay`.

Owns the choice between the modes of the setting ``sandbox.network`` and what follows from it: how a sandbox's network is
made, its ``resolv.conf`` and ``hosts``, and what is declared. Where ``nat`` does not work, ``auto`` becomes ``none`` and
says why; ``nat`` refuses to start.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from functory.sandbox import network
from functory.sandbox.gateway import HOST_NAME, Gateway
from functory.sandbox.port import SandboxError
from functory.sandbox.relay import HostResolver, Relay

Mode = Literal["nat", "none", "host"]
T = TypeVar("T")

_NONE = "functions reach no network beyond their own Runtime API and AWS endpoint"
_NAT = "functions reach the network through address translation; nothing reaches them, nor do they reach this machine"
_HOST = "functions share this machine's network and reach everything on it (sandbox.network = host): for development only"


class InThread(Protocol):
    """Runs blocking work in a thread of the driver."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Its result."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the settings ask for; see `SandboxSettings`."""

    network: Literal["auto", "nat", "none", "host"] = "none"
    network_range: str = "auto"
    host_ports: tuple[int, ...] = ()


class Outbound:
    """The network of one driver's sandboxes.

    Args:
        wish: see there.
        key: short name of the node's run folder.
        run_dir: that folder.
        lock_folder: see `Gateway`.
    """

    def __init__(self, wish: Wish, key: str, run_dir: Path, lock_folder: Path) -> None:
        self._wish = wish
        self._gateway = Gateway(key, run_dir / "gateway", lock_folder, wish.network_range, wish.host_ports)
        self._relay: Relay | None = None
        self.mode: Mode = "none" if wish.network == "auto" else wish.network
        self.notes: tuple[str, ...] = ()

    async def start(self, in_thread: InThread) -> None:
        """Make what all sandboxes share, and remove what a killed node left.

        Raises:
            SandboxError: ``nat`` was asked for and does not work here.
        """
        if self._wish.network in {"none", "host"}:
            await in_thread(self._gateway.recover)
            self.notes = (_HOST if self.mode == "host" else _NONE,)
            return
        try:
            doors = await in_thread(self._gateway.start)
        except SandboxError as error:
            if self._wish.network == "nat":
                raise
            self.mode, self.notes = "none", (f"{_NONE}: {error}",)
            return
        self._relay = Relay(doors, HostResolver().servers)
        await self._relay.start()
        self.mode, self.notes = "nat", (_NAT, *self._gateway.notes)

    async def close(self, in_thread: InThread) -> None:
        """Remove it all; idempotent."""
        if self._relay is not None:
            await self._relay.close()
            self._relay = None
            await in_thread(self._gateway.close)

    def make(self, *, aws_endpoint: bool, own_stack: bool = False) -> network.Network:
        """The network of a new sandbox. Blocks for 1-2 ms.

        Args:
            aws_endpoint: whether there is a listener for the node's AWS endpoint.
            own_stack: see `network.create_for_own_stack`.

        Raises:
            OSError: the kernel refused.
            SandboxError: no address is free, or the host's network is shared.
        """
        if self.mode == "host":
            if own_stack:
                raise SandboxError("no sandbox has a network stack of its own with sandbox.network = host")
            return network.create_on_host()
        make = network.create_for_own_stack if own_stack else network.create
        return make(aws_endpoint=aws_endpoint, gateway=self._gateway if self.mode == "nat" else None)

    def etc_files(self, hosts: str) -> dict[str, str]:
        """Files of ``/etc`` by name, given the usual ``hosts``."""
        if self.mode == "host":
            return {name: text for name in ("resolv.conf", "hosts") if (text := _host_file(name))}
        if self.mode == "nat":
            plan = self._gateway.plan
            return {"resolv.conf": f"nameserver {plan.resolver}\n", "hosts": f"{hosts}{plan.host} {HOST_NAME}\n"}
        return {}


def _host_file(name: str) -> str:
    with contextlib.suppress(OSError):
        return (Path("/etc") / name).read_text(errors="replace")
    return ""
