"""What every operation of this service works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.store.port import Store


@dataclass(frozen=True, slots=True)
class Room:
    """Store, clock, identifiers, and the bell of the scaler."""

    store: Store
    clock: Clock
    ids: Ids
    nudge: Callable[[], None]
