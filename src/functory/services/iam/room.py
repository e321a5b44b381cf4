"""What every operation of this service works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.kernel.sealing import Sealer
from functory.services.iam.directory import Directory
from functory.services.iam.last_uses import LastUses
from functory.store.port import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Room:
    """Store, clock, randomness, the cipher of secrets, the directory that remembers who has been given what, last uses."""

    store: Store
    clock: Clock
    ids: Ids
    cipher: Sealer
    directory: Directory
    last_uses: LastUses

    def now_s(self) -> int:
        """Epoch seconds: IAM's times have no fractions."""
        return int(self.clock.epoch_s())

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See `Store.read`."""
        return await self.store.read(work)

    async def change(self, work: Callable[[Connection], T]) -> T:
        """See `Store.write`; afterwards the directory knows."""
        return await self.directory.change(work)
