"""The shared store of a cluster: PostgreSQL, for nodes that use the optional extra ``functory[postgresql]``.

**Theory.** Every unit of work is its own transaction on a worker thread with its own connection. PostgreSQL already
groups concurrent commits into one flush, so there is nothing to group here. Transactions are ``SERIALIZABLE``: a unit
means the same as on SQLite, where writers follow one another. The price is that PostgreSQL may refuse one because of
another (SQLSTATE 40001, 40P01); such a unit is undone and run again, at most `ATTEMPTS_MAX` times.

Reads are ``REPEATABLE READ, READ ONLY``: one snapshot, never refused, never waiting for writers.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from functory.kernel import log
from functory.store.migrate import MIGRATIONS, Migrations
from functory.store.port import StoreError

T = TypeVar("T")

THREADS = 8
"""Connections of one node, for reads and writes together."""
WAITING_MAX = 4096
ATTEMPTS_MAX = 20
BACKOFF_S = 0.002
BACKOFF_S_MAX = 0.2
CONNECT_TIMEOUT_S = 10
_MIGRATION_LOCK = 0x46756E63746F7279  # "Functory": nodes that start together migrate one after the other
_CONFLICTS = frozenset({"40001", "40P01"})
_STORE_CLASSES = ("08", "53", "57", "58", "XX")  # connection, resources, operator intervention, system, internal

_log = log.get("store.postgresql")


class PostgresqlStore:
    """See `functory.store.port.Store`. Made by `open`; belongs to the event loop it was opened on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="functory-store")
        self._room = asyncio.Semaphore(WAITING_MAX)
        self._closing: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, url: str, migrate: bool = True, *, migrations: Migrations = MIGRATIONS) -> PostgresqlStore:
        """Connect to the database at ``url`` (``postgresql://user@host/database``).

        Args:
            url: where; everything libpq understands may stand behind the ``?``.
            migrate: bring the schema up to date; one node of those that start together does it.
            migrations: which line of revisions.

        Raises:
            StoreError: it cannot be reached, or a newer Functory wrote the data; nothing was changed.
        """
        return cls(await asyncio.to_thread(_open, url, migrations if migrate else None))

    @property
    def engine(self) -> Engine:
        """The engine, for tests that watch its events."""
        return self._engine

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See `functory.store.port.Store`."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See `functory.store.port.Store`."""
        self._check_open()
        async with self._room:
            self._check_open()
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._write, work)

    async def close(self) -> None:
        """See `functory.store.port.Store`. Closing twice is closing once."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(asyncio.to_thread(self._close))
        await asyncio.shield(self._closing)

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StoreError("the store is closed")

    def _close(self) -> None:
        self._threads.shutdown()
        self._engine.dispose()

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._reading.connect() as connection:
                return work(connection)
        except (DBAPIError, PoolTimeout) as error:
            raise store_error(error) or error from error
        except StopIteration as error:  # a future refuses it
            raise RuntimeError(f"the unit of work raised {error!r}") from error

    def _write(self, work: Callable[[Connection], T]) -> T:
        for attempt in range(ATTEMPTS_MAX):
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except (DBAPIError, PoolTimeout) as error:
                if not _is_conflict(error):
                    raise store_error(error) or error from error
                _log.debug("store_conflict", attempt=attempt)
            except StopIteration as error:  # a future refuses it
                raise RuntimeError(f"the unit of work raised {error!r}") from error
            wait_s = min(BACKOFF_S_MAX, BACKOFF_S * 2**attempt)
            time.sleep(wait_s * random.uniform(0.5, 1.0))
        raise StoreError(f"the write met other writes {ATTEMPTS_MAX} times in a row")


def store_error(error: SQLAlchemyError) -> StoreError | None:
    """The error for the caller when the fault is the server's and not the statement's, else None."""
    if isinstance(error, PoolTimeout):
        return StoreError("no connection to PostgreSQL became free")
    if not isinstance(error, DBAPIError):
        return None
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or (state is not None and state.startswith(_STORE_CLASSES)):
        return StoreError(f"PostgreSQL failed: {str(error.orig).strip()}")
    return None


def _is_conflict(error: SQLAlchemyError) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CONFLICTS


def _open(url: str, migrations: Migrations | None) -> Engine:
    """Everything of `PostgresqlStore.open` that blocks."""
    try:
        engine = _engine(url)
    except ImportError as error:
        raise StoreError("PostgreSQL needs the extra: pip install 'functory[postgresql]'") from error
    except ArgumentError as error:
        raise StoreError(f"this is no PostgreSQL URL: {error}") from error
    try:
        # A serializable transaction would look at the database as it was before it waited for the lock.
        with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
            _check_server(connection)
            if migrations is not None:
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
                if not migrations.is_current(connection):
                    migrations.upgrade(connection)
    except DBAPIError as error:
        engine.dispose()
        raise StoreError(f"PostgreSQL cannot be used: {str(error.orig).strip()}") from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        raise ArgumentError(f"its scheme is {parsed.drivername}")
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        isolation_level="SERIALIZABLE",
        pool_size=THREADS,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
    )
    event.listen(engine, "connect", _be_durable)
    return engine


def _be_durable(driver: object, _record: object) -> None:
    """Where the server's default would acknowledge commits before they are on disk, ask for them to be."""
    cursor = driver.cursor()  # type: ignore[attr-defined]
    try:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    finally:
        cursor.close()
    driver.commit()  # type: ignore[attr-defined]


def _check_server(connection: Connection) -> None:
    """Say it when the server was told to lose data in a power cut; that is its owner's right."""
    if connection.execute(select(func.current_setting("fsync"))).scalar_one() != "on":
        _log.warning("store_server_without_fsync")
