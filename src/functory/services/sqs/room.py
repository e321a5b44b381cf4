"""What every operation of this service works with, and the bells that wake waiting receivers."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from functory.kernel.clock import Clock, epoch_ms
from functory.kernel.ids import Ids
from functory.kernel.sealing import Sealer
from functory.kernel.settings import SqsSettings
from functory.store.port import Store


class Bells:
    """Receivers that wait for a message, by queue. A ring wakes as many as there may be messages for, first come first."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}

    def ring(self, queue_id: int, messages: int = 1) -> None:
        """So many messages may have become visible."""
        waiting = self._waiting.get(queue_id)
        while waiting and messages > 0:
            future = waiting.popleft()
            if not future.done():
                future.set_result(None)
                messages -= 1

    async def wait(self, queue_id: int, seconds: float) -> None:
        """Until the bell rings, or so long."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(queue_id, deque())
        waiting.append(future)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(future)
        except TimeoutError:
            return
        except asyncio.CancelledError:
            if future.done():  # woken for a message that this one will not take
                self.ring(queue_id)
            raise
        finally:
            if future in waiting:
                waiting.remove(future)
            if not waiting and self._waiting.get(queue_id) is waiting:
                del self._waiting[queue_id]


@dataclass(frozen=True, slots=True)
class Room:
    """Store, clock, ids, settings, the key for messages at rest, and who waits."""

    store: Store
    clock: Clock
    ids: Ids
    settings: SqsSettings
    sealer: Sealer
    bells: Bells = field(default_factory=Bells)
    nudge: asyncio.Event = field(default_factory=asyncio.Event)

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return epoch_ms(self.clock)
