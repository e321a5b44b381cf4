from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
import structlog
from sqlalchemy import func, select, update

from functory.core.deliveries.port import Delivery, Done, Drop, ErrorKind, NewDelivery, RetryAt
from functory.core.deliveries.queue import Deliveries, enqueue
from functory.core.deliveries.retry import AsyncPolicy, decide_async_retry
from functory.core.deliveries.tables import DELIVERIES
from functory.kernel.clock import LoopClock
from functory.kernel.ids import SeededIds
from functory.kernel.settings import DeliverySettings
from functory.store.port import StoreError
from tests.support.store import InlineStore, open_test_store
from tests.support.virtual_time import run_virtual

CLOCK = LoopClock(0.0)


class Target:
    """Remembers its attempts; what it answers is a function of the delivery."""

    def __init__(self, answer=lambda delivery: Done()) -> None:
        self.answer = answer
        self.attempts: list[tuple[float, str, int]] = []
        self.expired: list[tuple[float, str]] = []
        self.arrival = asyncio.Condition()

    async def deliver(self, delivery: Delivery):
        self.attempts.append((CLOCK.epoch_s(), delivery.payload.decode(), delivery.tally.attempts))
        async with self.arrival:
            self.arrival.notify_all()
        answer = self.answer(delivery)
        return await answer if asyncio.iscoroutine(answer) else answer

    async def expire(self, delivery: Delivery) -> Drop:
        self.expired.append((CLOCK.epoch_s(), delivery.payload.decode()))
        return Drop("EventAgeExceeded")

    async def until(self, count: int) -> None:
        async with self.arrival:
            await self.arrival.wait_for(lambda: len(self.attempts) >= count)


def room(store, target=None, *, workers: int = 8, owner: str = "node", grace_s: float = 1.0, **more) -> Deliveries:
    return Deliveries(
        store,
        {"test": target or Target(), **more},
        settings=DeliverySettings(workers=workers),
        clock=CLOCK,
        ids=SeededIds(),
        owner=owner,
        grace_s=grace_s,
    )


def new(payload: str = "event", target: str = "a", **more) -> NewDelivery:
    return NewDelivery("test", target, payload.encode(), **more)


def count(connection) -> int:
    return connection.execute(select(func.count()).select_from(DELIVERIES)).scalar_one()


async def until_empty(store: InlineStore) -> None:
    """Wait, in virtual time, until no delivery is left."""
    await store.until(lambda connection: count(connection) == 0)


@asynccontextmanager
async def inline_store(**options):
    store = InlineStore(**options)
    try:
        yield store
    finally:
        store.dispose()


@pytest.fixture
def said():
    with structlog.testing.capture_logs() as entries:
        yield entries


def test_what_is_accepted_is_delivered_at_once_and_then_gone():
    async def main():
        async with inline_store() as store:
            target = Target()
            async with room(store, target) as deliveries:
                id_ = await deliveries.accept(new("hello", attributes={"n": [1, None]}))
                await until_empty(store)
            return id_, target.attempts

    id_, attempts = run_virtual(main())
    assert (len(id_), attempts) == (28, [(0.0, "hello", 0)])


def test_it_is_durable_before_accept_returns_and_needs_no_query_to_reach_the_worker():
    async def main():
        async with inline_store() as store:
            never = asyncio.get_running_loop().create_future()
            target = Target(lambda delivery: asyncio.wait_for(never, None))
            async with room(store, target, grace_s=0) as deliveries:
                await asyncio.sleep(0)
                before = store.commits
                await deliveries.accept(new())
                assert store.look(lambda c: c.execute(select(DELIVERIES.c.leased_by)).scalar_one()) == "node"
                await target.until(1)
                assert store.commits - before == 1

    run_virtual(main())


def test_removing_what_is_done_shares_the_commit_of_the_next_accept():
    async def run():
        async with inline_store() as store, room(store) as deliveries:
            await deliveries.accept(new("first"))
            writes = store.commits
            for number in range(20):
                await asyncio.sleep(0)  # the attempt before has ended by now
                await deliveries.accept(new(str(number)))
            assert store.commits - writes == 20
            await until_empty(store)
            assert store.commits - writes == 21

    run_virtual(run())


