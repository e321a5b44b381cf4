"""Provisioned concurrency on this node: environments that are ready before anybody calls.

**Theory.** Somebody with a view of the durable state says how many environments each version shall have (`Provisioned.want`,
as often as they like); this room starts what is missing, ends what is too many, and replaces what dies. Nothing of it is
durable: after a restart the same wish is said again. An invocation takes one that is free (`take`), else it runs on demand;
idle ones are never ended for lack of use nor for lack of memory.

**A place is an environment.** One that has answered its caller but not yet asked for its next event is free in a moment: a
call waits `PATIENCE_S` for it before it spills over, so that a caller that calls again at once stays on provisioned
environments.

**Failures.** An init that fails is repeated with growing waits; after `INIT_ATTEMPTS` in a row the version has failed
until somebody asks anew (another ``generation``). Memory is taken for all that is missing or for nothing: a machine that
cannot hold them says so and keeps what it had; the next `want` tries again. An environment that dies without having served
anybody is replaced with growing waits, too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from functory.aws.errors import AwsError
from functory.core.admission.rates import REQUESTS_PER_PLACE, TokenBucket
from functory.core.environments.environment import Environment
from functory.core.environments.memory import MemoryBudget
from functory.core.environments.starter import Starter, StartRefused
from functory.core.environments.states import EnvironmentState
from functory.core.environments.variables import PROVISIONED
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation, Outcome
from functory.core.levels import Level
from functory.kernel import log
from functory.kernel.limits import TIMEOUT_S_MAX
from functory.kernel.tasks import TaskScope
from functory.sandbox.port import SandboxError

PATIENCE_S = 0.05
INIT_ATTEMPTS = 3
INIT_TIMEOUT_S = 130.0
"""AWS: init of provisioned concurrency may take this long, or the function's timeout where that is longer."""
INIT_FAILURE = "FUNCTION_ERROR_INIT_FAILURE"
_RETRY_S = 0.5
_RETRY_S_MAX = 60.0

VersionKey = tuple[str, str, str, str]
"""account, region, name, version"""

Tell = Callable[[str, str, str, int], None]
"""Told how many environments of a function (account, region, name) are ready."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a version shall have.

    Attributes:
        version: what to run.
        count: how many environments.
        generation: changes when somebody asks anew, which forgives failures.
        qualifier: the version or alias it is configured for.
    """

    version: FunctionVersion
    count: int
    generation: str
    qualifier: str = ""


@dataclass(frozen=True, slots=True)
class Provisioning:
    """What a version has.

    Attributes:
        ready: environments that could serve now or serve.
        busy: those of them that run an invocation.
        failure: why there will be no more of them, ``""`` while there is hope.
        generation: of the wish it comes from.
    """

    ready: int = 0
    busy: int = 0
    failure: str = ""
    generation: str = ""


@dataclass(frozen=True, slots=True)
class Starts:
    """What starting needs; shared with the pool.

    Attributes:
        starter: makes environments.
        tasks: owns the starts.
        slots: how many may start at once on this node.
        share: how many of these may be provisioned ones, so that many of them do not hold up somebody who waits.
    """

    starter: Starter
    tasks: TaskScope
    slots: asyncio.Semaphore
    share: asyncio.Semaphore


class Target:
    """The environments of one version; only `Provisioned` changes it."""

    __slots__ = (
        "failure", "finishing", "generation", "idle", "is_dropped", "peak", "qualifier", "rate", "ready", "setbacks",
        "starting", "timer", "used", "version", "waiters", "wanted",
    )  # fmt: skip

    def __init__(self, version: FunctionVersion, now: float) -> None:
        self.version = version
        self.wanted = 0
        self.qualifier = ""
        self.peak = 0
        self.generation = ""
        self.ready: set[Environment] = set()
        self.idle: list[Environment] = []
        self.used: set[Environment] = set()
        self.finishing: set[Environment] = set()
        self.waiters: deque[asyncio.Future[Environment | None]] = deque()
        self.starting = 0
        self.setbacks = 0
        self.failure = ""
        self.is_dropped = False
        self.rate = TokenBucket(now)
        self.timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> int:
        """How many of the ready ones run an invocation."""
        return len(self.ready) - len(self.idle)

    @property
    def key(self) -> VersionKey:
        """Of the version."""
        version = self.version
        return (version.account_id, version.region, version.name, version.version)


