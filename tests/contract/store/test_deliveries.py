"""The statements of the durable queue mean the same on every store."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial

from sqlalchemy import func, select

from functory.core.deliveries import rows
from functory.core.deliveries.lanes import Want
from functory.core.deliveries.port import Delivery, Done, Drop, NewDelivery, RetryAt
from functory.core.deliveries.queue import Deliveries, enqueue, prepare
from functory.core.deliveries.rows import Batch, Lease
from functory.core.deliveries.tables import DELIVERIES
from functory.kernel.clock import SystemClock
from functory.kernel.ids import SeededIds
from functory.kernel.settings import DeliverySettings
from functory.store.port import METADATA

NOW = 1000.0
IDS = SeededIds(1)


@asynccontextmanager
async def opened(bench):
    store = await bench.open()
    try:
        await store.write(METADATA.create_all)
        yield store
    finally:
        await store.close()


def some(count: int, target: str = "a", size: int = 1) -> list[Delivery]:
    new = NewDelivery("test", target, b"x" * size, {"n": [1, "ü"]})
    return [prepare(new, NOW + number, IDS) for number in range(count)]


def count(connection) -> int:
    return connection.execute(select(func.count()).select_from(DELIVERIES)).scalar_one()


def claiming(owner: str, *wants: Want, now: float = NOW + 100, until: float = NOW + 160):
    return partial(rows.claim, wants=wants, now=now, lease=Lease(owner, until))


def test_a_claim_takes_the_earliest_due_of_each_lane_within_its_bounds(bench):
    async def main():
        async with opened(bench) as store:
            a, b = some(5, "a"), some(5, "b", size=100)
            await store.write(lambda c: enqueue(c, *a, *b))
            claim = await store.write(
                claiming(
                    "one", Want(("test", "a"), 3, 1000), Want(("test", "b"), 3, 250), Want(("test", "c"), 3, 9), now=NOW + 3
                )
            )
            assert {key[1]: found for key, found in claim.deliveries.items()} == {"a": a[:3], "b": b[:2]}
            assert claim.waiting == {("test", "a"): NOW + 3, ("test", "b"): NOW + 2}
            assert await store.read(rows.discover) == claim.waiting

    asyncio.run(main())


def test_a_delivery_is_claimed_by_one_of_those_who_claim_at_once(bench):
    async def main():
        async with opened(bench) as store:
            await store.write(lambda c: enqueue(c, *some(60)))
            want = Want(("test", "a"), 20, 1000)
            claims = await asyncio.gather(*(store.write(claiming(f"node{n}", want)) for n in range(6)))
            taken = [delivery.id for claim in claims for found in claim.deliveries.values() for delivery in found]
            assert len(taken) == len(set(taken))
            left = await store.read(rows.discover)
            assert len(taken) == 60 or left

    asyncio.run(main())


def test_leases_are_renewed_taken_away_and_released(bench):
    async def main():
        async with opened(bench) as store:
            await store.write(lambda c: enqueue(c, *some(3)))
            want = Want(("test", "a"), 1, 1000)
            claims = [await store.write(claiming(owner, want)) for owner in ("one", "two", "three")]
            ids = [claim.deliveries[want.key][0].id for claim in claims]
            assert not await store.read(partial(rows.has_expired_lease, now=NOW + 159))
            assert await store.read(partial(rows.has_expired_lease, now=NOW + 160))
            renewal = partial(rows.renew, ids=ids, lease=Lease("one", NOW + 500), now=NOW + 160)
            await store.write(renewal)  # only its own is prolonged; the others ran out
            assert await store.read(lambda c: c.execute(select(DELIVERIES.c.leased_by)).scalars().all().count("one")) == 1
            assert await store.write(partial(rows.release, owner="one")) == 1
            return len((await store.write(claiming("four", Want(want.key, 9, 99), now=NOW + 200))).deliveries[want.key])

    assert asyncio.run(main()) == 3


def test_what_follows_an_end_is_added_only_by_the_first_to_end_it(bench):
    async def main():
        async with opened(bench) as store:
            (one,) = some(1)
            first, second = (rows.row(follower) for follower in some(2, "follower"))
            await store.write(Batch(inserts=[rows.row(one)]).apply)
            await store.write(Batch(endings=[(one.id, [first])]).apply)
            await store.write(Batch(endings=[(one.id, [second])]).apply)
            return await store.read(lambda c: list(c.execute(select(DELIVERIES.c.id)).scalars())), first["id"]

    ids, first = asyncio.run(main())
    assert ids == [first]


def test_a_node_that_lost_its_lease_reschedules_nothing(bench):
    async def main():
        async with opened(bench) as store:
            (one,) = some(1)
            await store.write(lambda c: enqueue(c, one))
            await store.write(claiming("new owner", Want(("test", "a"), 1, 9)))
            for owner in ("old owner", "new owner"):
                change = rows.reschedule(one, NOW + 500, one.tally, owner, owner)
                await store.write(Batch(reschedules=[change]).apply)
            return await store.read(lambda c: c.execute(select(DELIVERIES.c.last_error, DELIVERIES.c.due_at)).one())

    assert tuple(asyncio.run(main())) == ("new owner", NOW + 500)


class FailsOnce:
    """Every delivery takes two attempts and has a follower."""

    def __init__(self) -> None:
        self.done = 0

    async def deliver(self, delivery: Delivery):
        if delivery.tally.attempts == 0:
            return RetryAt(delivery.due_at, "again")
        self.done += 1
        return Done(then=(NewDelivery("after", delivery.target, delivery.payload),))

    async def expire(self, delivery: Delivery) -> Drop:
        raise AssertionError


class Counts(FailsOnce):
    async def deliver(self, delivery: Delivery):
        self.done += 1
        return Done()


def test_two_nodes_share_the_work_and_everything_ends_once(bench):
    """Both run in this process on one store, as far as the queue can tell they are two."""

    async def main():
        targets = {"test": FailsOnce(), "after": Counts()}

        def node(store, owner):
            settings = DeliverySettings(workers=8)
            return Deliveries(
                store, targets, settings=settings, clock=SystemClock(), ids=SeededIds(owner == "two"), owner=owner
            )

        async with opened(bench) as store:
            async with node(store, "one") as one, node(store, "two") as two:
                sends = [(one, two)[n % 2].accept(NewDelivery("test", f"t{n % 5}", b"x")) for n in range(150)]
                await asyncio.gather(*sends)
                async with asyncio.timeout(60):
                    while await store.read(count):
                        await asyncio.sleep(0.01)
            return targets["test"].done, targets["after"].done

    assert asyncio.run(main()) == (150, 150)
