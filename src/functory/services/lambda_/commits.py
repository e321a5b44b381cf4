"""Committed changes of functions, and telling the catalogue about them.

**Theory.** The catalogue in memory must hear of every change after it was committed, also when the caller of the operation
went away while its transaction was under way. So a change runs in a task of its own, owned here; callers only wait for it.
What else must hear of a change does so in that task, too, and in the order of the commits: changes of one function that tell
somebody run one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

from sqlalchemy import Connection

from functory.core.functions.catalogue import Key
from functory.store.port import Store

T = TypeVar("T")


class Memory(Protocol):
    """Something that holds what it has read of functions."""

    def invalidate(self, account_id: str, region: str, name: str) -> None:
        """Forget a function after a committed change."""


class Commits:
    """Writes that change a function. An async context manager: leaving waits for the writes under way.

    Args:
        store: where.
        memories: what hears of every change.
    """

    def __init__(self, store: Store, *memories: Memory) -> None:
        self._store = store
        self._memories = memories
        self._tasks = asyncio.TaskGroup()
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def __aenter__(self) -> Commits:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)

    async def commit(self, key: Key, work: Callable[[Connection], T], tell: Callable[[T], None] | None = None) -> T:
        """Run a unit of work that changes the function ``key`` and forget what memory holds of it.

        Args:
            key: of the function.
            work: see `Store.write`.
            tell: called with what ``work`` returned, before anything else can be told about this function.

        Raises:
            Exception: whatever ``work`` raised.

        Cancellation: the work is still done.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tasks.create_task(self._run(key, work, tell, future))
        return await future

    async def _run(
        self,
        key: Key,
        work: Callable[[Connection], T],
        tell: Callable[[T], None] | None,
        future: asyncio.Future[T],
    ) -> None:
        turn = self._turns.setdefault(key, asyncio.Lock()) if tell is not None else contextlib.nullcontext()
        try:
            async with turn:
                value = await self._store.write(work)
                if tell is not None:
                    tell(value)
        except Exception as error:  # noqa: BLE001  handed to the caller whole
            if not future.done():
                future.set_exception(error)
        else:
            for memory in self._memories:
                memory.invalidate(*key)
            if not future.done():
                future.set_result(value)
