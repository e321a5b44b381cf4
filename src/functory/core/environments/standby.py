"""Standbys: sandboxes whose runtime is started already and waits to be given a function.

One `_Shelf` per runtime (for Node.js per runtime and memory size, because V8 fixes its heap at start). A shelf exists from
the first call that could have used it; how much it holds follows demand (`standby_rules`). It is refilled in the background,
one at a time and only while no environment is being started: a standby is a bet on a later call and must not slow down one
that is there. Where nothing waits, the caller starts a sandbox as ever; nothing here is ever an invocation's failure.

Standbys count against the node's memory with what they really hold, and are the first to go when it gets short. Nothing is
durable: a killed node's standbys are removed like its other sandboxes.

This module does not give a standby its function: `starter` does.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from functory.core.environments import standby_rules
from functory.core.environments.memory import MemoryBudget
from functory.core.environments.standby_rules import Demand
from functory.core.environments.variables import expand, places, standby_variables
from functory.core.functions.model import FunctionVersion
from functory.kernel import log
from functory.kernel.ids import Ids
from functory.kernel.limits import MIB, OPEN_FILES, PROCESSES
from functory.kernel.settings import EnvironmentSettings
from functory.kernel.tasks import TaskScope
from functory.runtimes.port import ReadyRuntime
from functory.sandbox.port import (
    Command,
    Limits,
    Mount,
    OutputSink,
    SandboxDriver,
    SandboxError,
    SandboxSpec,
    StandbySandbox,
)

MEMORY_MIB = 512
"""Limit of a standby until it has a function; far more than a runtime needs."""
MEMORY_GUESS_MIB = 64
"""What a standby is taken to hold until one was measured."""
MAKE_S_GUESS = 0.5
MAKE_S_MAX = 60.0
_VCPU = 2.0
_BUSY_POLL_S = 0.02
_BUSY_POLLS_MAX = 100
"""A refill waits so long for a quiet moment, then goes ahead: an endless stream of starts is what standbys are for."""
_WEIGHT = 0.3

ShelfKey = tuple[SandboxDriver, str, int]
"""driver, runtime, memory size in MiB where it matters or 0"""


class Relay:
    """Where a sandbox's output goes: nowhere until it has a function."""

    def __init__(self) -> None:
        self._output: OutputSink | None = None
        self._telemetry: OutputSink | None = None

    def connect(self, output: OutputSink, telemetry: OutputSink) -> None:
        """From now on it is the function's."""
        self._output, self._telemetry = output, telemetry

    def output(self, data: bytes) -> None:
        """See `Sandbox.launch`."""
        if self._output is not None:
            self._output(data)

    def telemetry(self, data: bytes) -> None:
        """See `Sandbox.launch`."""
        if self._telemetry is not None:
            self._telemetry(data)


@dataclass(eq=False, slots=True)
class Standby:
    """One that waits; whoever takes it disposes of the sandbox.

    Attributes:
        relay: where its output goes.
        started_with: names of the variables it was started with.
        memory_mib: what it is counted with.
    """

    sandbox: StandbySandbox
    relay: Relay
    started_with: tuple[str, ...]
    memory_mib: int
    watcher: asyncio.Task[None] | None = None


@dataclass(eq=False, slots=True)
class _Shelf:
    """The standbys of one kind."""

    driver: SandboxDriver
    runtime: ReadyRuntime
    memory_size_mib: int
    waiting: deque[Standby] = field(default_factory=deque)
    demand: Demand = field(default_factory=Demand)
    make_s: float = MAKE_S_GUESS
    memory_mib: int = MEMORY_GUESS_MIB
    making: int = 0
    failures: int = 0
    again_at: float = 0.0


