"""The environments of this node: who leases which, when more are started, and when they end.

One `VersionPool` per function version, epoch and tenant: a stack of idle environments (the last used is the warmest), a
queue of waiters, and the starts going on. `Environments.invoke` is the only way in. Nothing here is durable: after a crash
the sandbox driver removes what was left, and pools begin empty.

**Bounds.** Starts run at most ``parallel_starts`` at a time; all environments together have at most ``max_memory_mib`` of
MemorySize, and none is started when the machine itself is short of memory (`memory`). Then a standby, or the longest idle
environment of any function, makes room; when there is none the caller is told to come again (429) unless an environment of
its function exists that it can wait for. A function gets at most ``scaling_per_10_s`` more environments in ten seconds,
however many versions it has.

Environments of provisioned concurrency are a room of their own (`provisioned`).

**Suppressed init.** AWS: an init that fails or takes over 10 s is repeated within the first invocation, on the function's
own time. Only if that fails, too, does the invocation fail, with what the runtime said.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from functools import partial
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from functory.aws.errors import AwsError
from functory.core.admission.permits import ACCOUNT_LIMIT, throttled
from functory.core.admission.rates import SCALING_INTERVAL_S, TokenBucket
from functory.core.environments.environment import Environment
from functory.core.environments.failed_starts import failed_init, refused_start
from functory.core.environments.memory import MemoryBudget
from functory.core.environments.provisioned import Provisioned, Starts
from functory.core.environments.restoration import RESTORE_S
from functory.core.environments.scaling import PATIENCE_S, starts_needed
from functory.core.environments.shutdown import EXTERNAL_S
from functory.core.environments.snapshot_store import Kept
from functory.core.environments.snapshots import Snapshots
from functory.core.environments.snapshots import refusal as restore_refusal
from functory.core.environments.standby import Standbys
from functory.core.environments.starter import Neighbours, Starter, StartRefused
from functory.core.environments.states import EnvironmentState
from functory.core.environments.variables import ON_DEMAND, SNAP_START
from functory.core.environments.version_pool import Lease, VersionPool, Waiter
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation, Outcome
from functory.kernel import log
from functory.kernel.settings import EnvironmentSettings
from functory.kernel.tasks import TaskScope
from functory.runtimes.port import RuntimeMissing
from functory.sandbox.port import SandboxError

MEMORY_SHARE = 0.8
CLOSE_SLACK_S = 1.0
"""What the end of a node allows environments beside the shutdown phase's own budget."""
_WEIGHT = 0.2
"""Of the newest value in the moving means."""

FunctionKey = tuple[str, str, str, str]
"""account, region, name, version"""

_PoolKey = tuple[str, str]
"""epoch, tenant"""