def test_the_target_sees_everything_the_sender_gave():
    seen = []

    def answer(delivery):
        seen.append(delivery)
        return RetryAt(CLOCK.epoch_s() + 5, "once more") if not delivery.tally.attempts else Done()

    async def main():
        async with inline_store() as store, room(store, Target(answer)) as deliveries:
            await deliveries.accept(new("p", "arn:x", attributes={"key": "välue"}, expires_at=99.0))
            await until_empty(store)

    run_virtual(main())
    first, second = seen
    assert (first.payload, first.target, first.attributes) == (b"p", "arn:x", {"key": "välue"})
    assert (first.created_at, first.due_at, first.expires_at, first.last_error) == (0.0, 0.0, 99.0, "")
    assert (second.id, second.attributes, second.created_at) == (first.id, first.attributes, 0.0)
    assert (second.due_at, second.last_error, second.tally.attempts) == (5.0, "once more", 1)


def test_a_delivery_for_later_waits_until_exactly_then():
    async def main():
        async with inline_store() as store:
            target = Target()
            async with room(store, target) as deliveries:
                for due_at in (61.25, 7.5, 3600.0):
                    await deliveries.accept(new(str(due_at), due_at=due_at))
                await until_empty(store)
            return target.attempts

    attempts = run_virtual(main())
    assert [(pytest.approx(at, abs=0.002), payload) for at, payload, _ in attempts] == [
        (7.5, "7.5"),
        (61.25, "61.25"),
        (3600.0, "3600.0"),
    ]


def test_lambdas_policy_makes_three_attempts_after_zero_one_and_three_minutes(said):
    def answer(delivery):
        now = CLOCK.epoch_s()
        return decide_async_retry(now, delivery.created_at, delivery.tally, ErrorKind.FUNCTION, AsyncPolicy(), "boom")

    async def main():
        async with inline_store() as store:
            target = Target(answer)
            async with room(store, target) as deliveries:
                await deliveries.accept(new())
                await until_empty(store)
            return target.attempts

    attempts = run_virtual(main())
    assert [(round(at), made) for at, _, made in attempts] == [(0, 0), (60, 1), (180, 2)]
    assert [(entry["event"], entry["reason"]) for entry in said] == [("delivery_dropped", "RetriesExhausted")]


def test_a_delivery_expires_exactly_when_its_time_is_over(said):
    async def main():
        async with inline_store() as store:
            target = Target(lambda delivery: RetryAt(CLOCK.epoch_s() + 50, "busy"))
            async with room(store, target) as deliveries:
                await deliveries.accept(new("old", expires_at=120.0))
                await until_empty(store)
            return [at for at, *_ in target.attempts], target.expired

    attempts, expired = run_virtual(main())
    assert attempts == pytest.approx([0, 50, 100], abs=0.01)
    assert expired == [(pytest.approx(120, abs=0.01), "old")]


def test_what_follows_is_made_durable_with_the_end_and_delivered(said):
    follower = NewDelivery("destination", "queue", b"record")

    async def main():
        async with inline_store() as store:
            destination = Target()
            for answer in (Done(then=(follower,)), Drop("RetriesExhausted", then=(follower,))):
                async with room(
                    store, Target(lambda delivery, answer=answer: answer), destination=destination
                ) as deliveries:
                    await deliveries.accept(new())
                    await until_empty(store)
            return destination.attempts

    assert [payload for _, payload, _ in run_virtual(main())] == ["record", "record"]


def test_an_exception_of_the_target_is_logged_once_and_the_delivery_retried(said):
    def answer(delivery):
        if delivery.tally.attempts < 3:
            raise ValueError("bug")
        return Done()

    async def main():
        async with inline_store() as store:
            target = Target(answer)
            async with room(store, target) as deliveries:
                await deliveries.accept(new())
                await until_empty(store)
            return [round(at) for at, *_ in target.attempts]

    assert run_virtual(main()) == [0, 1, 3, 7]
    assert [entry["event"] for entry in said] == ["delivery_target_failed"]


def test_a_target_that_cancels_itself_is_a_fault_too(said):
    async def cancelled():
        raise asyncio.CancelledError

    async def main():
        async with inline_store() as store:
            target = Target(lambda delivery: Done() if delivery.tally.attempts else cancelled())
            async with room(store, target) as deliveries:
                await deliveries.accept(new())
                await until_empty(store)
            return len(target.attempts)

    assert run_virtual(main()) == 2


def test_a_follower_for_nobody_is_a_fault_of_the_target_and_ends_nothing(said):
    async def main():
        async with inline_store() as store:
            target = Target(
                lambda delivery: Done((NewDelivery("nobody", "x", b""),)) if not delivery.tally.attempts else Done()
            )
            async with room(store, target) as deliveries:
                await deliveries.accept(new())
                await until_empty(store)
            return len(target.attempts)

    assert run_virtual(main()) == 2


