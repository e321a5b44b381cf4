"""Background tasks with an owner.

A room with background work is an async context manager that holds a `TaskScope`. Unlike ``asyncio.TaskGroup`` the scope
lives as long as the room: a task that fails is logged once and does not take its siblings down, because one broken
environment must not end a node. Leaving the scope cancels what still runs and waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from functory.kernel import log


class TaskScope:
    """Owns tasks; see the module's theory.

    Args:
        room: the owner's name, for the log.
    """

    def __init__(self, room: str) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._log = log.get(room)
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run ``work`` as a task of this scope.

        Raises:
            RuntimeError: the scope is closed.
        """
        if self._closed:
            work.close()
            raise RuntimeError(f"task scope is closed: {name}")
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("task_failed", task=task.get_name(), exc_info=error)

    async def settle(self) -> None:
        """Wait until no task is left; tasks may spawn others meanwhile."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """Cancel every task and wait for the end of each."""
        self._closed = True
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(set(self._tasks))
