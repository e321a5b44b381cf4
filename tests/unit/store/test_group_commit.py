from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, event, func, insert, select
from sqlalchemy.exc import OperationalError

from functory.store.port import StoreError
from tests.support.store import open_test_store

METADATA = MetaData()
NUMBERS = Table("numbers", METADATA, Column("n", Integer, primary_key=True))


def add(n: int):
    def work(connection):
        connection.execute(insert(NUMBERS), {"n": n})
        return n

    return work


def count(connection) -> int:
    return connection.execute(select(func.count()).select_from(NUMBERS)).scalar_one()


def holding(started: threading.Event, go_on: threading.Event):
    """A unit that keeps the writing thread busy until it is told to go on."""

    def work(connection):
        started.set()
        assert go_on.wait(20)

    return work


async def behind_a_busy_writer(store, units):
    """Submit units while the writer is busy, so that they form one group; return how they ended."""
    started, go_on = threading.Event(), threading.Event()
    busy = asyncio.ensure_future(store.write(holding(started, go_on)))
    await asyncio.to_thread(started.wait, 20)
    waiting = [asyncio.ensure_future(store.write(unit)) for unit in units]
    await asyncio.sleep(0)
    go_on.set()
    await busy
    return await asyncio.gather(*waiting, return_exceptions=True)


def test_units_that_wait_together_share_one_commit(tmp_path):
    async def main():
        async with open_test_store(tmp_path, METADATA) as store:
            commits = []
            event.listen(store.engine, "commit", lambda connection: commits.append(None))
            await behind_a_busy_writer(store, [add(n) for n in range(200)])
            return len(commits), await store.read(count)

    assert asyncio.run(main()) == (2, 200)


def test_a_group_has_a_bound(tmp_path):
    async def main():
        async with open_test_store(tmp_path, METADATA) as store:
            commits = []
            event.listen(store.engine, "commit", lambda connection: commits.append(None))
            await behind_a_busy_writer(store, [add(n) for n in range(1000)])
            return len(commits), await store.read(count)

    assert asyncio.run(main()) == (3, 1000)


def test_when_the_commit_fails_every_unit_of_the_group_fails_and_none_is_kept(tmp_path):
    disk_full = OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))
    refusals = [None, disk_full, None]

    async def main():
        async with open_test_store(tmp_path, METADATA) as store:

            @event.listens_for(store.engine, "commit")
            def refuse(connection):
                if (failing := refusals.pop(0)) is not None:
                    raise failing

            ended = await behind_a_busy_writer(store, [add(1), add(3), add(2)])
            assert [type(end) for end in ended] == [StoreError] * 3
            assert len({id(end) for end in ended}) == 3
            assert await store.read(count) == 0
            assert await store.write(add(5)) == 5
            return await store.read(count)

    assert asyncio.run(main()) == 1


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_unit_must_not_end_the_transaction_it_was_given(tmp_path, ending):
    async def main():
        async with open_test_store(tmp_path, METADATA) as store:
            with pytest.raises(StoreError, match="ended the transaction"):
                await store.write(lambda connection: getattr(connection, ending)())
            return await store.write(add(1))

    assert asyncio.run(main()) == 1


def test_a_waiter_whose_loop_is_closed_harms_nobody(tmp_path):
    async def leave(store):
        task = asyncio.ensure_future(store.write(add(1)))
        await asyncio.sleep(0)
        task.cancel()

    async def main():
        async with open_test_store(tmp_path, METADATA) as store:
            await asyncio.to_thread(asyncio.run, leave(store))
            await store.write(add(2))
            return await store.read(count)

    assert asyncio.run(main()) == 2
