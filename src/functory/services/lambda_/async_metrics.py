"""The metrics of asynchronous invocation: AsyncEventsReceived, AsyncEventAge, AsyncEventsDropped.

Put around the queue and its target by ``wiring``; neither knows that it is metered.
"""

from __future__ import annotations

from functory.core.deliveries.port import Decision, Delivery, DeliveryTarget, Drop
from functory.core.metering import Metering
from functory.kernel.clock import Clock
from functory.services.lambda_.async_events import to_event
from functory.services.lambda_.async_queue import RECURSIVE
from functory.services.lambda_.ports import AsyncEvent, AsyncEvents


class MeteredEvents:
    """An `AsyncEvents` that counts what is accepted."""

    def __init__(self, events: AsyncEvents, metering: Metering) -> None:
        self._events = events
        self._metering = metering

    async def accept(self, event: AsyncEvent) -> None:
        """See `AsyncEvents`."""
        await self._events.accept(event)
        _add(self._metering, event, "AsyncEventsReceived", 1.0)


class MeteredDeliveries:
    """A `DeliveryTarget` of events that notes how old they are when tried, and counts those that are given up."""

    def __init__(self, target: DeliveryTarget, metering: Metering, clock: Clock) -> None:
        self._target = target
        self._metering = metering
        self._clock = clock

    async def deliver(self, delivery: Delivery) -> Decision:
        """See `DeliveryTarget`."""
        event = to_event(delivery)
        age_ms = max(0.0, self._clock.epoch_s() - event.accepted_at) * 1000
        _add(self._metering, event, "AsyncEventAge", age_ms, "Milliseconds")
        return self._noted(event, await self._target.deliver(delivery))

    async def expire(self, delivery: Delivery) -> Drop:
        """See `DeliveryTarget`."""
        drop = await self._target.expire(delivery)
        self._noted(to_event(delivery), drop)
        return drop

    def _noted(self, event: AsyncEvent, decision: Decision) -> Decision:
        if isinstance(decision, Drop):
            _add(self._metering, event, "AsyncEventsDropped", 1.0)
            if decision.reason == RECURSIVE:
                _add(self._metering, event, "RecursiveInvocationsDropped", 1.0)
        return decision


def _add(metering: Metering, event: AsyncEvent, metric: str, value: float, unit: str = "Count") -> None:
    resource = f"{event.name}:{event.qualifier}" if event.qualifier else event.name
    metering.add(event.account_id, event.region, metric, value, name=event.name, unit=unit, resource=resource)
