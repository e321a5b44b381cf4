from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import stat
import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, insert, select

from functory.store import sqlite
from functory.store.port import StoreError
from functory.store.sqlite import SqliteStore
from tests.support.store import open_test_store

METADATA = MetaData()
BYTES = Table("bytes", METADATA, Column("n", Integer, primary_key=True), Column("b", LargeBinary))


def add(n: int, size: int = 10):
    return lambda connection: connection.execute(insert(BYTES), {"n": n, "b": b"x" * size}).rowcount


def numbers(connection) -> list[int]:
    return list(connection.execute(select(BYTES.c.n).order_by(BYTES.c.n)).scalars())


def pragma(name: str):
    return lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def test_writes_are_fsynced_through_a_write_ahead_log(tmp_path):
    async def main():
        async with open_test_store(tmp_path, METADATA) as store:
            return [await store.write(pragma(name)) for name in ("journal_mode", "synchronous", "foreign_keys")]

    assert asyncio.run(main()) == ["wal", 2, 1]


def test_a_second_node_in_the_same_folder_is_refused_with_the_pid_of_the_first(tmp_path):
    async def main():
        async with open_test_store(tmp_path, METADATA) as store:
            with pytest.raises(StoreError, match=rf"is already in use by another node \(pid {os.getpid()}\)"):
                await SqliteStore.open(tmp_path / "functory.sqlite3", migrate=False)
            await store.write(add(1))
        async with open_test_store(tmp_path, METADATA) as store:
            return await store.read(numbers)

    assert asyncio.run(main()) == [1]


def test_a_refused_open_gives_the_folder_back(tmp_path):
    (tmp_path / "functory.sqlite3").write_bytes(b"this is no database at all, only text" * 100)

    async def main():
        for _ in range(2):
            with pytest.raises(StoreError, match="not a database"):
                await SqliteStore.open(tmp_path / "functory.sqlite3")

    asyncio.run(main())


def test_the_data_folder_and_its_files_are_for_their_owner_only(tmp_path):
    folder = tmp_path / "a" / "data"

    async def main():
        async with open_test_store(folder, METADATA) as store:
            await store.write(add(1))
            return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}

    assert asyncio.run(main()) == {
        "data": 0o700,
        "node.lock": 0o600,
        "functory.sqlite3": 0o600,
        "functory.sqlite3-wal": 0o600,
        "functory.sqlite3-shm": 0o600,
    }


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("in the way")

    async def main():
        with pytest.raises(StoreError, match="cannot be used"):
            await SqliteStore.open(tmp_path / "file" / "data" / "functory.sqlite3")

    asyncio.run(main())


@contextmanager
def files_no_larger_than(size: int):
    """Make the disk "full": the kernel refuses to grow a file further."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_refuses_is_a_store_error_and_leaves_no_half_state(tmp_path):
    def two_rows(connection):
        connection.execute(insert(BYTES), {"n": 2, "b": b"small"})
        connection.execute(insert(BYTES), {"n": 3, "b": b"x" * 4_000_000})

    async def main():
        async with open_test_store(tmp_path, METADATA) as store:
            await store.write(add(1))
            with files_no_larger_than(1_000_000):
                with pytest.raises(StoreError, match="disk"):
                    await store.write(two_rows)
                assert await store.read(numbers) == [1]
                await store.write(add(4))
            await store.write(two_rows)
        async with open_test_store(tmp_path, METADATA) as store:
            assert await store.read(pragma("integrity_check")) == "ok"
            return await store.read(numbers)

    assert asyncio.run(main()) == [1, 2, 3, 4]


def test_a_database_held_by_another_process_for_too_long_is_a_store_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 10)

    async def main():
        async with open_test_store(tmp_path, METADATA) as store:
            other = sqlite3.connect(tmp_path / "functory.sqlite3", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="another process"):
                await store.write(add(1))
            other.close()
            await store.write(add(2))
            return await store.read(numbers)

    assert asyncio.run(main()) == [2]


def test_the_log_stays_bounded_although_readers_kept_it_from_being_folded(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "LOG_BYTES_MAX", 500_000)
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 1_000_000)
    monkeypatch.setattr(sqlite, "_log", type("Quiet", (), {"info": staticmethod(lambda *_, **__: None)}))
    log = tmp_path / "functory.sqlite3-wal"
    reading, go_on = threading.Event(), threading.Event()

    def hold_a_snapshot(connection):
        numbers(connection)
        reading.set()
        assert go_on.wait(20)

    async def main():
        async with open_test_store(tmp_path, METADATA) as store:
            reader = asyncio.ensure_future(store.read(hold_a_snapshot))
            await asyncio.to_thread(reading.wait, 20)
            await store.write(add(1, 400_000))
            go_on.set()
            await reader
            for n in range(2, 6):
                await store.write(add(n, 300_000))
            await store.write(lambda c: None)  # the housekeeping after the last one is over
            assert log.stat().st_size < 1_000_000
            return await store.read(numbers)

    assert asyncio.run(main()) == [1, 2, 3, 4, 5]


def test_reads_go_on_while_the_writer_is_busy(tmp_path):
    started, go_on = threading.Event(), threading.Event()

    def slow(connection):
        started.set()
        assert go_on.wait(20)

    async def main():
        async with open_test_store(tmp_path, METADATA) as store:
            busy = asyncio.ensure_future(store.write(slow))
            await asyncio.to_thread(started.wait, 20)
            seen = await asyncio.gather(*(store.read(numbers) for _ in range(20)))
            go_on.set()
            await busy
            return seen

    assert asyncio.run(main()) == [[]] * 20
