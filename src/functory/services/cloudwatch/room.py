"""What every operation of this service works with."""

from __future__ import annotations

from dataclasses import dataclass

from functory.kernel.clock import Clock
from functory.store.port import Store


@dataclass(frozen=True, slots=True)
class Room:
    """Store and clock."""

    store: Store
    clock: Clock
