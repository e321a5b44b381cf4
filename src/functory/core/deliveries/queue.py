"""The room of the durable queue: accepts deliveries, hands them to their targets, sees to it that each one ends.

**The fast path.** `Deliveries.accept` commits the row already leased for this node and hands the delivery to a worker from
memory: one shared commit before the sender hears of it, one after the target is done, no query between. Only what finds no
room (workers busy, a backlog in its lane, a later due time) waits in the table and is claimed from there.

**Waking.** The room knows the earliest due time of every lane and sets one timer for the next. What it cannot know (rows
another node wrote, an outbox nobody announced, leases that ran out) a look every `KEEP_S` finds.

**Crashes.** A lease names its owner. A node that comes back takes all its old leases off at once: nobody else can have been
it. Leases of a node that does not come back run out after `LEASE_S`. An attempt may therefore happen twice, a delivery
never ends twice: it ends with the removal of its row, in the transaction that adds what follows from it.

Ordering is not promised, as on AWS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType

from functory.core.deliveries import rows
from functory.core.deliveries.journal import TICK_S, Accepting, Journal, Settling, over
from functory.core.deliveries.lanes import Lanes, Want
from functory.core.deliveries.port import (
    DEFAULT_LIFE_S,
    Decision,
    Delivery,
    DeliveryTarget,
    Drop,
    NewDelivery,
    RetryAt,
)
from functory.core.deliveries.retry import retry_after_fault
from functory.core.deliveries.rows import Lease, enqueue
from functory.kernel import log
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.kernel.settings import DeliverySettings
from functory.store.port import Store, StoreError

__all__ = ["Deliveries", "enqueue", "prepare"]

LEASE_S = 60.0
KEEP_S = 5.0
HELD_PER_WORKER = 4
"""Deliveries in memory for each worker: enough that no worker waits for a claim."""
HELD_BYTES_MAX = 64 * 1024 * 1024
ACCEPTS_WAITING_MAX = 4096
CLAIM_RETRY_S = 1.0
CLOSE_S = 10.0
"""How long an orderly end waits for the store."""

_log = log.get("core.deliveries")


def prepare(new: NewDelivery, now: float, ids: Ids) -> Delivery:
    """Give a new delivery its identity and times. Ids ascend with time, which keeps the table's index compact."""
    return Delivery(
        id=f"{int(now * 1000):012x}{ids.hex(16)}",
        target_kind=new.target_kind,
        target=new.target,
        payload=new.payload,
        attributes=new.attributes,
        created_at=now,
        due_at=now if new.due_at is None else new.due_at,
        expires_at=now + DEFAULT_LIFE_S if new.expires_at is None else new.expires_at,
    )


