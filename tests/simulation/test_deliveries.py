"""Seeded runs of the durable queue on virtual time: crashes, lost wake-ups, slow targets, a store that refuses.

Two nodes share one database. Each lives several lives, killed at random instants as ``kill -9`` would: what was not
committed is gone, what it was doing never answers. A seed decides everything; a failure names its seed.

Held after every run: each accepted delivery ended exactly once, in a way its history allows; no attempt came before it was
due, or, unless a crash or a busy queue explains it, late; nothing is left in the table.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
import structlog
from sqlalchemy import func, select

from functory.core.deliveries.port import Delivery, Done, Drop, ErrorKind, NewDelivery
from functory.core.deliveries.queue import LEASE_S, Deliveries, enqueue
from functory.core.deliveries.retry import AsyncPolicy, decide_async_retry
from functory.core.deliveries.tables import DELIVERIES
from functory.kernel.clock import LoopClock
from functory.kernel.ids import SeededIds
from functory.kernel.settings import DeliverySettings
from functory.store.port import StoreError
from tests.support.store import InlineStore
from tests.support.virtual_time import run_virtual

SEEDS = 200
CLOCK = LoopClock()
TARGETS = ("quick", "slow", "flaky", "throttled", "hopeless")
ENDINGS = {"Done", "RetriesExhausted", "EventAgeExceeded"}


@dataclass
class History:
    """What happened to one delivery, as its targets saw it."""

    attempts: list[tuple[float, float, int]] = field(default_factory=list)  # when, planned for, tally
    decisions: list[str] = field(default_factory=list)


@dataclass
class World:
    """Everything that outlives a node."""

    chance: random.Random
    accepted: set[str] = field(default_factory=set)
    histories: dict[str, History] = field(default_factory=lambda: defaultdict(History))
    ended: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    crashes: list[float] = field(default_factory=list)
    store_refuses: bool = False


class Function:
    """The target: five kinds of behaviour, one policy. Dead when its node is."""

    def __init__(self, world: World, policy: AsyncPolicy) -> None:
        self.world = world
        self.policy = policy
        self.is_dead = asyncio.get_running_loop().create_future()

    async def deliver(self, delivery: Delivery):
        now = CLOCK.epoch_s()
        assert now < delivery.expires_at, "attempted after its expiry"
        name = delivery.payload.decode()
        history = self.world.histories[name]
        history.attempts.append((now, delivery.due_at, delivery.tally.attempts))
        chance = self.world.chance
        await self._pass(chance.uniform(1, 200) if delivery.target == "slow" else chance.uniform(0, 0.2))
        failure = {
            "flaky": ErrorKind.FUNCTION if chance.random() < 0.5 else None,
            "throttled": ErrorKind.SYSTEM if chance.random() < 0.8 else None,
            "hopeless": ErrorKind.FUNCTION,
        }.get(delivery.target)
        if failure is None:
            return self._end(delivery, "Done")
        if chance.random() < 0.05:
            raise RuntimeError("a fault of ours")
        decision = decide_async_retry(
            CLOCK.epoch_s(), delivery.created_at, delivery.tally, failure, self.policy, "it failed"
        )
        return self._end(delivery, decision.reason) if isinstance(decision, Drop) else decision

    async def expire(self, delivery: Delivery) -> Drop:
        assert CLOCK.epoch_s() >= delivery.expires_at - 0.01, "expired too early"
        return self._end(delivery, "EventAgeExceeded")

    def _end(self, delivery: Delivery, how: str):
        name = delivery.payload.decode()
        self.world.histories[name].decisions.append(how)
        record = (NewDelivery("record", "records", f"{name}={how}".encode(), expires_at=delivery.expires_at + 1e6),)
        return Done(then=record) if how == "Done" else Drop(how, then=record)

    async def _pass(self, wait_s: float) -> None:
        """Let time pass, unless the node dies meanwhile: then nothing follows any more."""
        await asyncio.sleep(wait_s)
        if self.is_dead.done():
            await asyncio.get_running_loop().create_future()


class Records:
    """Receives one record for every delivery that ended: what is in it twice ended twice."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: set[str] = set()

    async def deliver(self, delivery: Delivery) -> Done:
        name, how = delivery.payload.decode().split("=")
        self.world.ended[name].append(f"{how} {delivery.id}")
        return Done()

    async def expire(self, delivery: Delivery) -> Drop:
        raise AssertionError("a record expired")


async def live(world: World, store: InlineStore, owner: str, policy: AsyncPolicy, length_s: float, sends: int) -> None:
    """One life of a node: it accepts, enqueues, sometimes forgets to nudge, and is killed."""
    chance = world.chance
    function = Function(world, policy)
    ids = SeededIds(chance.getrandbits(32))
    kinds = {"function": function, "record": Records(world)}
    settings = DeliverySettings(workers=chance.choice((2, 4, 16)))
    deliveries = Deliveries(store, kinds, settings=settings, clock=CLOCK, ids=ids, owner=owner, grace_s=0)

    async def send(number: int) -> None:
        await asyncio.sleep(chance.uniform(0, length_s))
        name = f"{owner}-{len(world.crashes)}-{number}-{chance.getrandbits(40)}"
        now = CLOCK.epoch_s()
        due_at = now + chance.uniform(0, 100) if chance.random() < 0.2 else None
        new = NewDelivery(
            "function", chance.choice(TARGETS), name.encode(), due_at=due_at, expires_at=policy.expires_at(now)
        )
        try:
            if chance.random() < 0.3:
                row = deliveries.prepare(new)
                await store.write(lambda connection: enqueue(connection, row))
                if chance.random() < 0.7:
                    deliveries.nudge(row)
            else:
                await deliveries.accept(new)
        except StoreError:
            return
        world.accepted.add(name)

    async def run() -> None:
        async with deliveries, asyncio.TaskGroup() as senders:
            for number in range(sends):
                senders.create_task(send(number))
            senders.create_task(asyncio.sleep(1e9))

    node = asyncio.ensure_future(run())
    await asyncio.sleep(length_s)
    store.kill()
    function.is_dead.set_result(None)
    world.crashes.append(CLOCK.epoch_s())
    node.cancel()
    await asyncio.gather(node, return_exceptions=True)