def test_a_slow_target_leaves_workers_to_others():
    async def main():
        async with inline_store() as store:
            never = asyncio.get_running_loop().create_future()
            target = Target(lambda delivery: Done() if delivery.target == "quick" else asyncio.wait_for(never, None))
            async with room(store, target, workers=8, grace_s=0) as deliveries:
                for number in range(200):
                    await deliveries.accept(new(f"slow{number}", "slow"))
                await asyncio.sleep(20)
                assert len(target.attempts) == 4
                for number in range(50):
                    await deliveries.accept(new(f"quick{number}", "quick"))
                await target.until(54)
                return CLOCK.epoch_s()

    assert run_virtual(main()) == 20.0


def test_a_backlog_beyond_memory_is_worked_off_from_the_table():
    async def main():
        async with inline_store() as store:
            target = Target(lambda delivery: asyncio.sleep(1, Done()))
            async with room(store, target, workers=4) as deliveries:
                await asyncio.gather(*(deliveries.accept(new(str(n))) for n in range(100)))
                assert store.look(lambda c: c.execute(select(func.count(DELIVERIES.c.leased_by))).scalar_one()) <= 16
                await until_empty(store)
            return [int(payload) for _, payload, _ in target.attempts], CLOCK.epoch_s()

    payloads, took_s = run_virtual(main())
    assert sorted(payloads) == list(range(100))
    assert took_s == pytest.approx(50, abs=1)  # half of four workers, one second each


def test_an_outbox_row_goes_at_once_when_announced_and_within_seconds_when_not():
    async def main():
        async with inline_store() as store:
            target = Target()
            async with room(store, target) as deliveries:
                announced, forgotten = deliveries.prepare(new("announced", "a")), deliveries.prepare(new("forgotten", "b"))
                await store.write(lambda connection: enqueue(connection, announced))
                deliveries.nudge(announced)
                await target.until(1)
                at_once = CLOCK.epoch_s()
                await store.write(lambda connection: enqueue(connection, forgotten))
                await target.until(2)
                found = CLOCK.epoch_s()
                other = deliveries.prepare(new("looked for", "c"))
                await store.write(lambda connection: enqueue(connection, other))
                deliveries.nudge()
                await target.until(3)
                return at_once, found, CLOCK.epoch_s()

    assert run_virtual(main()) == (0.0, 5.0, 5.0)


def test_an_outbox_row_of_a_unit_that_raised_never_existed():
    async def main():
        async with inline_store() as store:
            target = Target()
            async with room(store, target) as deliveries:
                row = deliveries.prepare(new())

                def work(connection):
                    enqueue(connection, row)
                    raise ValueError("undone")

                with pytest.raises(ValueError, match="undone"):
                    await store.write(work)
                await asyncio.sleep(60)
            return target.attempts

    assert run_virtual(main()) == []


def test_a_long_run_keeps_its_lease_and_is_not_attempted_by_another_node():
    async def main():
        async with inline_store() as store:
            first = Target(lambda delivery: asyncio.sleep(900, Done()))
            second = Target()
            async with room(store, first, owner="one") as deliveries, room(store.reopen(), second, owner="two"):
                await deliveries.accept(new())
                await until_empty(store)
            return len(first.attempts), len(second.attempts), round(CLOCK.epoch_s())

    assert run_virtual(main()) == (1, 0, 900)


def test_the_leases_of_a_killed_node_run_out_and_another_node_takes_over(said):
    async def main():
        async with inline_store() as store:
            killed = store.reopen()
            dying = Target(lambda delivery: asyncio.sleep(10_000, Done()))
            async with room(store, second := Target(), owner="two"):
                async with room(killed, dying, owner="one", grace_s=0) as deliveries:
                    await deliveries.accept(new())
                    await dying.until(1)
                    killed.kill()
                await until_empty(store)
            return second.attempts

    ((at, payload, made),) = run_virtual(main())
    assert (payload, made) == ("event", 0)
    assert 60 <= at <= 70


def test_a_node_that_comes_back_goes_on_at_once(said):
    async def main():
        async with inline_store() as store:
            killed = store.reopen()
            dying = Target(lambda delivery: asyncio.sleep(10_000, Done()))
            async with room(killed, dying, grace_s=0) as deliveries:
                await deliveries.accept(new())
                await dying.until(1)
                killed.kill()
            back = CLOCK.epoch_s()
            target = Target()
            async with room(store, target):
                await until_empty(store)
            return target.attempts[0][0] - back

    assert run_virtual(main()) == 0


