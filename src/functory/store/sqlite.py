"""The embedded store: one SQLite file in WAL mode, one writing thread, a few reading ones.

**Durability.** ``synchronous=FULL``: a commit returns after the fsync of the log, so what `SqliteStore.write` returned
survives ``kill -9`` and power loss. Many units share one commit (`functory.store.group_commit`).

**Reading.** Every reading thread has its own connection; WAL gives it a snapshot, so readers and the writer never wait for
one another. A read that starts after a write returned sees it.

**Transactions are explicit.** Python's ``sqlite3`` begins transactions by itself, late and not for every statement; that is
switched off (``isolation_level=None``) and SQLAlchemy's ``begin`` event says ``BEGIN`` (readers) or ``BEGIN IMMEDIATE`` (the
writer, so that it can never fail half-way for want of the lock).

**The log is bounded.** SQLite folds the write-ahead log into the database every `CHECKPOINT_PAGES`; long readers can make it
miss its turn, so above `LOG_BYTES_MAX` the writer insists.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from functory.kernel import log
from functory.store.folder_lock import FolderLock
from functory.store.group_commit import GroupCommitWriter, Unit
from functory.store.migrate import MIGRATIONS, Migrations
from functory.store.port import StoreError

T = TypeVar("T")

READERS = 4
WAITING_MAX = 4096
"""Units that may wait for the writing thread; more callers wait outside."""
CHECKPOINT_PAGES = 2000
LOG_BYTES_MAX = 64 * 1024 * 1024
FOLD_TIMEOUT_MS = 50
"""How long writers may stand still while the log waits for readers to leave it."""
BUSY_TIMEOUT_MS = 5000
"""How long to wait for another process (a backup, a shell) that holds the database."""

_STORE_FAULTS = {
    sqlite3.SQLITE_BUSY: "another process holds the database",
    sqlite3.SQLITE_LOCKED: "another process holds the database",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_READONLY: "the database cannot be written",
    sqlite3.SQLITE_IOERR: "the disk failed",
    sqlite3.SQLITE_CORRUPT: "the database is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "the database cannot be locked",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
}

_log = log.get("store.sqlite")


class SqliteStore:
    """See `functory.store.port.Store`. Made by `open`; belongs to the event loop it was opened on."""

    def __init__(self, path: Path, lock: FolderLock, writer: Engine, reader: Engine) -> None:
        self._path = path
        self._log_path = Path(f"{path}-wal")
        self._lock = lock
        self._write_engine = writer
        self._read_engine = reader
        self._log_bytes_granted = 0
        self._room = asyncio.Semaphore(WAITING_MAX)
        self._closing: asyncio.Future[None] | None = None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="functory-store-reader")
        self._writer = GroupCommitWriter(
            writer.connect, as_store_error=store_error, after_commit=self._bound_log, settled=self._give_room
        )

    @classmethod
    async def open(cls, path: Path, migrate: bool = True, *, migrations: Migrations = MIGRATIONS) -> SqliteStore:
        """Open the database file at ``path``, making it and its folder where missing.

        Args:
            path: the database file; its folder is the data folder, used by one node at a time.
            migrate: bring the schema up to date.
            migrations: which line of revisions.

        Raises:
            StoreError: another node uses the folder, a newer Functory wrote the data, the file is damaged, or the disk
                refuses; nothing was changed.
        """
        lock, writer, reader = await asyncio.to_thread(_open, path, migrations if migrate else None)
        return cls(path, lock, writer, reader)

    @property
    def engine(self) -> Engine:
        """The writing engine, for tests that watch its events."""
        return self._write_engine

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See `functory.store.port.Store`."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._read_engine.connect() as connection:
                return work(connection)
        except DBAPIError as error:
            if fault := store_error(error):
                raise fault from error
            raise
        except StopIteration as error:  # a future refuses it
            raise RuntimeError(f"the unit of work raised {error!r}") from error

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See `functory.store.port.Store`."""
        self._check_open()
        await self._room.acquire()
        try:
            self._check_open()
        except StoreError:
            self._room.release()
            raise
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer.submit(Unit(work, future))
        return await future

    async def close(self) -> None:
        """See `functory.store.port.Store`. Closing twice is closing once."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(asyncio.to_thread(self._close))
        await asyncio.shield(self._closing)

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StoreError("the store is closed")

    def _close(self) -> None:
        self._writer.stop()
        self._readers.shutdown()
        self._read_engine.dispose()
        self._write_engine.dispose()
        self._lock.release()

    def _give_room(self, units: int) -> None:
        for _ in range(units):
            self._room.release()

    def _bound_log(self, connection: Connection) -> None:
        """Fold the log into the database when SQLite's own turns could not."""
        try:
            size = self._log_path.stat().st_size
        except FileNotFoundError:
            return
        if size <= LOG_BYTES_MAX + self._log_bytes_granted:
            return
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout={FOLD_TIMEOUT_MS}")
        busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        driver.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        # A reader is in the way: let the log grow a little before insisting again.
        self._log_bytes_granted = size - LOG_BYTES_MAX + LOG_BYTES_MAX // 8 if busy else 0
        _log.info("store_log_folded", complete=not busy, log_bytes=size)


