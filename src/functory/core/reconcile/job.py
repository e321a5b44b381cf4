"""The runner of a reconciler: a background job without input, idempotent, on a timer and on a nudge, never two at once.

**Theory.** The job looks at the durable state and moves it towards what it should be. Because it takes no input, a lost
nudge costs only time (the timer comes), a crash costs nothing (the next run sees the same state), and doing it twice does
nothing. A run that fails is logged and tried again after a wait that doubles; the job itself never ends until it is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType

from functory.kernel import log
from functory.store.port import StoreError

_log = log.get("core.reconcile")
_RETRY_S = 1.0
_RETRY_S_MAX = 30.0


class Job:
    """One reconciler. An async context manager: it runs while entered, the first time at once.

    Args:
        name: for the log.
        work: one run; returns when there is nothing left to do now.
        every_s: the longest time between two runs.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], *, every_s: float) -> None:
        self._name = name
        self._work = work
        self._every_s = every_s
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._tasks = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Job:
        await self._tasks.__aenter__()
        self._task = self._tasks.create_task(self._run(), name=f"reconcile {self._name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    def nudge(self) -> None:
        """There may be something to do: run soon. Nudges during a run make one further run."""
        self._wanted.set()

    async def _run(self) -> None:
        failures = 0
        while True:
            if failures:
                await asyncio.sleep(min(_RETRY_S * 2 ** (failures - 1), _RETRY_S_MAX))
            else:
                await self._until_wanted()
            self._wanted.clear()
            try:
                await self._work()
            except Exception as error:  # noqa: BLE001  the reconciler runner is the documented edge
                failures += 1
                self._tell(error)
            else:
                failures = 0

    async def _until_wanted(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._every_s):
                await self._wanted.wait()

    def _tell(self, error: Exception) -> None:
        """A store that refuses is the operator's to mend and said in one line; anything else is a fault of ours."""
        rest = error.split(StoreError)[1] if isinstance(error, ExceptionGroup) else error
        if rest is None or isinstance(rest, StoreError):
            _log.warning("job_store_refused", job=self._name, reason=str(_first(error)))
        else:
            _log.error("job_failed", job=self._name, exc_info=error)


def _first(error: BaseException) -> BaseException:
    """The first single error of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