class Environments:
    """See the module.

    Args:
        settings: bounds and times.
        neighbours: what starting needs.
    """

    def __init__(self, settings: EnvironmentSettings, neighbours: Neighbours) -> None:
        self._settings = settings
        self._drivers = neighbours.drivers
        self._runtimes = neighbours.runtimes
        self._tasks = TaskScope("core.environments")
        self._log = log.get("core.environments")
        self._pools: dict[FunctionKey, dict[_PoolKey, VersionPool]] = {}
        self._scaling: WeakValueDictionary[tuple[str, str, str], TokenBucket] = WeakValueDictionary()
        parallel = settings.parallel_starts or 2 * (os.cpu_count() or 1)
        self._start_slots = asyncio.Semaphore(parallel)
        self._memory = MemoryBudget(
            settings.max_memory_mib or int(_machine_memory_mib() * MEMORY_SHARE),
            neighbours.meter,
            settings.memory_reserve_mib,
        )
        self.standbys = Standbys(
            settings,
            neighbours.ids,
            neighbours.mounts,
            self._tasks,
            self._memory,
            is_busy=self._is_starting,
            calls=lambda: self._calls,
        )
        self._starter = Starter(neighbours, self._tasks, settings, self.standbys)
        self.snapshots = Snapshots(
            self._starter,
            neighbours.drivers,
            neighbours.snapshots,
            self._tasks,
            self._memory,
            self._reserve,
            neighbours.ids,
        )
        starts = Starts(self._starter, self._tasks, self._start_slots, asyncio.Semaphore(max(1, parallel // 2)))
        self.provisioned = Provisioned(starts, self._memory, self._reserve, partial(self._spawn_disposal, None))
        self._sweep: asyncio.TimerHandle | None = None
        self._disposals: set[asyncio.Task[None]] = set()
        self._calls = 0
        self._closing = False
        self._closed = False

    async def __aenter__(self) -> Self:
        self._schedule_sweep()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def count(self) -> int:
        """How many environments exist now."""
        on_demand = sum(len(pool.all) for epochs in self._pools.values() for pool in epochs.values())
        return on_demand + self.provisioned.count()

    # -- the way in

    async def invoke(self, version: FunctionVersion, invocation: Invocation) -> Outcome:
        """Run one invocation on an idle environment, or on the first that becomes free or ready.

        Raises:
            AwsError: no room (429) or no sandbox could be made (500); nothing ran.
        """
        self._calls += 1
        pool = self._pool(version, invocation.tenant_id)
        environment = self._take_idle(pool)
        spent_s = 0.0
        if environment is None:
            lease = await self._wait(pool, invocation)
            if isinstance(lease, Outcome):
                return lease
            environment, spent_s = lease.environment, lease.spent_s
        outcome = await environment.invoke(invocation, spent_s)
        seconds = outcome.duration_ms / 1000
        pool.mean_s = seconds if pool.mean_s is None else pool.mean_s + _WEIGHT * (seconds - pool.mean_s)
        return outcome

    def _pool(self, version: FunctionVersion, tenant_id: str) -> VersionPool:
        key = (version.account_id, version.region, version.name, version.version)
        epochs = self._pools.get(key)
        if epochs is None:
            epochs = self._pools[key] = {}
        pool = epochs.get((version.epoch, tenant_id))
        if pool is None:
            scaling = self._scaling.setdefault(key[:3], TokenBucket(asyncio.get_running_loop().time()))
            pool = epochs[version.epoch, tenant_id] = VersionPool(version, tenant_id, scaling)
        return pool

    def _take_idle(self, pool: VersionPool) -> Environment | None:
        while pool.idle:
            environment = pool.idle.pop()
            if environment.is_usable:
                return environment
            environment.retire()  # its runtime has hung up, or its credentials are old
        return None

    async def _wait(self, pool: VersionPool, invocation: Invocation) -> Lease | Outcome:
        if self._closing:
            raise AwsError("ServiceException", "The node is shutting down.")
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop.create_future(), loop.time(), invocation)
        pool.waiters.append(waiter)
        self._scale(pool)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            self._give_up(pool, waiter)
            raise

    def _give_up(self, pool: VersionPool, waiter: Waiter) -> None:
        """A caller went away while it waited; an environment it was just given goes back."""
        if waiter in pool.waiters:
            pool.waiters.remove(waiter)
        elif waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
            lease = waiter.future.result()
            if isinstance(lease, Lease):
                self._offer(pool, lease.environment)

    # -- scaling

    def _scale(self, pool: VersionPool) -> None:
        now = asyncio.get_running_loop().time()
        burst = self._settings.scaling_per_10_s
        for wanted in range(starts_needed(pool.demand(now)), 0, -1):
            if not self._reserve(pool.version.memory_mib):
                self._refuse_hopeless(pool)
                break
            if not pool.scaling.take(now, 1, burst / SCALING_INTERVAL_S, burst):
                self._memory.release(pool.version.memory_mib)
                pool.refuse_newest(wanted)
                break
            pool.starting += 1
            self._tasks.spawn(self._start(pool), f"start {pool.version.name}")
        if pool.waiters and pool.recheck is None:
            pool.recheck = asyncio.get_running_loop().call_later(PATIENCE_S, self._look_again, pool)

    def _look_again(self, pool: VersionPool) -> None:
        pool.recheck = None
        if pool.waiters and not self._closing:
            self._scale(pool)

    def _reserve(self, memory_mib: int) -> bool:
        while not self._memory.reserve(memory_mib):
            if not self._give_way():
                return False
        return True

    def _give_way(self) -> bool:
        """End a standby or else the environment that was idle longest; whether there was one."""
        if self.standbys.give_up_one():
            return True
        oldest = min(
            (env for epochs in self._pools.values() for pool in epochs.values() for env in pool.idle),
            key=lambda env: env.idle_since,
            default=None,
        )
        if oldest is not None:
            oldest.retire()
        return oldest is not None

    def _refuse_hopeless(self, pool: VersionPool) -> None:
        """No memory: callers that no environment will ever serve are told to come again."""
        if pool.all or pool.starting:
            return
        while pool.waiters:
            waiter = pool.waiters.popleft()
            if not waiter.future.done():
                waiter.future.set_exception(throttled(ACCOUNT_LIMIT))

    # -- starting

    async def _start(self, pool: VersionPool) -> None:
        """One start, for whoever waits first when it is done; a reset environment starts again within an invocation."""
        try:
            waiter = next((each for each in pool.waiters if not each.future.done()), None)
            if pool.resets and waiter is not None:
                pool.waiters.remove(waiter)
                await self._start_again(pool, waiter)
            else:
                await self._attempt(pool, phase="init", limit_s=self._settings.init_timeout_s, waiter=None)
        finally:
            pool.starting -= 1

    def _is_starting(self) -> bool:
        return any(pool.starting for epochs in self._pools.values() for pool in epochs.values())

    async def _start_again(self, pool: VersionPool, waiter: Waiter) -> None:
        """Re-initialise an environment that was reset, on the time of one invocation."""
        limit_s = float(pool.version.timeout_s)
        remains: Environment | None = None
        try:
            with contextlib.suppress(OSError):  # then without its files
                remains = await asyncio.shield(pool.resets.popleft())
            await self._attempt(pool, phase="invoke", limit_s=limit_s, waiter=waiter, remains=remains)
        finally:
            if remains is not None:
                self._spawn_disposal(pool, remains)

    @staticmethod
    def _is_superfluous(pool: VersionPool) -> bool:
        return len(pool.waiters) < pool.starting and (bool(pool.all) or not pool.waiters)

    async def _attempt(
        self,
        pool: VersionPool,
        *,
        phase: str,
        limit_s: float,
        waiter: Waiter | None,
        remains: Environment | None = None,
    ) -> None:
        """Start an environment and hand it over; ``waiter`` is bound to it when init is part of its invocation."""
        loop = asyncio.get_running_loop()
        version = pool.version
        launch = partial(self._launch, pool, waiter, phase, remains)
        try:
            launched = await (self.snapshots.restore(version, launch) if version.snap_start else launch(None))
        except BaseException as error:
            self._memory.release(version.memory_mib)
            self._fail_waiter(pool, waiter, error)
            if isinstance(error, (StartRefused, SandboxError, OSError, AwsError)):
                return
            raise
        if launched is None:
            self._memory.release(version.memory_mib)
            return
        environment, began = launched
        failure = await self._starter.initialize(environment, phase, RESTORE_S if version.snap_start else limit_s)
        took_s = loop.time() - began
        if failure is None:
            self._started(pool, environment, took_s, waiter)
        elif version.snap_start:
            self._fail_waiter(pool, waiter, restore_refusal(failure))
        elif waiter is None:
            await self._again_within_invocation(pool)
        elif not waiter.future.done():
            waiter.future.set_result(failed_init(waiter.invocation, pool.version, failure, took_s))

    async def _launch(
        self, pool: VersionPool, waiter: Waiter | None, phase: str, remains: Environment | None, kept: Kept | None
    ) -> tuple[Environment, float] | None:
        """Start an environment when it is its turn, and tell when that was; None when it is no longer needed."""
        async with self._start_slots:
            if waiter is None and self._is_superfluous(pool):
                return None
            began = asyncio.get_running_loop().time()
            environment = await self._starter.launch(
                pool.version,
                phase=phase,
                remains=remains,
                initialization_type=SNAP_START if kept is not None else ON_DEMAND,
                kept=kept,
                on_idle=lambda env: self._offer(pool, env),
                on_end=lambda env: self._end(pool, env),
            )
            return environment, began

    def _started(self, pool: VersionPool, environment: Environment, took_s: float, waiter: Waiter | None) -> None:
        """Init is done: to the waiter it was for, else to the first one."""
        if waiter is None:
            pool.start_s += _WEIGHT * (took_s - pool.start_s)
        if environment.state is not EnvironmentState.IDLE:  # it died in the instant after its init
            if waiter is not None:
                self._fail_waiter(pool, waiter, None)
            return
        pool.all.add(environment)
        if waiter is not None and not waiter.future.done():
            waiter.future.set_result(Lease(environment, took_s))
        else:
            self._offer(pool, environment)

    async def _again_within_invocation(self, pool: VersionPool) -> None:
        """Repeat a failed init on the time of the first waiter."""
        waiter = next((each for each in pool.waiters if not each.future.done()), None)
        if waiter is None or not self._reserve(pool.version.memory_mib):
            if waiter is not None:
                self._refuse_hopeless(pool)
            return
        pool.waiters.remove(waiter)
        await self._attempt(pool, phase="invoke", limit_s=float(pool.version.timeout_s), waiter=waiter)

    def _fail_waiter(self, pool: VersionPool, waiter: Waiter | None, error: BaseException | None) -> None:
        """Nothing could be started: tell the waiter the start was for."""
        if waiter is None:
            waiter = next((each for each in pool.waiters if not each.future.done()), None)
            if waiter is None:
                return
            pool.waiters.remove(waiter)
        if waiter.future.done():
            return
        if isinstance(error, StartRefused):
            waiter.future.set_result(refused_start(waiter.invocation, pool.version, error))
            return
        if isinstance(error, AwsError):  # its role cannot be assumed, or its snapshot not be restored
            waiter.future.set_exception(error)
            return
        if error is not None:
            self._log.error("start_failed", function=pool.version.arn, error=str(error))
        waiter.future.set_exception(AwsError("ServiceException", "No execution environment could be started."))

    # -- going round

    def _offer(self, pool: VersionPool, environment: Environment) -> None:
        """A free environment: to the first waiter, else onto the stack; a retired one ends."""
        while pool.waiters:
            waiter = pool.waiters.popleft()
            if not waiter.future.done():
                waiter.future.set_result(Lease(environment))
                return
        if pool.retired or self._closing:
            environment.retire()
        else:
            pool.idle.append(environment)

    def _end(self, pool: VersionPool, environment: Environment) -> None:
        """An environment is out of use: forget it, clean up, and start another if someone waits."""
        pool.all.discard(environment)
        if environment in pool.idle:
            pool.idle.remove(environment)
        self._memory.release(environment.version.memory_mib)
        if self._closed:  # the driver's end disposes of it
            return
        if environment.leaves_remains and not pool.retired and not self._closing:
            reset = self._tasks.spawn(self._reset(environment), f"reset {environment.sandbox.id}")
            pool.resets.append(reset)
            self._disposals.add(reset)
            reset.add_done_callback(self._disposals.discard)
        else:
            self._spawn_disposal(pool, environment)
        if pool.waiters and not self._closing:
            self._scale(pool)

    def _spawn_disposal(self, pool: VersionPool | None, environment: Environment) -> None:
        if self._closed:  # the driver's end disposes of it
            return
        disposal = self._tasks.spawn(self._dispose(pool, environment), f"dispose {environment.sandbox.id}")
        self._disposals.add(disposal)
        disposal.add_done_callback(self._disposals.discard)

    @staticmethod
    async def _reset(environment: Environment) -> Environment:
        """End its processes; what remains waits for the next invocation."""
        await environment.end_processes()
        environment.idle_since = asyncio.get_running_loop().time()
        return environment

    def _forget_remains(self, pool: VersionPool, older_than: float) -> None:
        """Dispose of what was reset before that time and nobody came for."""
        for reset in list(pool.resets):
            if reset.done() and not reset.cancelled() and reset.result().idle_since <= older_than:
                pool.resets.remove(reset)
                self._spawn_disposal(pool, reset.result())

    async def _dispose(self, pool: VersionPool | None, environment: Environment) -> None:
        try:
            await environment.dispose()
        finally:
            if pool is not None and pool.retired:
                self._forget_empty(pool)

    def _forget_empty(self, pool: VersionPool) -> None:
        if pool.all or pool.waiters or pool.starting or pool.resets:
            return
        version = pool.version
        key = (version.account_id, version.region, version.name, version.version)
        epochs = self._pools.get(key, {})
        if epochs.get((version.epoch, pool.tenant_id)) is pool:
            del epochs[version.epoch, pool.tenant_id]
            if not epochs:
                del self._pools[key]

    # -- change and time

    def retire(self, version: FunctionVersion) -> None:
        """End the environments of all other epochs of this function version."""
        key = (version.account_id, version.region, version.name, version.version)
        for (epoch, _), pool in list(self._pools.get(key, {}).items()):
            if epoch != version.epoch:
                self._retire_pool(pool)
        if not self._closing:
            self._tasks.spawn(self._expect(version), f"expect {version.name}")

    async def _expect(self, version: FunctionVersion) -> None:
        """A function that was just made or changed is likely to be called."""
        try:
            runtime = await self._runtimes.resolve(version.runtime)
            self.standbys.expect(runtime, version.memory_mib, await self._drivers.driver_of(version))
        except (RuntimeMissing, SandboxError):
            return  # its first call will tell

    def isolate(self, account_id: str, region: str, name: str, isolation: str) -> None:
        """End the environments of a function that were made with another isolation."""
        pools = (
            pool for key, epochs in self._pools.items() if key[:3] == (account_id, region, name) for pool in epochs.values()
        )
        for pool in list(pools):
            if pool.version.isolation != isolation:
                self._retire_pool(pool)

    def remove(self, account_id: str, region: str, name: str, version: str | None) -> None:
        """End every environment of a function, or of one version of it."""
        self.provisioned.remove(account_id, region, name, version)
        self.snapshots.remove(account_id, region, name, version)
        for key, epochs in list(self._pools.items()):
            if key[:3] == (account_id, region, name) and version in {None, key[3]}:
                for pool in list(epochs.values()):
                    self._retire_pool(pool)

    def _retire_pool(self, pool: VersionPool) -> None:
        pool.retired = True
        self._forget_remains(pool, math.inf)
        for environment in list(pool.idle):
            environment.retire()
        self._forget_empty(pool)

    def _schedule_sweep(self) -> None:
        interval_s = min(5.0, self._settings.idle_s / 4)
        self._sweep = asyncio.get_running_loop().call_later(interval_s, self._end_idle)

    def _end_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        for epochs in list(self._pools.values()):
            for pool in list(epochs.values()):
                idle_s = self._settings.idle_s
                for environment in [env for env in pool.idle if now - env.idle_since >= idle_s or env.is_stale]:
                    environment.retire()
                self._forget_remains(pool, math.inf if pool.retired else now - self._settings.idle_s)
                self._forget_empty(pool)
        while self._memory.is_short() and self._give_way():  # something else on this machine needs it
            pass
        self.provisioned.replace_stale()
        self.standbys.sweep()
        self._schedule_sweep()

    async def close(self) -> None:
        """End everything: waiting callers are refused, running invocations are cut."""
        self._closing = True
        self.standbys.close()
        self.provisioned.close()
        if self._sweep is not None:
            self._sweep.cancel()
        for epochs in self._pools.values():
            for pool in epochs.values():
                if pool.recheck is not None:
                    pool.recheck.cancel()
                while pool.waiters:
                    waiter = pool.waiters.popleft()
                    if not waiter.future.done():
                        waiter.future.set_exception(AwsError("ServiceException", "The node is shutting down."))
                for environment in list(pool.all):
                    environment.stop()
        if self._disposals:  # those with extensions take their time; bounded, because a node must end
            await asyncio.wait(set(self._disposals), timeout=EXTERNAL_S + CLOSE_SLACK_S)
        self._closed = True
        await self._tasks.close()
        await self._drivers.close()


def _machine_memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1024 * 1024)
