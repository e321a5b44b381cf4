"""Stopping an environment between its invocations.

**Theory.** AWS freezes an environment when runtime and extensions are idle: no thread of it makes progress until the next
event. Freezing and thawing are one file write each, but a frozen process must be scheduled again, which a busy function
would pay at every call. So an environment is frozen only after a grace of idleness, and a function called more often than
that never pays.

**Order.** Thaw, then deliver. The one timer of an environment looks when it fires whether the environment is still idle and
since when, so that a warm call starts and cancels no timer.
"""

from __future__ import annotations

import asyncio

from functory.kernel.tasks import TaskScope
from functory.sandbox.port import Sandbox


class Freezer:
    """Freezes one sandbox.

    Args:
        sandbox: of the environment.
        after_s: idleness after which it is frozen; negative: never.
        tasks: owns a freeze that is going on.
    """

    __slots__ = ("_after_s", "_freezing", "_idle_since", "_loop", "_sandbox", "_tasks", "_timer")

    def __init__(self, sandbox: Sandbox, after_s: float, tasks: TaskScope) -> None:
        self._sandbox = sandbox
        self._after_s = after_s
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._idle_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._freezing: asyncio.Task[None] | None = None

    def idle(self) -> None:
        """Nothing runs in it from now on."""
        if self._after_s < 0:
            return
        self._idle_since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._after_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._idle_since is None:
            return
        left_s = self._idle_since + self._after_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self._freezing = self._tasks.spawn(self._sandbox.freeze(), f"freeze {self._sandbox.id}")

    async def wake(self) -> None:
        """Let it run, now; returns at once when it was not frozen.

        Cancellation: there is no point at which it could be cancelled.
        """
        self._idle_since = None
        freezing, self._freezing = self._freezing, None
        if freezing is not None:
            freezing.cancel()
            await self._sandbox.thaw()

    def close(self) -> None:
        """Freeze it no more; a frozen one stays so until it is woken or killed."""
        self._idle_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
