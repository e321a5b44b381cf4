"""What `functory.store.port.Store` promises, held against every implementation."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from functory.store.port import StoreError, upsert

METADATA = MetaData()
NOTES = Table("notes", METADATA, Column("id", Integer, primary_key=True), Column("text", String, nullable=False))
REPLIES = Table("replies", METADATA, Column("note", ForeignKey("notes.id")), Column("body", LargeBinary))


@asynccontextmanager
async def opened(bench):
    store = await bench.open()
    try:
        await store.write(METADATA.create_all)
        yield store
    finally:
        await store.close()


def add(number: int, text: str = "text"):
    def work(connection):
        connection.execute(insert(NOTES), {"id": number, "text": text})
        return number

    return work


def texts(connection) -> list[str]:
    return list(connection.execute(select(NOTES.c.text).order_by(NOTES.c.id)).scalars())


def count(connection) -> int:
    return connection.execute(select(func.count()).select_from(NOTES)).scalar_one()


def test_a_write_returns_what_its_work_returned_and_is_read_afterwards(bench):
    async def main():
        async with opened(bench) as store:
            assert await store.write(add(7, "seven")) == 7
            assert await store.read(texts) == ["seven"]

    asyncio.run(main())


def test_what_was_written_is_there_after_reopening(bench):
    async def main():
        async with opened(bench) as store:
            await store.write(add(1, "kept"))
        async with opened(bench) as store:
            return await store.read(texts)

    assert asyncio.run(main()) == ["kept"]


def test_a_unit_that_raises_leaves_nothing_and_its_exception_arrives(bench):
    class RefusedError(Exception):
        pass

    def work(connection):
        connection.execute(insert(NOTES), {"id": 1, "text": "half"})
        raise RefusedError("no")

    async def main():
        async with opened(bench) as store:
            with pytest.raises(RefusedError, match="no"):
                await store.write(work)
            return await store.read(count)

    assert asyncio.run(main()) == 0


def test_failing_units_do_not_disturb_their_neighbours(bench):
    def failing(number):
        def work(connection):
            connection.execute(insert(NOTES), {"id": 1000 + number, "text": "undone"})
            raise ValueError(number)

        return work

    async def main():
        async with opened(bench) as store:
            units = [failing(n) if n % 3 == 0 else add(n) for n in range(60)]
            results = await asyncio.gather(*(store.write(unit) for unit in units), return_exceptions=True)
            return results, await store.read(lambda c: set(c.execute(select(NOTES.c.id)).scalars()))

    results, kept = asyncio.run(main())
    assert kept == {n for n in range(60) if n % 3}
    assert [repr(r) for r in results] == [f"ValueError({n})" if n % 3 == 0 else str(n) for n in range(60)]


def test_a_statement_the_database_refuses_fails_only_its_unit(bench):
    async def main():
        async with opened(bench) as store:
            await store.write(add(1))
            results = await asyncio.gather(*(store.write(add(n)) for n in (1, 2, 3)), return_exceptions=True)
            assert isinstance(results[0], IntegrityError)
            assert results[1:] == [2, 3]
            return await store.read(count)

    assert asyncio.run(main()) == 3


def test_a_unit_may_use_savepoints_of_its_own(bench):
    def work(connection):
        connection.execute(insert(NOTES), {"id": 1, "text": "outer"})
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(insert(NOTES), {"id": 1, "text": "inner"})
        return count(connection)

    async def main():
        async with opened(bench) as store:
            alone = await store.write(work)
            await store.write(lambda c: c.execute(NOTES.delete()).rowcount)
            together = await asyncio.gather(store.write(work), store.write(add(2)))
            return alone, together[1], await store.read(texts)

    assert asyncio.run(main()) == (1, 2, ["outer", "text"])


def test_a_unit_that_raises_stop_iteration_is_reported_and_not_lost(bench):
    def work(connection):
        raise StopIteration

    async def main():
        async with opened(bench) as store:
            for run in (store.write, store.read):
                with pytest.raises(RuntimeError, match="StopIteration"):
                    await run(work)

    asyncio.run(main())


def test_foreign_keys_are_enforced(bench):
    async def main():
        async with opened(bench) as store:
            with pytest.raises(IntegrityError):
                await store.write(lambda c: c.execute(insert(REPLIES), {"note": 5, "body": b"x"}).rowcount)

    asyncio.run(main())


def test_units_see_one_another_as_if_one_came_after_the_other(bench):
    def increment(connection):
        seen = int(connection.execute(select(NOTES.c.text)).scalar_one())
        connection.execute(update(NOTES).values(text=str(seen + 1)))
        return seen

    async def main():
        async with opened(bench) as store:
            await store.write(add(1, "0"))
            seen = await asyncio.gather(*(store.write(increment) for _ in range(30)))
            return sorted(seen), await store.read(texts)

    assert asyncio.run(main()) == (list(range(30)), ["30"])


def test_a_read_is_one_snapshot_and_does_not_wait_for_writers(bench):
    began, wrote = threading.Event(), threading.Event()

    def reading(connection):
        before = count(connection)
        began.set()
        assert wrote.wait(20)
        return before, count(connection)

    async def main():
        async with opened(bench) as store:
            await store.write(add(1))
            read = asyncio.ensure_future(store.read(reading))
            await asyncio.to_thread(began.wait, 20)
            await store.write(add(2))
            wrote.set()
            return await read, await store.read(count)

    assert asyncio.run(main()) == ((1, 1), 2)


def test_a_reader_does_not_see_a_write_before_its_commit(bench):
    inserted, go_on = threading.Event(), threading.Event()

    def writing(connection):
        connection.execute(insert(NOTES), {"id": 1, "text": "soon"})
        inserted.set()
        assert go_on.wait(20)

    async def main():
        async with opened(bench) as store:
            write = asyncio.ensure_future(store.write(writing))
            await asyncio.to_thread(inserted.wait, 20)
            before = await store.read(count)
            go_on.set()
            await write
            return before, await store.read(count)

    assert asyncio.run(main()) == (0, 1)


def test_a_read_cannot_write(bench):
    async def main():
        async with opened(bench) as store:
            with pytest.raises(Exception, match=r"(?i)read.?only"):
                await store.read(add(1))
            return await store.read(count)

    assert asyncio.run(main()) == 0


def test_more_units_than_may_wait_at_once_all_get_their_turn(bench):
    async def main():
        async with opened(bench) as store:
            store._room = asyncio.Semaphore(3)
            await asyncio.gather(*(store.write(add(n)) for n in range(50)))
            return await store.read(count)

    assert asyncio.run(main()) == 50


def test_a_cancelled_writer_harms_nobody_and_its_work_is_whole(bench):
    running, go_on = threading.Event(), threading.Event()

    def slow(connection):
        connection.execute(insert(NOTES), {"id": 1, "text": "a"})
        running.set()
        assert go_on.wait(20)
        connection.execute(insert(NOTES), {"id": 2, "text": "b"})

    async def main():
        async with opened(bench) as store:
            cancelled = asyncio.ensure_future(store.write(slow))
            await asyncio.to_thread(running.wait, 20)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            go_on.set()
            await store.write(add(3, "c"))
        async with opened(bench) as store:
            return await store.read(texts)

    assert asyncio.run(main()) in (["a", "b", "c"], ["c"])


def test_closing_finishes_the_writes_that_were_accepted(bench):
    async def main():
        async with opened(bench) as store:
            writes = [asyncio.ensure_future(store.write(add(n))) for n in range(100)]
            await asyncio.sleep(0)
            await store.close()
            assert sorted(await asyncio.gather(*writes)) == list(range(100))
        async with opened(bench) as store:
            return await store.read(count)

    assert asyncio.run(main()) == 100


def test_a_closed_store_refuses_and_may_be_closed_again(bench):
    async def main():
        async with opened(bench) as store:
            await asyncio.gather(store.close(), store.close())
            for run in (store.read, store.write):
                with pytest.raises(StoreError, match="closed"):
                    await run(count)

    asyncio.run(main())


def test_upsert_inserts_then_updates_only_the_named_columns(bench):
    def work(connection):
        first = upsert(connection, NOTES, {"id": 1, "text": "old"}, keys=["id"], update=["text"])
        second = upsert(
            connection, NOTES, [{"id": 1, "text": "new"}, {"id": 2, "text": "two"}], keys=["id"], update=["text"]
        )
        ignored = upsert(connection, NOTES, {"id": 1, "text": "ignored"}, keys=["id"])
        nothing = upsert(connection, NOTES, [], keys=["id"])
        return first, second, ignored, nothing

    async def main():
        async with opened(bench) as store:
            return await store.write(work), await store.read(texts)

    assert asyncio.run(main()) == ((1, 2, 0, 0), ["new", "two"])
