"""Makes what happened to deliveries durable, many at a time.

**Theory.** Accepting a delivery and settling one are each a row or two; a unit of work for each would spend most of its
time on being a unit. So they gather: while one batch is being committed the next one fills, and is then inserted and
deleted with a few many-row statements. Under load that makes thousands of accepts a second out of a few hundred commits;
without load a batch is one delivery and waits for nobody.

Nobody waits for the removal of a delivery that is done, so it waits for company: it is written with the next accept, or
after `REMOVAL_WAIT_S`. A sender that offers one event after the other then pays for one commit each, not for two. What a
crash finds not yet removed is delivered once more, as after a crash an instant earlier.

**When the store refuses**, those who wait for an accept hear of it at once. What was settled stays in memory (the attempt
has been made, and must not be repeated for want of a disk) and is written again every `STORE_RETRY_S`.

A batch fails as a whole. When a statement was at fault and not the store, its members are written one by one, so that
only the guilty one fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from functory.core.deliveries.lanes import Lanes
from functory.core.deliveries.port import Delivery, Drop, RetryAt
from functory.core.deliveries.retry import retry_after_fault
from functory.core.deliveries.rows import Batch, Lease, reschedule
from functory.kernel import log
from functory.kernel.clock import Clock
from functory.store.port import Store, StoreError

BATCH_MAX = 512
REMOVAL_WAIT_S = 0.005
STORE_RETRY_S = 1.0
TICK_S = 0.001
"""What is due within a tick is due: timers and doubles are not more exact."""

_log = log.get("core.deliveries")


@dataclass(slots=True, eq=False)
class Accepting:
    """A new delivery on its way into the table."""

    delivery: Delivery
    row: dict[str, Any]
    waiter: asyncio.Future[str]
    placed: bool = False


@dataclass(slots=True, eq=False)
class Settling:
    """A decided delivery on its way out of the table, or back to its waiting state.

    Attributes:
        delivery: as it was attempted.
        retry: when it goes on; None: it is over.
        then: what follows with their rows, when it is over.
    """

    delivery: Delivery
    retry: RetryAt | None
    then: Sequence[tuple[Delivery, dict[str, Any]]] = ()


Entry = Accepting | Settling


class Journal:
    """The coalescing writer of the room.

    Args:
        store: where.
        lanes: the room's bookkeeping, told about everything that became durable.
        clock: the time.
        owner: in whose name leases are taken.
        lease_s: how long they last.
        changed: called after each batch that was committed.
    """

    def __init__(
        self, store: Store, lanes: Lanes, clock: Clock, *, owner: str, lease_s: float, changed: Callable[[], None]
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._clock = clock
        self._owner = owner
        self._lease_s = lease_s
        self._changed = changed
        self._entries: list[Entry] = []
        self._in_flight: list[Entry] = []
        self._postponed = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._refused = False
        self._hurry = False
        self._later: asyncio.TimerHandle | None = None

    def add(self, entry: Entry) -> None:
        """Make it durable soon."""
        self._entries.append(entry)
        self._idle.clear()
        if self._hurry or isinstance(entry, Accepting) or entry.retry is not None or entry.then:
            self._write_now()
        elif self._later is None and not self._wake.is_set():
            self._later = asyncio.get_running_loop().call_later(REMOVAL_WAIT_S, self._write_now)

    def _write_now(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._wake.set()

    async def drain(self) -> None:
        """Wait until everything added before is durable; from now on nothing waits for company."""
        self._hurry = True
        self._write_now()
        await self._idle.wait()

    async def run(self) -> None:
        """Write for ever; owned by the room. When it ends, whoever still waits for an accept hears of it."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._in_flight = self._entries[:BATCH_MAX]
                del self._entries[:BATCH_MAX]
                if self._entries:
                    self._wake.set()
                if self._in_flight:
                    await self._write(self._in_flight)
                    self._in_flight = []
                if not self._entries and not self._postponed:
                    self._idle.set()
        finally:
            if self._later is not None:
                self._later.cancel()
            self._refuse(self._in_flight + self._entries, StoreError("the node is stopping"))

    async def _write(self, entries: Sequence[Entry]) -> None:
        batch = self._batch(entries)
        try:
            await self._store.write(batch.apply)
        except StoreError as error:
            self._displace(entries)
            if not self._refused:
                self._refused = True
                _log.error("deliveries_store_refuses", error=str(error), entries=len(entries))
            self._refuse(entries, error)
            self._postpone([entry for entry in entries if isinstance(entry, Settling)])
        except SQLAlchemyError as error:
            self._displace(entries)
            if len(entries) > 1:
                for entry in entries:
                    await self._write([entry])
            else:
                self._blame(entries[0], error)
        else:
            self._refused = False
            for entry in entries:
                self._written(entry)
            self._changed()

    def _batch(self, entries: Sequence[Entry]) -> Batch:
        """The changes; new deliveries for which there is room are leased for this node at once."""
        now = self._clock.epoch_s()
        lease = Lease(self._owner, now + self._lease_s)
        batch = Batch()
        for entry in entries:
            delivery = entry.delivery
            if isinstance(entry, Accepting):
                key = (delivery.target_kind, delivery.target)
                entry.placed = delivery.due_at <= now + TICK_S and self._lanes.place(key, len(delivery.payload), now)
                entry.row["leased_by"] = lease.owner if entry.placed else None
                entry.row["leased_until"] = lease.until if entry.placed else None
                batch.inserts.append(entry.row)
            elif entry.retry is not None:
                tally = delivery.tally.after(entry.retry.kind)
                batch.reschedules.append(reschedule(delivery, entry.retry.due_at, tally, entry.retry.error, self._owner))
            elif entry.then:
                batch.endings.append((delivery.id, [row for _, row in entry.then]))
            else:
                batch.deletes.append(delivery.id)
        return batch

    def _written(self, entry: Entry) -> None:
        """An entry is durable: tell the lanes and the waiter."""
        delivery = entry.delivery
        key = (delivery.target_kind, delivery.target)
        if isinstance(entry, Accepting):
            if entry.placed:
                self._lanes.arrive(key, delivery)
            else:
                self._lanes.wait(key, delivery.due_at)
            if not entry.waiter.done():
                entry.waiter.set_result(delivery.id)
            return
        if entry.retry is not None:
            self._lanes.wait(key, entry.retry.due_at)
        for follower, _ in entry.then:
            self._lanes.wait((follower.target_kind, follower.target), follower.due_at)
        self._lanes.leave(key, delivery)

    def _displace(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, Accepting) and entry.placed:
                entry.placed = False
                self._lanes.displace((entry.delivery.target_kind, entry.delivery.target), len(entry.delivery.payload))

    @staticmethod
    def _refuse(entries: Sequence[Entry], error: Exception) -> None:
        for entry in entries:
            if isinstance(entry, Accepting) and not entry.waiter.done():
                refusal = StoreError(*error.args)
                refusal.__cause__ = error
                entry.waiter.set_exception(refusal)

    def _blame(self, entry: Entry, error: SQLAlchemyError) -> None:
        """A statement of this entry alone is impossible."""
        if isinstance(entry, Accepting):
            if not entry.waiter.done():
                entry.waiter.set_exception(error)
            return
        _log.error("delivery_not_settled", delivery=entry.delivery.id, error=str(error))
        if entry.retry is None:  # what should follow cannot be written: neither end it nor lose it
            fault = retry_after_fault(self._clock.epoch_s(), entry.delivery.tally, f"not settled: {error}")
            entry = Settling(entry.delivery, fault)
        self._postpone([entry])

    def _postpone(self, entries: list[Settling]) -> None:
        if not entries:
            return
        self._postponed += 1

        def again() -> None:
            self._postponed -= 1
            for entry in entries:
                self.add(entry)

        asyncio.get_running_loop().call_later(STORE_RETRY_S, again)


def over(delivery: Delivery, decision: Drop) -> None:
    """Say in the log that a delivery was given up."""
    _log.info(
        "delivery_dropped",
        delivery=delivery.id,
        target_kind=delivery.target_kind,
        target=delivery.target,
        reason=decision.reason,
        attempts=delivery.tally.attempts,
    )