class Deliveries:
    """The durable queue; ``async with`` owns its tasks.

    Args:
        store: where deliveries are.
        targets: target kind -> who receives it. Deliveries of other kinds stay in the table.
        settings: number of workers.
        clock: the time.
        ids: identities of new deliveries.
        owner: this node's name for leases; the same after a restart, and no other node's at the same time.
        grace_s: how long an orderly end waits for attempts that are under way.
    """

    def __init__(
        self,
        store: Store,
        targets: Mapping[str, DeliveryTarget],
        *,
        settings: DeliverySettings,
        clock: Clock,
        ids: Ids,
        owner: str,
        grace_s: float = 5.0,
    ) -> None:
        self._store = store
        self._targets = dict(targets)
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._grace_s = grace_s
        self._lanes = Lanes(settings.workers, settings.workers * HELD_PER_WORKER, HELD_BYTES_MAX)
        self._accepts = asyncio.Semaphore(ACCEPTS_WAITING_MAX)
        self._journal = Journal(store, self._lanes, clock, owner=owner, lease_s=LEASE_S, changed=self._go_on)
        self._claim_wake = asyncio.Event()
        self._keep_wake = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._services: list[asyncio.Task[None]] = []
        self._working: set[asyncio.Task[None]] = set()
        self._is_open = False
        self._is_troubled = False

    async def __aenter__(self) -> Deliveries:
        released = await self._store.write(partial(rows.release, owner=self._owner))
        waiting = await self._store.read(rows.discover)
        strangers = sorted({kind for kind, _ in waiting if kind not in self._targets})
        if strangers:
            _log.warning("deliveries_of_unknown_kind", kinds=strangers)
        if waiting:
            _log.info("deliveries_recovered", lanes=len(waiting), leases=released)
        self._learn(waiting)
        await self._tasks.__aenter__()
        self._is_open = True
        for name, service in (("journal", self._journal.run()), ("claims", self._claim()), ("leases", self._keep())):
            self._services.append(self._tasks.create_task(service, name=f"deliveries-{name}"))
        self._claim_wake.set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_open = False
        _, claims, _ = self._services
        claims.cancel()  # nothing new is taken; what is under way keeps its leases and is written down
        try:
            if self._working:
                await asyncio.wait(self._working, timeout=self._grace_s)
            interrupted = [task for task in self._working if task.cancel()]
            if interrupted:
                await asyncio.wait(interrupted, timeout=CLOSE_S)
            async with asyncio.timeout(CLOSE_S):
                await self._journal.drain()
                await self._store.write(partial(rows.release, owner=self._owner))
        except (StoreError, TimeoutError) as trouble:
            _log.warning("deliveries_not_released", error=str(trouble))
        finally:
            for task in (*self._services, *self._working):
                task.cancel()
            if isinstance(error, asyncio.CancelledError):  # perhaps by the group itself, because a task of ours failed
                await self._tasks.__aexit__(kind, error, traceback)
            else:  # what the caller's block raised is not for a group to wrap
                await self._tasks.__aexit__(None, None, None)

    def prepare(self, new: NewDelivery) -> Delivery:
        """A delivery to give to `enqueue` inside a unit of work; `nudge` with it afterwards.

        Raises:
            ValueError: nobody receives this kind.
        """
        if new.target_kind not in self._targets:
            raise ValueError(f"no target receives deliveries of kind {new.target_kind!r}")
        return prepare(new, self._clock.epoch_s(), self._ids)

    async def accept(self, new: NewDelivery) -> str:
        """Take responsibility for a delivery: when this returns its id, it is durable and will end once.

        Raises:
            StoreError: the store refuses, or the node is stopping; it may still have been taken.
            ValueError: nobody receives this kind.
            TypeError: JSON cannot hold the attributes.

        Cancellation: it may still have been taken.
        """
        delivery = self.prepare(new)
        row = rows.row(delivery)
        async with self._accepts:
            if not self._is_open:
                raise StoreError("deliveries are not accepted: the node is stopping")
            waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._journal.add(Accepting(delivery, row, waiter))
            return await waiter

    def nudge(self, *deliveries: Delivery) -> None:
        """These were enqueued and committed: see to them now. None named: look at everything."""
        for delivery in deliveries:
            self._lanes.wait((delivery.target_kind, delivery.target), delivery.due_at)
        (self._claim_wake if deliveries else self._keep_wake).set()

    def _go_on(self) -> None:
        """Something became durable: start what may start, claim what has room."""
        self._dispatch()
        self._claim_wake.set()

    def _dispatch(self) -> None:
        while self._is_open and (delivery := self._lanes.start()) is not None:
            task = self._tasks.create_task(self._work(delivery))
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    async def _work(self, delivery: Delivery) -> None:
        """One attempt, from the worker's side."""
        settling = await self._attempt(delivery)
        self._lanes.stop((delivery.target_kind, delivery.target))
        self._journal.add(settling)
        self._dispatch()

    async def _attempt(self, delivery: Delivery) -> Settling:
        """Ask the target; whatever goes wrong there becomes a retry."""
        target = self._targets[delivery.target_kind]
        try:
            decision: Decision
            if self._clock.epoch_s() + TICK_S >= delivery.expires_at:
                decision = await target.expire(delivery)
            else:
                decision = await target.deliver(delivery)
            return self._settling(delivery, decision)
        except asyncio.CancelledError:
            if not self._is_open:
                raise
            fault: BaseException = RuntimeError("the target was cancelled from inside")
        except Exception as error:  # noqa: BLE001  edge: a target's fault must not lose its delivery
            fault = error
        if delivery.tally.system_errors == 0:  # once; its retries would only repeat it
            _log.error("delivery_target_failed", delivery=delivery.id, target_kind=delivery.target_kind, exc_info=fault)
        return Settling(
            delivery, self._in_time(delivery, retry_after_fault(self._clock.epoch_s(), delivery.tally, repr(fault)))
        )

    def _settling(self, delivery: Delivery, decision: Decision) -> Settling:
        if isinstance(decision, RetryAt):
            return Settling(delivery, self._in_time(delivery, decision))
        then = [self.prepare(new) for new in decision.then]
        settling = Settling(delivery, None, [(follower, rows.row(follower)) for follower in then])
        if isinstance(decision, Drop):
            over(delivery, decision)
        return settling

    def _in_time(self, delivery: Delivery, retry: RetryAt) -> RetryAt:
        """A retry that is not planned for after the expiry, which is then what happens."""
        if retry.due_at <= delivery.expires_at or self._clock.epoch_s() + TICK_S >= delivery.expires_at:
            return retry
        return RetryAt(delivery.expires_at, retry.error, retry.kind)

    async def _claim(self) -> None:
        """Take what is due from the table, as long as there is room for it."""
        loop = asyncio.get_running_loop()
        while True:
            due_at = self._lanes.next_due()
            timer = None
            if due_at is not None:
                timer = loop.call_later(max(0.0, due_at - self._clock.epoch_s()), self._claim_wake.set)
            await self._claim_wake.wait()
            self._claim_wake.clear()
            if timer is not None:
                timer.cancel()
            now = self._clock.epoch_s() + TICK_S
            if wants := self._lanes.wants(now):
                await self._take(wants, now)
                self._dispatch()

    async def _take(self, wants: Sequence[Want], now: float) -> None:
        lease = Lease(self._owner, now + LEASE_S)
        try:
            claim = await self._store.write(partial(rows.claim, wants=wants, now=now, lease=lease))
        except StoreError as error:
            self._in_trouble("deliveries_not_claimed", error)
            for want in wants:
                self._lanes.wait(want.key, now + CLAIM_RETRY_S)
                self._lanes.taken(want, ())
            return
        self._is_troubled = False
        self._learn(claim.waiting)
        for want in wants:
            self._lanes.taken(want, claim.deliveries.get(want.key, ()))

    async def _keep(self) -> None:
        """Keep the leases, take over those that ran out, find what nobody announced."""
        renewed_at = self._clock.monotonic_s()
        while True:
            try:
                async with asyncio.timeout(KEEP_S):
                    await self._keep_wake.wait()
            except TimeoutError:
                pass
            self._keep_wake.clear()
            now = self._clock.epoch_s()
            try:
                has_expired = await self._store.read(partial(rows.has_expired_lease, now=now))
                if has_expired or self._clock.monotonic_s() - renewed_at >= LEASE_S / 3:
                    renewed_at = self._clock.monotonic_s()
                    await self._renew(now, has_expired=has_expired)
                self._learn(await self._store.read(rows.discover))
            except StoreError as error:
                self._in_trouble("deliveries_not_kept", error)
            self._claim_wake.set()

    async def _renew(self, now: float, *, has_expired: bool) -> None:
        held = self._lanes.holding()
        if held or has_expired:
            lease = Lease(self._owner, now + LEASE_S)
            await self._store.write(partial(rows.renew, ids=held, lease=lease, now=now))

    def _learn(self, waiting: Mapping[tuple[str, str], float]) -> None:
        for key, due_at in waiting.items():
            if key[0] in self._targets:
                self._lanes.wait(key, due_at)

    def _in_trouble(self, event: str, error: StoreError) -> None:
        """Say once that the store refuses, not at every try."""
        if not self._is_troubled:
            self._is_troubled = True
            _log.error(event, error=str(error))
