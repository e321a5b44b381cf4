"""Asynchronous invocations on the durable queue: what is put in, and what each attempt means for it.

Joins two rooms that do not know one another: ``core.deliveries`` keeps and times deliveries of any kind,
`async_target` knows how to invoke. An event's request id is kept through all its attempts, as on AWS.
"""

from __future__ import annotations

from functory.core.deliveries.port import Decision, Delivery, Done, Drop, ErrorKind, NewDelivery
from functory.core.deliveries.queue import Deliveries
from functory.core.deliveries.retry import EVENT_AGE_EXCEEDED, AsyncPolicy, decide_async_retry
from functory.kernel import log
from functory.kernel.clock import Clock
from functory.services.lambda_.async_target import AsyncTarget, Attempt, AttemptKind
from functory.services.lambda_.ports import AsyncEvent

KIND = "lambda-async"
"""Name of these deliveries in the table; never to be changed."""

ZERO_RESERVED = "ZeroReservedConcurrency"
"""AWS: events of a function whose reserved concurrency is 0 are given up at once, whatever retries they have left."""

_log = log.get("services.lambda")


class AsyncQueue:
    """Accepts events; see `ports.AsyncEvents`. Bound to its queue once, by ``wiring``."""

    def __init__(self) -> None:
        self._deliveries: Deliveries | None = None

    def bind(self, deliveries: Deliveries) -> None:
        """Use this queue from now on."""
        self._deliveries = deliveries

    async def accept(self, event: AsyncEvent) -> None:
        """See `ports.AsyncEvents`."""
        if self._deliveries is None:
            raise RuntimeError("the queue of asynchronous invocations is not bound")
        await self._deliveries.accept(to_delivery(event))


class AsyncDeliveryTarget:
    """Receives deliveries of `KIND`.

    Args:
        target: makes one attempt.
        clock: time.
        retry_base_s: the wait before the first retry after a function error.
    """

    def __init__(self, target: AsyncTarget, clock: Clock, retry_base_s: float) -> None:
        self._target = target
        self._clock = clock
        self._retry_base_s = retry_base_s

    async def deliver(self, delivery: Delivery) -> Decision:
        """See `functory.core.deliveries.port.DeliveryTarget`."""
        event = to_event(delivery)
        given = await self._target.policy(event)
        attempt = await self._target.attempt(event)
        if attempt.kind is AttemptKind.SUCCEEDED:
            return Done()
        if attempt.kind is AttemptKind.GONE:
            return _dropped(event, Drop("FunctionGone"))
        if attempt.kind is AttemptKind.STOPPED:
            return _dropped(event, Drop(ZERO_RESERVED))
        decision = decide_async_retry(
            self._clock.epoch_s(),
            event.accepted_at,
            delivery.tally,
            _whose_fault(attempt),
            AsyncPolicy(given.retries_max, given.age_s_max, self._retry_base_s),
            attempt.error,
        )
        return _dropped(event, decision) if isinstance(decision, Drop) else decision

    async def expire(self, delivery: Delivery) -> Drop:
        """See `functory.core.deliveries.port.DeliveryTarget`."""
        return _dropped(to_event(delivery), Drop(EVENT_AGE_EXCEEDED))


def _whose_fault(attempt: Attempt) -> ErrorKind:
    return ErrorKind.FUNCTION if attempt.kind is AttemptKind.FUNCTION_ERROR else ErrorKind.SYSTEM


def _dropped(event: AsyncEvent, drop: Drop) -> Drop:
    _log.info("async_event_dropped", function=event.name, request_id=event.request_id, reason=drop.reason)
    return drop


def to_delivery(event: AsyncEvent) -> NewDelivery:
    """An event as the queue keeps it."""
    return NewDelivery(
        target_kind=KIND,
        target=f"{event.account_id}:{event.region}:{event.name}",
        payload=event.payload,
        attributes={
            "request_id": event.request_id,
            "account_id": event.account_id,
            "region": event.region,
            "name": event.name,
            "qualifier": event.qualifier,
            "trace_id": event.trace_id,
            "accepted_at": event.accepted_at,
        },
        expires_at=AsyncPolicy().expires_at(event.accepted_at),
    )


def to_event(delivery: Delivery) -> AsyncEvent:
    """The event that `to_delivery` was given."""
    return AsyncEvent(payload=delivery.payload, **delivery.attributes)