class Standbys:
    """See the module.

    Args:
        settings: how many at most, and for how long.
        mounts: folders that every function sees.
        tasks: owns refilling and watching; belongs to the pool.
        memory: what standbys are counted against.
        is_busy: whether environments are being started now.
    """

    def __init__(
        self,
        settings: EnvironmentSettings,
        ids: Ids,
        mounts: Sequence[Mount],
        tasks: TaskScope,
        memory: MemoryBudget,
        is_busy: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._ids = ids
        self._mounts = tuple(mounts)
        self._tasks = tasks
        self._memory = memory
        self._is_busy = is_busy
        self._log = log.get("core.standby")
        self._shelves: dict[ShelfKey, _Shelf] = {}
        self._making = 0
        self._retry: asyncio.TimerHandle | None = None
        self._closed = False

    def counts(self) -> dict[str, int]:
        """How many wait now, by runtime."""
        counts: dict[str, int] = {}
        for (_, runtime, _), shelf in self._shelves.items():
            counts[runtime] = counts.get(runtime, 0) + len(shelf.waiting)
        return counts

    # -- taking

    def take(self, version: FunctionVersion, runtime: ReadyRuntime, driver: SandboxDriver) -> Standby | None:
        """One of this driver for this function, or None: it needs a process of its own, or none waits."""
        if not self._are_made(runtime, driver) or standby_rules.needs_own_process(version.environment):
            return None
        shelf = self._shelf(driver, runtime, version.memory_mib)
        standby = shelf.waiting.popleft() if shelf.waiting else None
        shelf.demand = shelf.demand.asked(self._now(), met=standby is not None)
        if standby is not None:
            self._let_go(standby)
        self._refill()
        return standby

    def _are_made(self, runtime: ReadyRuntime, driver: SandboxDriver) -> bool:
        """Whether there can be standbys of this kind."""
        wanted = not self._closed and self._settings.standby_max > 0
        return wanted and driver.capabilities.standby and bool(runtime.standby)

    def _shelf(self, driver: SandboxDriver, runtime: ReadyRuntime, memory_size_mib: int) -> _Shelf:
        """The shelf of functions of this driver, runtime and memory size."""
        key = (driver, runtime.id, memory_size_mib if runtime.standby == "memory" else 0)
        shelf = self._shelves.get(key)
        if shelf is None or shelf.runtime != runtime:  # the runtime was installed anew
            if shelf is not None:
                self._empty(shelf)
            shelf = self._shelves[key] = _Shelf(driver, runtime, memory_size_mib)
        return shelf

    def expect(self, runtime: ReadyRuntime, memory_size_mib: int, driver: SandboxDriver) -> None:
        """Make standbys of a runtime that is likely to be asked for soon."""
        if not self._are_made(runtime, driver):
            return
        shelf = self._shelf(driver, runtime, memory_size_mib)
        shelf.demand = shelf.demand.expected(self._now())
        self._refill()

    # -- giving up

    def give_up_one(self) -> bool:
        """End the standby of the runtime that was asked for longest ago; whether there was one."""
        shelves = [shelf for shelf in self._shelves.values() if shelf.waiting]
        if not shelves:
            return False
        self._end(min(shelves, key=lambda shelf: shelf.demand.at or 0.0))
        return True

    def sweep(self) -> None:
        """End what is no longer wanted; make what is."""
        now = self._now()
        for shelf in self._shelves.values():
            while len(shelf.waiting) > self._wanted(shelf, now):
                self._end(shelf)
        self._refill()

    def close(self) -> None:
        """Make no more and give none; the driver ends those that are left."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()

    def _empty(self, shelf: _Shelf) -> None:
        while shelf.waiting:
            self._end(shelf)

    def _end(self, shelf: _Shelf) -> None:
        standby = shelf.waiting.popleft()
        self._let_go(standby)
        self._tasks.spawn(standby.sandbox.dispose(), f"dispose {standby.sandbox.id}")

    def _let_go(self, standby: Standby) -> None:
        """It is on the shelf no longer."""
        if standby.watcher is not None:
            standby.watcher.cancel()
        self._memory.release(standby.memory_mib)

    # -- making

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _wanted(self, shelf: _Shelf, now: float) -> int:
        settings = self._settings
        return standby_rules.wanted(shelf.demand, now, shelf.make_s, settings.standby_max, settings.idle_s)

    def _neediest(self) -> _Shelf | None:
        """The shelf that lacks most and may be filled now."""
        now = self._now()
        lacking = [
            (self._wanted(shelf, now) - len(shelf.waiting) - shelf.making, shelf)
            for shelf in self._shelves.values()
            if shelf.again_at <= now
        ]
        lack, shelf = max(lacking, key=lambda each: each[0], default=(0, None))
        return shelf if lack > 0 else None

    def _refill(self) -> None:
        """Begin making what lacks; one at a time, two when calls had to do without."""
        while not self._closed and (shelf := self._neediest()) is not None:
            if self._making >= (2 if shelf.demand.missed else 1):
                return
            shelf.making += 1
            self._making += 1
            self._tasks.spawn(self._fill(shelf), f"make standby {shelf.runtime.id}")

    async def _fill(self, shelf: _Shelf) -> None:
        """Make one for the shelf; then see what lacks now."""
        has_room = False
        try:
            await self._quiet_moment()
            has_room = await self._make_and_put(shelf)
        finally:
            shelf.making -= 1
            self._making -= 1
        if has_room:
            self._refill()

    async def _make_and_put(self, shelf: _Shelf) -> bool:
        """Whether there was memory for one; if not, the next question or sweep tries again."""
        reserved_mib = shelf.memory_mib
        if not self._memory.reserve(reserved_mib):
            return False
        standby: Standby | None = None
        try:
            standby = await self._make(shelf, reserved_mib)
        except (SandboxError, OSError, TimeoutError) as error:
            self._failed(shelf, str(error) or "it took too long")
        finally:
            if standby is None:
                self._memory.release(reserved_mib)
        if standby is not None:
            shelf.failures = 0
            self._put(shelf, standby)
        return True

    async def _quiet_moment(self) -> None:
        for _ in range(_BUSY_POLLS_MAX):
            if not self._is_busy():
                return
            await asyncio.sleep(_BUSY_POLL_S)

    async def _make(self, shelf: _Shelf, reserved_mib: int) -> Standby:
        """Start one and wait until it waits.

        Raises:
            SandboxError: it could not be started, or ended.
            TimeoutError: it never waited.
        """
        began = self._now()
        sandbox = await shelf.driver.prepare_standby(self._spec(shelf.runtime))
        relay, command = Relay(), _command(shelf, sandbox)
        try:
            await sandbox.launch(command, relay.output, relay.telemetry)
            async with asyncio.timeout(MAKE_S_MAX):
                await sandbox.waiting()
        except BaseException:
            await sandbox.dispose()
            raise
        shelf.make_s += _WEIGHT * (self._now() - began - shelf.make_s)
        held_mib = math.ceil(sandbox.memory_bytes() / MIB) or reserved_mib
        if held_mib <= reserved_mib or self._memory.reserve(held_mib - reserved_mib):
            self._memory.release(max(0, reserved_mib - held_mib))
            shelf.memory_mib = reserved_mib = held_mib
        return Standby(sandbox, relay, tuple(command.env), reserved_mib)

    def _put(self, shelf: _Shelf, standby: Standby) -> None:
        standby.watcher = self._tasks.spawn(self._watch(shelf, standby), f"standby {standby.sandbox.id}")
        shelf.waiting.append(standby)

    async def _watch(self, shelf: _Shelf, standby: Standby) -> None:
        """Notice the end of a standby that nobody has taken."""
        await standby.sandbox.wait()
        if standby in shelf.waiting:
            shelf.waiting.remove(standby)
            self._memory.release(standby.memory_mib)
            self._failed(shelf, "it ended while it waited")
            self._refill()
        await standby.sandbox.dispose()

    def _failed(self, shelf: _Shelf, why: str) -> None:
        shelf.failures += 1
        pause_s = standby_rules.backoff_s(shelf.failures)
        shelf.again_at = self._now() + pause_s
        self._log.warning("standby_failed", runtime=shelf.runtime.id, reason=why, again_in_s=pause_s)
        if self._retry is not None:
            self._retry.cancel()
        self._retry = asyncio.get_running_loop().call_later(pause_s, self._refill)

    def _spec(self, runtime: ReadyRuntime) -> SandboxSpec:
        return SandboxSpec(
            id=f"sb-{self._ids.hex(16)}",
            mounts=(*(Mount(mount.source, mount.target) for mount in runtime.mounts), *self._mounts),
            limits=Limits(memory_mib=MEMORY_MIB, vcpu=_VCPU, processes=PROCESSES, open_files=OPEN_FILES),
        )


def _command(shelf: _Shelf, sandbox: StandbySandbox) -> Command:
    values = places(sandbox.paths)
    env = standby_variables(shelf.runtime, sandbox.paths, sandbox.standby_fd, shelf.memory_size_mib)
    return Command(tuple(expand(part, values) for part in shelf.runtime.argv), env, "/")
