"""Standbys: sandboxes whose runtime is started already and waits to be given a function.

One `Shelf` per driver and runtime (for Node.js per runtime and memory size, because V8 fixes its heap at start). A shelf
exists from the first call that could have used it; how much it holds follows demand (`standby_rules`). It is refilled in the
background, one at a time and only while no environment is being started: a standby is a bet on a later call and must not
slow down one that is there. What demand does not ask for, a full shelf for the next burst, is made only in calm moments,
when no call comes in. Where nothing waits, the caller starts a sandbox as ever; nothing here fails an invocation.

Standbys count against the node's memory with what they really hold, and are the first to go when it gets short. Nothing is
durable: a killed node's standbys are removed like its other sandboxes.

This module does not give a standby its function: `starter` does.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

from functory.core.environments import standby_rules
from functory.core.environments.memory import MemoryBudget
from functory.core.environments.standby_shelf import Relay, Shelf, Standby
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
    SandboxDriver,
    SandboxError,
    SandboxSpec,
    StandbySandbox,
)

MEMORY_MIB = 512
"""Limit of a standby until it has a function; far more than a runtime needs."""
MAKE_S_MAX = 60.0
_VCPU = 2.0
_CALM_S = 0.05
"""No call in so long: a calm moment."""
_CALM_LOOKS_MAX = 100
"""After so many looks in vain the next sweep tries again."""
_BUSY_POLL_S = 0.02
_BUSY_POLLS_MAX = 100
"""A refill waits so long for a quiet moment, then goes ahead: an endless stream of starts is what standbys are for."""
_WEIGHT = 0.3

ShelfKey = tuple[SandboxDriver, str, int]
"""driver, runtime, memory size in MiB where it matters or 0"""


class Standbys:
    """See the module.

    Args:
        settings: how many at most, and for how long.
        mounts: folders that every function sees.
        tasks: owns refilling and watching; belongs to the pool.
        memory: what standbys are counted against.
        is_busy: whether environments are being started now.
        calls: how many calls have come in so far.
    """

    def __init__(
        self,
        settings: EnvironmentSettings,
        ids: Ids,
        mounts: Sequence[Mount],
        tasks: TaskScope,
        memory: MemoryBudget,
        is_busy: Callable[[], bool],
        calls: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._ids = ids
        self._mounts = tuple(mounts)
        self._tasks = tasks
        self._memory = memory
        self._is_busy = is_busy
        self._calls = calls
        self._held_mib = 0
        self._held_mib_max = int(memory.free_mib * standby_rules.MEMORY_SHARE)
        self._log = log.get("core.standby")
        self._shelves: dict[ShelfKey, Shelf] = {}
        self._making = 0
        self._calming = False
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

    def _shelf(self, driver: SandboxDriver, runtime: ReadyRuntime, memory_size_mib: int) -> Shelf:
        """The shelf of functions of this driver, runtime and memory size."""
        key = (driver, runtime.id, memory_size_mib if runtime.standby == "memory" else 0)
        shelf = self._shelves.get(key)
        if shelf is None or shelf.runtime != runtime:  # the runtime was installed anew
            if shelf is not None:
                self._empty(shelf)
            shelf = self._shelves[key] = Shelf(driver, runtime, memory_size_mib)
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
            while len(shelf.waiting) > max(self._wanted(shelf, now), self._tolerated(shelf, now)):
                self._end(shelf)
        self._refill()

    def close(self) -> None:
        """Make no more and give none; the driver ends those that are left."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()

    def _empty(self, shelf: Shelf) -> None:
        while shelf.waiting:
            self._end(shelf)

    def _end(self, shelf: Shelf) -> None:
        standby = shelf.waiting.popleft()
        self._let_go(standby)
        self._tasks.spawn(standby.sandbox.dispose(), f"dispose {standby.sandbox.id}")

    def _let_go(self, standby: Standby) -> None:
        """It is on the shelf no longer."""
        if standby.watcher is not None:
            standby.watcher.cancel()
        self._release(standby)

    def _release(self, standby: Standby) -> None:
        self._memory.release(standby.memory_mib)
        self._held_mib -= standby.memory_mib

    # -- making

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _wanted(self, shelf: Shelf, now: float) -> int:
        settings = self._settings
        return standby_rules.wanted(shelf.demand, now, shelf.make_s, settings.standby_max, settings.idle_s)

    def _tolerated(self, shelf: Shelf, now: float) -> int:
        return standby_rules.wanted_in_calm(shelf.demand, now, self._settings.standby_max, self._settings.idle_s)

    def _wanted_in_calm(self, shelf: Shelf, now: float) -> int:
        has_room = self._held_mib + shelf.memory_mib <= self._held_mib_max
        return self._tolerated(shelf, now) if has_room else 0

    def _neediest(self, wanted: Callable[[Shelf, float], int]) -> Shelf | None:
        """The shelf that lacks most and may be filled now."""
        now = self._now()
        lacking = [
            (wanted(shelf, now) - len(shelf.waiting) - shelf.making, shelf)
            for shelf in self._shelves.values()
            if shelf.again_at <= now
        ]
        lack, shelf = max(lacking, key=lambda each: each[0], default=(0, None))
        return shelf if lack > 0 else None

    def _refill(self) -> None:
        """Begin making what lacks; one at a time, two when calls had to do without. Else see to a calm moment."""
        while not self._closed and (shelf := self._neediest(self._wanted)) is not None:
            if self._making >= (2 if shelf.demand.missed else 1):
                return
            shelf.making += 1
            self._making += 1
            self._tasks.spawn(self._fill(shelf), f"make standby {shelf.runtime.id}")
        if not self._closed and not self._calming and not self._making and self._neediest(self._wanted_in_calm) is not None:
            self._calming = True
            self._tasks.spawn(self._fill_in_calm(), "make standbys in calm moments")

    async def _fill(self, shelf: Shelf) -> None:
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

    async def _fill_in_calm(self) -> None:
        """Make one after the other, each in a calm moment, until the shelves are full or demand asks for its own."""
        try:
            while await self._calm_moment() and (shelf := self._neediest(self._wanted_in_calm)) is not None:
                shelf.making += 1
                self._making += 1
                try:
                    if not await self._make_and_put(shelf):
                        return
                finally:
                    shelf.making -= 1
                    self._making -= 1
                if self._neediest(self._wanted) is not None:
                    break
        finally:
            self._calming = False
        if not self._closed and self._neediest(self._wanted) is not None:
            self._refill()

    async def _make_and_put(self, shelf: Shelf) -> bool:
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

    async def _calm_moment(self) -> bool:
        """Wait until no call came in for a while and nothing starts; False: it never was so, or demand wants its own."""
        for _ in range(_CALM_LOOKS_MAX):
            calls = self._calls()
            await asyncio.sleep(_CALM_S)
            if self._closed or self._making:
                return False
            if calls == self._calls() and not self._is_busy():
                return True
        return False

    async def _make(self, shelf: Shelf, reserved_mib: int) -> Standby:
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

    def _put(self, shelf: Shelf, standby: Standby) -> None:
        standby.watcher = self._tasks.spawn(self._watch(shelf, standby), f"standby {standby.sandbox.id}")
        shelf.waiting.append(standby)
        self._held_mib += standby.memory_mib

    async def _watch(self, shelf: Shelf, standby: Standby) -> None:
        """Notice the end of a standby that nobody has taken."""
        await standby.sandbox.wait()
        if standby in shelf.waiting:
            shelf.waiting.remove(standby)
            self._release(standby)
            self._failed(shelf, "it ended while it waited")
            self._refill()
        await standby.sandbox.dispose()

    def _failed(self, shelf: Shelf, why: str) -> None:
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


def _command(shelf: Shelf, sandbox: StandbySandbox) -> Command:
    values = places(sandbox.paths)
    env = standby_variables(shelf.runtime, sandbox.paths, sandbox.standby_fd, shelf.memory_size_mib)
    return Command(tuple(expand(part, values) for part in shelf.runtime.argv), env, "/")