def left(connection) -> int:
    return connection.execute(select(func.count()).select_from(DELIVERIES)).scalar_one()


async def simulate(seed: int) -> World:
    chance = random.Random(seed)
    world = World(chance)
    slow_disk = chance.choice((0.0, 0.01, 0.5))
    stalls = chance.choice((0.0, 0.0, 0.03))

    def delay_s() -> float:
        """Sometimes longer than a lease: the node was stopped, or its disk hung, and another took over meanwhile."""
        return chance.uniform(50, 200) if chance.random() < stalls else chance.uniform(0, slow_disk)

    def fault() -> Exception | None:
        return StoreError("the disk is full") if world.store_refuses and chance.random() < 0.7 else None

    store = InlineStore(delay_s=delay_s, fault=fault)
    policy = AsyncPolicy(chance.choice((0, 1, 2)), chance.choice((60, 60, 300, 900)), chance.choice((1.0, 60.0)))

    async def trouble() -> None:
        while True:
            await asyncio.sleep(chance.uniform(1, 200))
            world.store_refuses = not world.store_refuses

    async def node(owner: str) -> None:
        for _ in range(chance.randint(1, 3)):
            handle = store.reopen()
            try:
                await live(world, handle, owner, policy, chance.uniform(0.01, 90), chance.randint(1, 10))
            except StoreError:
                continue
            await asyncio.sleep(chance.choice((0, 0, 30)))

    troubles = asyncio.ensure_future(trouble() if chance.random() < 0.3 else asyncio.sleep(0))
    await asyncio.gather(node("one"), node("two"))
    troubles.cancel()
    world.store_refuses = False
    kinds = {"function": Function(world, policy), "record": Records(world)}
    settings = DeliverySettings(workers=16)
    async with Deliveries(store, kinds, settings=settings, clock=CLOCK, ids=SeededIds(seed), owner="last"):
        await store.until(lambda connection: left(connection) == 0)
    store.dispose()
    return world


def check(world: World, seed: int) -> None:
    for name in world.accepted:
        history, ended = world.histories[name], world.ended[name]
        assert ended, f"seed {seed}: {name} was lost: {history}"
        assert len({one.split()[1] for one in ended}) == 1, f"seed {seed}: {name} ended more than once: {ended}"
        assert ended[0].split()[0] in ENDINGS, f"seed {seed}: {name} ended in an unknown way: {ended}"
        assert ended[0].split()[0] in history.decisions, f"seed {seed}: {name} ended as nobody decided: {history}"
    for name, history in world.histories.items():
        for at, due_at, _ in history.attempts:
            assert at >= due_at - 0.002, f"seed {seed}: {name} attempted before it was due: {history}"
        tallies = [made for *_, made in history.attempts]
        assert tallies == sorted(tallies), f"seed {seed}: {name} forgot attempts: {history}"
        repeated = len(tallies) - len(set(tallies))
        assert repeated <= len(world.crashes) + 1, f"seed {seed}: {name} repeated without a crash: {history}"


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_every_accepted_delivery_ends_exactly_once_whatever_is_killed(first):
    with structlog.testing.capture_logs():
        for seed in range(first, first + 20):
            check(run_virtual(simulate(seed)), seed)


@pytest.mark.parametrize("seed", range(20))
def test_without_trouble_every_attempt_is_made_at_the_moment_it_is_due(seed):
    """One node, enough workers, no crash: the times follow from the policy alone."""
    chance = random.Random(seed)
    world = World(chance)
    policy = AsyncPolicy()

    async def main() -> None:
        store = InlineStore()
        kinds = {"function": Function(world, policy), "record": Records(world)}
        settings = DeliverySettings(workers=256)
        async with Deliveries(store, kinds, settings=settings, clock=CLOCK, ids=SeededIds(seed), owner="one") as deliveries:
            for number in range(20):
                await asyncio.sleep(chance.uniform(0, 30))
                now = CLOCK.epoch_s()
                target = chance.choice(("quick", "flaky", "throttled", "hopeless"))
                await deliveries.accept(
                    NewDelivery("function", target, str(number).encode(), due_at=now + chance.uniform(0, 9))
                )
            await store.until(lambda connection: left(connection) == 0)
        store.dispose()

    with structlog.testing.capture_logs():
        run_virtual(main())
    for history in world.histories.values():
        assert len(history.decisions) == 1
        assert [made for *_, made in history.attempts] == list(range(len(history.attempts)))
        for at, due_at, _ in history.attempts:
            assert at == pytest.approx(due_at, abs=0.002)


def test_a_lease_is_longer_than_the_time_between_its_renewals():
    assert LEASE_S / 3 < LEASE_S - 2 * 5