class Provisioned:
    """See the module. Belongs to `pool.Environments`, with which it shares memory, start slots and the end.

    Args:
        starts: how environments are started.
        memory: of the node.
        reserve: takes memory, ending idle environments on demand where it must; False when there is none.
        dispose: removes an environment that is out of use.
    """

    def __init__(
        self,
        starts: Starts,
        memory: MemoryBudget,
        reserve: Callable[[int], bool],
        dispose: Callable[[Environment], None],
    ) -> None:
        self._starts = starts
        self._memory = memory
        self._reserve = reserve
        self._dispose = dispose
        self._targets: dict[VersionKey, Target] = {}
        self._held_mib = 0
        self._closing = False
        self._log = log.get("core.provisioned")
        self.tell: Tell = _tell_nobody
        """Who wants to know how many environments are ready; set once by whoever counts places."""

    # -- what there shall be

    def want(self, wishes: Mapping[VersionKey, Wish]) -> None:
        """This is all there shall be, from now on."""
        if self._closing:
            return
        for key, target in list(self._targets.items()):
            wish = wishes.get(key)
            if wish is None or wish.version.epoch != target.version.epoch:
                self._drop(target)
        for key, wish in wishes.items():
            target = self._targets.get(key) or Target(wish.version, asyncio.get_running_loop().time())
            self._targets[key] = target
            if wish.generation != target.generation:
                target.generation, target.failure, target.setbacks = wish.generation, "", 0
            elif target.failure != INIT_FAILURE:
                target.failure = ""
            target.wanted, target.qualifier = wish.count, wish.qualifier
            self._fit(target)

    def remove(self, account_id: str, region: str, name: str, version: str | None) -> None:
        """End what a deleted function, or one deleted version of it, has."""
        for key, target in list(self._targets.items()):
            if key[:3] == (account_id, region, name) and version in {None, key[3]}:
                self._drop(target)

    def state(self, key: VersionKey) -> Provisioning:
        """What a version has now."""
        target = self._targets.get(key)
        if target is None:
            return Provisioning()
        return Provisioning(len(target.ready), target.busy, target.failure, target.generation)

    def count(self) -> int:
        """How many environments are ready."""
        return sum(len(target.ready) for target in self._targets.values())

    def levels(self) -> Iterator[Level]:
        """How many are in use, the most since the last time this was asked, for every version or alias."""
        used: dict[tuple[str, str, str, str], tuple[int, int]] = {}
        for (account_id, region, name, _), target in self._targets.items():
            peak, target.peak = max(target.peak, target.busy), target.busy
            before = used.get((account_id, region, name, target.qualifier), (0, 0))
            used[account_id, region, name, target.qualifier] = (before[0] + peak, before[1] + target.wanted)
        for (account_id, region, name, qualifier), (peak, wanted) in used.items():
            of_resource = (("FunctionName", name), ("Resource", f"{name}:{qualifier}"))
            yield Level(account_id, region, "ProvisionedConcurrentExecutions", peak, of_resource)
            yield Level(account_id, region, "ProvisionedConcurrencyUtilization", peak / wanted, of_resource, "None")

    # -- the way in

    def find(self, version: FunctionVersion) -> Target | None:
        """The provisioned environments of a version, None when it has none; costs a look-up."""
        if not self._targets:
            return None
        target = self._targets.get((version.account_id, version.region, version.name, version.version))
        return target if target is not None and target.version.epoch == version.epoch else None

    def replace_stale(self) -> None:
        """End free environments whose credentials are old; others are started in their place."""
        for target in list(self._targets.values()):
            for environment in [each for each in target.idle if each.is_stale]:
                target.idle.remove(environment)
                environment.retire()

    async def take(self, target: Target) -> Environment | None:
        """A free environment, or None: the call spills over.

        AWS: also when more than ten requests a second come for every environment.
        """
        rate_per_s = float(len(target.ready) * REQUESTS_PER_PLACE)
        if not rate_per_s or not target.rate.take(asyncio.get_running_loop().time(), 1, rate_per_s, rate_per_s):
            return None
        while target.idle:
            environment = target.idle.pop()
            if environment.is_usable:
                target.used.add(environment)
                return environment
            environment.retire()  # its runtime has hung up, or its credentials are old
        if len(target.finishing) <= len(target.waiters):
            return None
        return await self._wait(target)

    async def run(self, target: Target, environment: Environment, invocation: Invocation) -> Outcome:
        """Run an invocation on an environment that was taken."""
        target.peak = max(target.peak, target.busy)
        outcome = await environment.invoke(invocation)
        if environment.state is EnvironmentState.BUSY:
            target.finishing.add(environment)
        return outcome

    async def _wait(self, target: Target) -> Environment | None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Environment | None] = loop.create_future()
        target.waiters.append(waiter)
        timer = loop.call_later(PATIENCE_S, _give_up, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and (environment := waiter.result()) is not None:
                self.give_back(target, environment)
            raise
        finally:
            timer.cancel()
            if waiter in target.waiters:
                target.waiters.remove(waiter)

    def give_back(self, target: Target, environment: Environment) -> None:
        """An environment is free: new, after an invocation, or taken in vain."""
        target.finishing.discard(environment)
        if environment.state is not EnvironmentState.IDLE or environment not in target.ready:
            return
        if target.is_dropped or self._closing or len(target.ready) > target.wanted:
            environment.retire()
            return
        while target.waiters:
            waiter = target.waiters.popleft()
            if not waiter.done():
                target.used.add(environment)
                waiter.set_result(environment)
                return
        target.idle.append(environment)

    # -- making it so

    def _fit(self, target: Target) -> None:
        """Start what is missing, end what is too many."""
        for environment in list(target.idle):
            if len(target.ready) > target.wanted:
                environment.retire()
        missing = target.wanted - len(target.ready) - target.starting
        if missing <= 0 or target.failure or target.timer is not None or target.is_dropped or self._closing:
            return
        memory_mib = target.version.memory_mib
        if not self._reserve_all(memory_mib, missing):
            target.failure = (
                f"INSUFFICIENT_CAPACITY: This node has no memory for {missing} more execution environments of "
                f"{memory_mib} MB."
            )
            self._log.warning("provisioning_failed", function=target.version.arn, reason=target.failure)
            return
        target.starting += missing
        for _ in range(missing):
            self._starts.tasks.spawn(self._start(target), f"provision {target.version.name}")

    def _reserve_all(self, memory_mib: int, count: int) -> bool:
        """Memory for all of them, or none taken."""
        if self._held_mib + memory_mib * count > self._memory.total_mib:
            return False
        for taken in range(count):
            if not self._reserve(memory_mib):
                self._memory.release(memory_mib * taken)
                return False
        self._held_mib += memory_mib * count
        return True

    def _release(self, version: FunctionVersion) -> None:
        self._held_mib -= version.memory_mib
        self._memory.release(version.memory_mib)

    async def _start(self, target: Target) -> None:
        try:
            environment = await self._launch(target)
            if environment is None:
                return
            limit_s = min(max(INIT_TIMEOUT_S, float(target.version.timeout_s)), float(TIMEOUT_S_MAX))
            failure = await self._starts.starter.initialize(environment, "init", limit_s)
            environment.leave_init_out()
        finally:
            target.starting -= 1
        if failure is not None:
            self._init_failed(target)
        elif environment.state is EnvironmentState.IDLE:  # else it died in the instant after its init
            target.setbacks = 0
            target.ready.add(environment)
            self._tell(target)
            self.give_back(target, environment)
        else:
            self._again_later(target)

    async def _launch(self, target: Target) -> Environment | None:
        """An environment in its init; None when none is wanted any more or none could be started."""
        try:
            async with self._starts.share, self._starts.slots:
                if target.is_dropped or len(target.ready) + target.starting > target.wanted:
                    self._release(target.version)
                    return None
                return await self._starts.starter.launch(
                    target.version,
                    initialization_type=PROVISIONED,
                    on_idle=lambda environment: self.give_back(target, environment),
                    on_end=lambda environment: self._ended(target, environment),
                )
        except StartRefused as refused:
            self._release(target.version)
            refused.log.platform(
                f"INIT_REPORT Init Duration: 0.00 ms\tPhase: init\tStatus: error\tError Type: {refused.error_type}"
            )
            self._init_failed(target)
        except AwsError as error:  # its role cannot be assumed
            self._release(target.version)
            target.failure = f"{error.code}: {error.message}"
            self._log.warning("provisioning_failed", function=target.version.arn, reason=target.failure)
        except (SandboxError, OSError) as error:
            self._release(target.version)
            self._log.error("start_failed", function=target.version.arn, error=str(error))
            target.failure = "INTERNAL_ERROR: No execution environment could be started."
        except BaseException:
            self._release(target.version)
            raise
        return None

    def _init_failed(self, target: Target) -> None:
        target.setbacks += 1
        if target.setbacks >= INIT_ATTEMPTS:
            target.failure = INIT_FAILURE
            self._log.warning("provisioning_failed", function=target.version.arn, reason=INIT_FAILURE)
        else:
            self._again_later(target)

    def _again_later(self, target: Target) -> None:
        if target.timer is None and not (self._closing or target.is_dropped):
            wait_s = min(_RETRY_S * 2.0 ** min(target.setbacks, 10), _RETRY_S_MAX)
            target.timer = asyncio.get_running_loop().call_later(wait_s, self._again, target)

    def _again(self, target: Target) -> None:
        target.timer = None
        self._fit(target)

    def _ended(self, target: Target, environment: Environment) -> None:
        """An environment is out of use: forget it, clean up, replace it."""
        was_ready = environment in target.ready
        has_served = environment in target.used
        target.ready.discard(environment)
        target.used.discard(environment)
        target.finishing.discard(environment)
        if environment in target.idle:
            target.idle.remove(environment)
        self._release(environment.version)
        self._dispose(environment)
        while len(target.waiters) > len(target.finishing):
            _give_up(target.waiters.pop())
        if not was_ready:
            return  # its init failed: told to whoever waits for that
        self._tell(target)
        if has_served or environment.is_stale:
            self._fit(target)
        elif len(target.ready) < target.wanted:
            target.setbacks += 1
            self._again_later(target)

    def _drop(self, target: Target) -> None:
        target.is_dropped = True
        target.wanted = 0
        self._targets.pop(target.key, None)
        if target.timer is not None:
            target.timer.cancel()
        for environment in list(target.idle):
            environment.retire()
        self._tell(target)

    def _tell(self, target: Target) -> None:
        """Say how many are ready of all versions of the function."""
        account_id, region, name, _ = target.key
        ready = sum(len(other.ready) for key, other in self._targets.items() if key[:3] == (account_id, region, name))
        self.tell(account_id, region, name, ready)

    def close(self) -> None:
        """End everything; a running invocation is cut."""
        self._closing = True
        for target in self._targets.values():
            if target.timer is not None:
                target.timer.cancel()
            for environment in list(target.ready):
                environment.stop()


def _give_up(waiter: asyncio.Future[Environment | None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _tell_nobody(_account_id: str, _region: str, _name: str, _ready: int) -> None:
    """Until somebody wants to know."""
