"""Stores for tests: the real one on a temporary folder, and one that runs inline for virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.pool import NullPool

from functory.store.port import METADATA
from functory.store.sqlite import SqliteStore

T = TypeVar("T")


@asynccontextmanager
async def open_test_store(folder: Path, metadata: MetaData = METADATA) -> AsyncIterator[SqliteStore]:
    """A real SQLite store in ``folder`` with every table declared so far on ``metadata``.

    Import the ``tables`` module under test before. Opening the same folder again finds the data of before.
    """
    store = await SqliteStore.open(folder / "functory.sqlite3", migrate=False)
    try:
        await store.write(metadata.create_all)
        yield store
    finally:
        await store.close()


@cache
def _memory_engine() -> Engine:
    """One engine for all: it remembers compiled statements; each connection is a database of its own."""
    engine = create_engine("sqlite://", poolclass=NullPool, connect_args={"isolation_level": None})
    event.listen(engine, "connect", lambda driver, _: driver.execute("PRAGMA foreign_keys=ON"))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


class InlineStore:
    """A store for virtual time: an SQLite database in memory, units of work run inline on the event loop.

    Several handles may share one database, as several nodes or several lives of one node do: `reopen` makes another,
    `kill` ends one as ``kill -9`` would.

    Args:
        metadata: the tables to create.
        delay_s: called twice for every write: how long it waits before its commit, and after it until it returns.
        fault: called for every write; what it returns is raised instead of doing it.
    """

    def __init__(
        self,
        metadata: MetaData = METADATA,
        *,
        delay_s: Callable[[], float] | None = None,
        fault: Callable[[], Exception | None] | None = None,
    ) -> None:
        self._connection = _memory_engine().connect()
        self._delay_s = delay_s
        self._fault = fault
        self._killed = False
        self.commits = 0
        self._watchers: list[asyncio.Future[None]] = []
        with self._connection.begin():
            metadata.create_all(self._connection)

    def reopen(self) -> InlineStore:
        """Another handle on the same database, alive."""
        other = object.__new__(InlineStore)
        other.__dict__.update(self.__dict__, _killed=False, commits=0)
        return other

    def kill(self) -> None:
        """From now on nothing reaches the database through this handle, and its writes never return."""
        self._killed = True

    async def read(self, work: Callable[[Connection], T]) -> T:
        await self._alive()
        return self.look(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        await self._wait()
        if self._fault is not None and (error := self._fault()) is not None:
            raise error
        with self._connection.begin():
            value = work(self._connection)
        self.commits += 1
        while self._watchers:
            watcher = self._watchers.pop()
            if not watcher.done():
                watcher.set_result(None)
        await self._wait()
        return value

    def look(self, work: Callable[[Connection], T]) -> T:
        """Read at once, alive or killed: for the assertions of a test."""
        with self._connection.begin() as transaction:
            value = work(self._connection)
            transaction.rollback()
        return value

    async def until(self, holds: Callable[[Connection], bool]) -> None:
        """Wait for the commit, through whichever handle, after which ``holds`` is true."""
        while not self.look(holds):
            watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._watchers.append(watcher)
            await watcher

    async def close(self) -> None:
        """End this handle; the database lives as long as any."""
        self._killed = True

    def dispose(self) -> None:
        """Drop the database."""
        self._connection.close()

    async def _wait(self) -> None:
        await self._alive()
        if self._delay_s is not None:
            await asyncio.sleep(self._delay_s())
            await self._alive()

    async def _alive(self) -> None:
        if self._killed:
            await asyncio.get_running_loop().create_future()
