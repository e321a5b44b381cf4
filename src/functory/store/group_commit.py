"""Group commit: many waiting units of work, one transaction, one fsync.

**Theory.** A durable commit costs an fsync (0.2-10 ms) whatever its size. One thread owns the only writing connection; it
takes every unit that waits, begins one transaction, runs each unit inside its own savepoint and commits once. While it
does, the next units gather: the slower the disk, the larger the groups, so throughput holds and nobody waits for a timer.

A unit that raises undoes only its savepoint. When the transaction itself is lost (commit refused, or the engine rolled
everything back as SQLite does on a full disk) every unit of the group fails with `StoreError`, because none of them is in
the database.

**Cost.** One slow unit delays its whole group, so units must be short; and constraints must be immediate, because one
deferred to the commit would fail the others too.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from functory.store.port import StoreError

GROUP_MAX = 512
"""Units in one transaction: bounds how long the first of them waits."""

_SAVEPOINT = "unit_of_work"


class Unit:
    """One unit of work on its way: what to run, and the future of whoever waits."""

    __slots__ = ("error", "future", "value", "work")

    def __init__(self, work: Callable[[Connection], Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.value: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Tell the waiter how it ended; on the future's event loop."""
        if self.future.done():  # cancelled; the work is committed or undone all the same
            return
        if self.error is None:
            self.future.set_result(self.value)
        elif isinstance(self.error, StopIteration):  # a future refuses it
            self.future.set_exception(RuntimeError(f"the unit of work raised {self.error!r}"))
        else:
            self.future.set_exception(self.error)


class _TransactionLost(Exception):  # noqa: N818  a signal inside this module
    """The transaction of the group no longer exists."""


class GroupCommitWriter:
    """The writing thread.

    Args:
        connect: makes the writing connection; called in the thread, again after the connection broke.
        as_store_error: the `StoreError` for a driver error that is about the store and not about the unit, else None.
        after_commit: housekeeping after a group has been acknowledged; must not raise anything but `SQLAlchemyError`.
        settled: called on the event loop once per group with the number of its units.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        as_store_error: Callable[[DBAPIError], StoreError | None],
        after_commit: Callable[[Connection], None],
        settled: Callable[[int], None],
    ) -> None:
        self._connect = connect
        self._as_store_error = as_store_error
        self._after_commit = after_commit
        self._settled = settled
        self._queue: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="functory-store-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit) -> None:
        """Hand over a unit; its future is resolved on its event loop."""
        self._queue.put(unit)

    def stop(self) -> None:
        """Finish everything submitted before, then end the thread and close its connection. Blocks."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._take()
            if not group:
                continue
            try:
                self._commit(group)
            except BaseException as error:  # noqa: BLE001  edge: whoever waits must hear of it, whatever it is
                self._drop_connection()
                _fail(group, StoreError(f"the write failed: {error!r}"), error)
            self._settle(group)
            del group  # do not keep the callers' objects while waiting for the next
            self._tidy()
        self._drop_connection()

    def _take(self) -> tuple[list[Unit], bool]:
        """Everything that waits, at least one, at most `GROUP_MAX`; and whether the end was asked for."""
        first = self._queue.get()
        if first is None:
            return [], True
        group = [first]
        while len(group) < GROUP_MAX:
            try:
                unit = self._queue.get_nowait()
            except queue.Empty:
                break
            if unit is None:
                return group, True
            group.append(unit)
        return group, False

    def _commit(self, group: Sequence[Unit]) -> None:
        """Run and commit a group; afterwards every unit has a value or an error."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            connection = self._connection
            transaction = connection.begin()
            driver = connection.connection.driver_connection
            alone = len(group) == 1
            for unit in group:
                _run_unit(unit, connection, None if alone else driver)
                if not transaction.is_active or not driver.in_transaction:  # type: ignore[union-attr]
                    raise _TransactionLost from unit.error
            if alone and group[0].error is not None:
                transaction.rollback()
            else:
                transaction.commit()
        except _TransactionLost as lost:
            self._drop_connection()
            cause = lost.__cause__
            known = self._as_store_error(cause) if isinstance(cause, DBAPIError) else None
            _fail(group, known or StoreError("a unit of work ended the transaction it was given"), cause)
        except DBAPIError as error:
            self._drop_connection()
            _fail(group, self._as_store_error(error) or StoreError(f"the write was refused: {error.orig}"), error)
        else:
            for unit in group:
                if isinstance(unit.error, DBAPIError):
                    unit.error = self._as_store_error(unit.error) or unit.error

    def _settle(self, group: list[Unit]) -> None:
        """Resolve the futures: one wake-up per event loop."""
        loops: dict[asyncio.AbstractEventLoop, list[Unit]] = {}
        for unit in group:
            loops.setdefault(unit.future.get_loop(), []).append(unit)
        for loop, units in loops.items():
            try:
                loop.call_soon_threadsafe(self._settle_on_loop, units)
            except RuntimeError:  # that loop is closed: nobody waits any more
                continue

    def _settle_on_loop(self, units: list[Unit]) -> None:
        for unit in units:
            unit.settle()
        self._settled(len(units))

    def _tidy(self) -> None:
        if self._connection is None:
            return
        try:
            self._after_commit(self._connection)
        except SQLAlchemyError:
            self._drop_connection()

    def _drop_connection(self) -> None:
        """Close the connection, whatever state it is in; what was not committed is undone."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.close()
        except SQLAlchemyError:
            connection.invalidate()


def _run_unit(unit: Unit, connection: Connection, driver: Any) -> None:
    """Run one unit; in a savepoint when ``driver`` (the raw connection) is given.

    The savepoint is spoken to the driver directly: `Connection.begin_nested` costs ten times the two statements.
    """
    if driver is not None:
        driver.execute(f"SAVEPOINT {_SAVEPOINT}")
    try:
        unit.value = unit.work(connection)
    except BaseException as error:  # noqa: BLE001  edge: the caller's unit, the caller's exception
        unit.error = error
        if driver is not None and driver.in_transaction:
            driver.execute(f"ROLLBACK TO {_SAVEPOINT}")
    if driver is not None and driver.in_transaction:
        driver.execute(f"RELEASE {_SAVEPOINT}")


def _fail(group: Sequence[Unit], error: StoreError, cause: BaseException | None) -> None:
    for unit in group:
        unit.error = StoreError(*error.args)  # one each: a raised exception grows its own traceback
        unit.error.__cause__ = cause