def store_error(error: DBAPIError) -> StoreError | None:
    """The error for the caller when SQLite's fault is the store's and not the statement's, else None."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is None:
        return None
    fault = _STORE_FAULTS.get(code & 0xFF)
    return StoreError(f"{fault}: {error.orig}") if fault else None


def _advice(error: DBAPIError) -> str:
    """What a person can do about a database that does not open."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    is_damage = code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    return "; nothing was changed: put a copy of it there, or use another data folder" if is_damage else ""


def _open(path: Path, migrations: Migrations | None) -> tuple[FolderLock, Engine, Engine]:
    """Everything of `SqliteStore.open` that blocks."""
    _make_folder(path.parent)
    lock = FolderLock(path.parent)
    writer = _engine(path, "BEGIN IMMEDIATE", pooled=False)
    try:
        is_new = not path.exists()
        if is_new:  # for its owner only, whoever may read the folder; the log's files follow its mode
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with writer.connect() as connection:
            if migrations is not None:
                _migrate(connection, migrations)
        if is_new:
            _sync_folder(path.parent)
    except DBAPIError as error:
        lock.release()
        raise StoreError(f"{path} cannot be used: {store_error(error) or error.orig}{_advice(error)}") from error
    except (SQLAlchemyError, OSError) as error:
        lock.release()
        raise StoreError(f"{path} cannot be used: {error}") from error
    except BaseException:
        lock.release()
        raise
    return lock, writer, _engine(path, "BEGIN", pooled=True)


def _engine(path: Path, begin: str, *, pooled: bool) -> Engine:
    """An engine whose transactions begin with ``begin``; pooled ones only read."""
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
        **({"poolclass": QueuePool, "pool_size": READERS, "max_overflow": 0} if pooled else {"poolclass": NullPool}),
    )
    pragmas = ["foreign_keys=ON", "synchronous=FULL", "fullfsync=ON", "checkpoint_fullfsync=ON"]
    pragmas += ["query_only=ON"] if pooled else ["journal_mode=WAL", f"wal_autocheckpoint={CHECKPOINT_PAGES}"]

    def prepare(driver: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            driver.execute(f"PRAGMA {pragma}")

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", start)
    return engine


def _migrate(connection: Connection, migrations: Migrations) -> None:
    """Bring the schema up to date in one transaction.

    Foreign keys are off meanwhile, as SQLite asks of those who replace tables, and checked before the commit.
    """
    current = migrations.is_current(connection)
    connection.rollback()
    if current:
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    with connection.begin():
        migrations.upgrade(connection)
        if broken := driver.execute("PRAGMA foreign_key_check").fetchmany(5):
            raise StoreError(f"the migration would leave dangling references: {broken}")


def _make_folder(folder: Path) -> None:
    """Make the data folder, for its owner only: it holds environment variables and code."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for made in missing:
            _sync_folder(made.parent)
    except OSError as error:
        raise StoreError(f"{folder} cannot be used: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
