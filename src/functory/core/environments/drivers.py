"""The sandbox drivers of this node, and which of them a function gets.

The node has one driver by its settings. A function that asks for another isolation, by its tag or through its account, gets
one from a second driver, which is opened when it is first needed and then stays. Where a driver cannot be had the function
does not run: it is never given less isolation than it has been promised.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping

from functory.core.functions.isolation import CONTAINER, GVISOR, KINDS, NONE, effective, weakens
from functory.core.functions.model import FunctionVersion
from functory.sandbox.port import SandboxDriver, SandboxError

Beside = Callable[[str], Awaitable[SandboxDriver]]
"""Opens a started driver for an isolation, beside the node's own. Raises `SandboxError`: this machine has none."""


async def nothing_beside(isolation: str) -> SandboxDriver:
    """A `Beside` of a node that has only one driver."""
    raise SandboxError(f"this node has no isolation {isolation!r}")


class Drivers:
    """See the module.

    Args:
        default: what functions get that nothing else is said of; started, or about to be.
        beside: opens others.
        accounts: account -> isolation that its functions have at least.
    """

    def __init__(
        self, default: SandboxDriver, beside: Beside = nothing_beside, accounts: Mapping[str, str] | None = None
    ) -> None:
        self.default = default
        self._beside = beside
        self._accounts = dict(accounts or {})
        self._others: dict[str, SandboxDriver] = {}
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def open(self) -> tuple[SandboxDriver, ...]:
        """Those that are in use, the node's own first."""
        return (self.default, *self._others.values())

    async def start(self) -> None:
        """Open what the accounts need.

        Raises:
            SandboxError: the text says which account could not be served.
        """
        for account_id, isolation in sorted(self._accounts.items()):
            try:
                await self._get(isolation)
            except SandboxError as error:
                raise SandboxError(f"sandbox.account_isolation {account_id}={isolation}: {error}") from error

    async def driver_of(self, version: FunctionVersion) -> SandboxDriver:
        """The driver for one function.

        Raises:
            SandboxError: this machine cannot isolate it as promised.
        """
        return await self._get(effective(version.isolation, self._floor(version.account_id)))

    async def keeper_of(self, version: FunctionVersion) -> SandboxDriver:
        """The driver for a function whose environments begin from a snapshot.

        Where the function's own driver keeps none it gets gVisor's, which isolates more.

        Raises:
            SandboxError: this machine has none.
        """
        driver = await self.driver_of(version)
        if driver.capabilities.snapshots:
            return driver
        return await self._keeper()

    async def _keeper(self) -> SandboxDriver:
        for driver in self.open:
            if driver.capabilities.snapshots:
                return driver
        driver = await self._get(GVISOR)
        if not driver.capabilities.snapshots:
            raise SandboxError("gVisor keeps no sandboxes here: /tmp is not on disk, or sandbox.network is host")
        return driver

    async def snapshot_refusal(self) -> str:
        """Why no function can have SnapStart on this node; ``""`` when they can."""
        try:
            await self._keeper()
        except SandboxError as error:
            return str(error)
        return ""

    async def refusal(self, account_id: str, isolation: str) -> str:
        """Why functions of an account cannot ask for this isolation; ``""`` when they can."""
        if isolation not in KINDS:
            return f"Isolation must be one of {', '.join(KINDS)}."
        floor = self._floor(account_id)
        if weakens(isolation, floor):
            return f"Functions of account {account_id} have the isolation {floor} at least."
        try:
            await self._get(isolation)
        except SandboxError as error:
            return f"This node cannot isolate functions so: {error}"
        return ""

    async def close(self) -> None:
        """Close all of them, the node's own last."""
        for driver in reversed(self.open):
            await driver.close()
        self._others.clear()

    def _floor(self, account_id: str) -> str:
        return self._accounts.get(account_id) or isolation_of(self.default)

    async def _get(self, isolation: str) -> SandboxDriver:
        if isolation == isolation_of(self.default):
            return self.default
        driver = self._others.get(isolation)
        if driver is not None:
            return driver
        async with self._opening[isolation]:
            if isolation not in self._others:
                self._others[isolation] = await self._beside(isolation)
            return self._others[isolation]


def isolation_of(driver: SandboxDriver) -> str:
    """What a driver gives: ``none``, ``container`` or ``gvisor``."""
    if not driver.capabilities.isolation:
        return NONE
    return GVISOR if driver.capabilities.own_kernel else CONTAINER
