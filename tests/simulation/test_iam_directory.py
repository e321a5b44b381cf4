"""The directory of IAM under races: whoever asks sees every change that was acknowledged before it asked, and
in the end everything that was committed, acknowledged or not.

One role's tag counts up. Callers change it and lose patience now and then, the store commits in order, late, and refuses
sometimes; others look it up all the while. A seed decides everything; a failure names its seed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy import Connection, insert, select, update

from functory.kernel.sealing import Sealer
from functory.services.iam.directory import Directory
from functory.services.iam.entities import NewEntity, add
from functory.services.iam.tables import ENTITIES, ROLES
from functory.store.port import StoreError
from tests.support.iam_service import ACCOUNT, TRUST, MemoryStore
from tests.support.virtual_time import run_virtual

T = TypeVar("T")
SEEDS = 40
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


class RacingStore(MemoryStore):
    """Takes its time before and after the work; what was begun is committed even if the caller goes away."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice
        self._turn = asyncio.Lock()
        self._commits: set[asyncio.Task[None]] = set()

    async def _pause(self) -> None:
        await asyncio.sleep(self._dice.choice((0, 0, 1, 3)))

    async def read(self, work: Callable[[Connection], T]) -> T:
        await self._pause()
        value = await super().read(work)
        await self._pause()
        return value

    async def write(self, work: Callable[[Connection], T]) -> T:
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(self._commit(work, answer))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        return await answer

    async def settle(self) -> None:
        """Wait for what callers did not wait for."""
        await asyncio.gather(*self._commits)

    async def _commit(self, work: Callable[[Connection], T], answer: asyncio.Future[T]) -> None:
        async with self._turn:
            await self._pause()
            refuses = self._dice.random() < 0.1
            value = None if refuses else await super().write(work)
            await self._pause()
        if answer.done():
            return
        if refuses:
            answer.set_exception(StoreError("no space left"))
        else:
            answer.set_result(value)  # type: ignore[arg-type]


class World:
    """The role, who changes it, and who looks."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.store = RacingStore(self.dice)
        self.directory = Directory(self.store, Sealer(b"s" * 32, "test"))
        self.tried = 0
        self.acknowledged = 0
        self.looks = 0

    async def begin(self) -> None:
        def work(connection: Connection) -> None:
            add(connection, ACCOUNT, NewEntity("AROA1", 1, "role", "r", "/", {"n": "0"}, None))
            connection.execute(insert(ROLES).values(owner_id="AROA1", trust_policy=TRUST, max_session_s=3600))

        await MemoryStore.write(self.store, work)

    async def change(self) -> None:
        for _ in range(12):
            await asyncio.sleep(self.dice.choice((0, 1, 5)))
            self.tried += 1
            number = self.tried

            def work(connection: Connection, number: int = number) -> None:
                connection.execute(update(ENTITIES).values(tags={"n": str(number)}))

            try:
                async with asyncio.timeout(self.dice.choice((1, 2, 1000))):
                    await self.directory.change(work)
            except (TimeoutError, StoreError):
                continue
            self.acknowledged = number

    async def look(self) -> None:
        for _ in range(40):
            await asyncio.sleep(self.dice.choice((0, 0, 1, 2)))
            before = self.acknowledged
            role = await self.directory.find_role(ROLE)
            assert role is not None
            assert int(role.tags["n"]) >= before
            self.looks += 1

    async def run(self) -> None:
        await self.begin()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.change())
            for _ in range(3):
                tasks.create_task(self.look())
        await self.store.settle()
        role = await self.directory.find_role(ROLE)
        assert role is not None
        assert role.tags == await MemoryStore.read(self.store, _tags), "what was committed for nobody is not seen"


def _tags(connection: Connection) -> dict[str, str]:
    found: dict[str, str] = connection.execute(select(ENTITIES.c.tags)).scalar_one()
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_acknowledged_change_is_missed(seed: int) -> None:
    world = World(seed)
    run_virtual(world.run())
    assert world.looks == 120
