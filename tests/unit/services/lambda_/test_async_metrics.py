from __future__ import annotations

import asyncio
from collections.abc import Sequence

from functory.core.deliveries.port import Decision, Delivery, Done, Drop
from functory.core.metering import Metering, Sample
from functory.services.lambda_.async_events import to_delivery
from functory.services.lambda_.async_metrics import MeteredDeliveries, MeteredEvents
from functory.services.lambda_.async_queue import RECURSIVE
from functory.services.lambda_.ports import AsyncEvent
from tests.support.lambda_store import FakeEvents, SetClock


class Samples:
    def __init__(self) -> None:
        self.found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

    async def keep(self, samples: Sequence[Sample]) -> None:
        self.found |= {(sample.name, sample.dimensions): sample.values.total for sample in samples}


class Target:
    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    async def deliver(self, delivery: Delivery) -> Decision:
        return self.decision

    async def expire(self, delivery: Delivery) -> Drop:
        return Drop("old")


def test_events_are_counted_when_accepted_tried_and_given_up() -> None:
    async def main() -> None:
        clock, samples = SetClock(), Samples()
        async with Metering(samples, clock) as metering:
            event = AsyncEvent("r", "1", "eu", "f", "live", b"{}", "", clock.now)
            await MeteredEvents(FakeEvents(), metering).accept(event)
            new = to_delivery(event)
            delivery = Delivery(
                id="1",
                target_kind=new.target_kind,
                target=new.target,
                payload=b"{}",
                attributes=new.attributes,
                created_at=clock.now,
                due_at=clock.now,
                expires_at=clock.now + 60,
            )
            clock.now += 1.5
            for decision in (Done(), Drop(RECURSIVE)):
                await MeteredDeliveries(Target(decision), metering, clock).deliver(delivery)
            await MeteredDeliveries(Target(Done()), metering, clock).expire(delivery)
        of_alias = (("FunctionName", "f"), ("Resource", "f:live"))
        for dimensions in ((), of_alias[:1], of_alias):
            assert samples.found["AsyncEventsReceived", dimensions] == 1
            assert samples.found["AsyncEventAge", dimensions] == 3000
            assert samples.found["AsyncEventsDropped", dimensions] == 2
            assert samples.found["RecursiveInvocationsDropped", dimensions] == 1

    asyncio.run(main())