def test_an_orderly_end_waits_for_attempts_and_gives_the_rest_back():
    async def main():
        async with inline_store() as store:
            target = Target(lambda delivery: asyncio.sleep(3 if delivery.target == "short" else 1000, Done()))
            async with room(store, target, grace_s=5) as deliveries:
                await deliveries.accept(new("s", "short"))
                await deliveries.accept(new("l", "long"))
                await target.until(2)
            with pytest.raises(StoreError, match="stopping"):
                await deliveries.accept(new())
            left = store.look(lambda c: c.execute(select(DELIVERIES.c.target, DELIVERIES.c.leased_by)).all())
            return [tuple(row) for row in left], CLOCK.epoch_s()

    assert run_virtual(main()) == ([("long", None)], 5.0)


def test_when_the_store_refuses_the_sender_hears_of_it(said):
    async def main():
        trouble: list[Exception] = []
        async with inline_store(fault=lambda: trouble[0] if trouble else None) as store:
            target = Target()
            async with room(store, target) as deliveries:
                trouble.append(StoreError("the disk is full"))
                with pytest.raises(StoreError, match="the disk is full"):
                    await deliveries.accept(new("lost"))
                trouble.clear()
                await deliveries.accept(new("kept"))
                await until_empty(store)
            return [payload for _, payload, _ in target.attempts]

    assert run_virtual(main()) == ["kept"]


def test_what_was_done_while_the_store_refused_is_not_done_again(said):
    async def main():
        trouble: list[Exception] = []

        async def answer():
            trouble.append(StoreError("the disk is full"))
            asyncio.get_running_loop().call_later(100, trouble.clear)
            return Done()

        async with inline_store(fault=lambda: trouble[0] if trouble else None) as store:
            target = Target(lambda delivery: answer())
            async with room(store, target) as deliveries:
                await deliveries.accept(new())
                await until_empty(store)
            return len(target.attempts), round(CLOCK.epoch_s())

    attempts, at = run_virtual(main())
    assert attempts == 1
    assert 100 <= at <= 102
    assert {entry["event"] for entry in said} == {"deliveries_store_refuses", "deliveries_not_kept"}


def test_one_impossible_delivery_does_not_take_its_neighbours_along():
    async def main():
        async with inline_store() as store:
            target = Target()
            async with room(store, target) as deliveries:
                impossible = NewDelivery("test", "a", SizedObject())
                sends = [deliveries.accept(one) for one in (new("x"), impossible, new("y"))]
                results = await asyncio.gather(*sends, return_exceptions=True)
                await until_empty(store)
            return [type(result).__name__ for result in results], [payload for _, payload, _ in target.attempts]

    assert run_virtual(main()) == (["str", "StatementError", "str"], ["x", "y"])


class SizedObject:
    def __len__(self) -> int:
        return 1


def test_an_unknown_kind_is_refused_and_one_in_the_table_is_left_alone(said):
    async def main():
        async with inline_store() as store:
            async with room(store) as deliveries:
                with pytest.raises(ValueError, match="'other'"):
                    await deliveries.accept(NewDelivery("other", "a", b""))
                await deliveries.accept(new("kept", due_at=50.0))
            await store.write(lambda c: c.execute(update(DELIVERIES).values(target_kind="from the future")).rowcount)
            target = Target()
            async with room(store, target):
                await asyncio.sleep(100)
            return store.look(count), target.attempts

    assert run_virtual(main()) == (1, [])
    assert (said[0]["event"], said[0]["kinds"]) == ("deliveries_of_unknown_kind", ["from the future"])


def test_attributes_that_are_no_json_are_the_senders_mistake():
    async def main():
        async with inline_store() as store, room(store) as deliveries:
            with pytest.raises(TypeError):
                await deliveries.accept(new(attributes={"x": object()}))

    run_virtual(main())


def test_on_the_real_store_everything_accepted_at_once_is_delivered(tmp_path):
    async def main():
        target = Target()
        async with open_test_store(tmp_path) as store:
            async with room(store, target, workers=16) as deliveries:
                ids = await asyncio.gather(*(deliveries.accept(new(str(n), f"t{n % 7}")) for n in range(500)))
                await target.until(500)
            assert len(set(ids)) == 500
            return sorted(int(payload) for _, payload, _ in target.attempts), await store.read(count)

    assert asyncio.run(main()) == (list(range(500)), 0)
