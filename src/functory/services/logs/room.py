"""What every operation of this service works with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from functory.core.calls import CallContext
from functory.kernel.clock import Clock, epoch_ms
from functory.services.logs.sink import Sink
from functory.store.port import Store


@dataclass(frozen=True, slots=True)
class Room:
    """Store, clock, the buffer of unsaved function logs, and the bell that wakes the background job."""

    store: Store
    clock: Clock
    sink: Sink
    nudge: asyncio.Event = field(default_factory=asyncio.Event)

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return epoch_ms(self.clock)

    async def settle(self, context: CallContext, group: str | None = None) -> None:
        """Save what functions have printed so far, so that the caller of an operation sees it."""
        await self.sink.flush(context.account_id, context.region, group)
