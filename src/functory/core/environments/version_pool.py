"""What the pool knows of one version: its environments, who waits for one, what is being started. `pool` acts on it."""

from __future__ import annotations

import asyncio
from collections import deque

from functory.core.admission.permits import ACCOUNT_LIMIT, throttled
from functory.core.admission.rates import TokenBucket
from functory.core.environments.environment import Environment
from functory.core.environments.scaling import PATIENCE_S, Demand
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation, Outcome

START_S_GUESS = 0.15
"""How long a start is taken to last before one was measured."""


class Waiter:
    """An invocation without an environment."""

    __slots__ = ("future", "invocation", "since")

    def __init__(self, future: asyncio.Future[Lease | Outcome], since: float, invocation: Invocation) -> None:
        self.future = future
        self.since = since
        self.invocation = invocation


class Lease:
    """The use of one environment for one invocation."""

    __slots__ = ("environment", "spent_s")

    def __init__(self, environment: Environment, spent_s: float = 0.0) -> None:
        self.environment = environment
        self.spent_s = spent_s


class VersionPool:
    """The environments of one version and epoch, and of one tenant where the function has tenants."""

    __slots__ = (
        "all", "idle", "mean_s", "recheck", "resets", "retired", "scaling", "start_s", "starting", "tenant_id",
        "version", "waiters",
    )  # fmt: skip

    def __init__(self, version: FunctionVersion, tenant_id: str, scaling: TokenBucket) -> None:
        self.version = version
        self.tenant_id = tenant_id
        self.scaling = scaling
        self.idle: list[Environment] = []
        self.all: set[Environment] = set()
        self.waiters: deque[Waiter] = deque()
        self.starting = 0
        self.resets: deque[asyncio.Task[Environment]] = deque()
        self.retired = False
        self.mean_s: float | None = None
        self.start_s = START_S_GUESS
        self.recheck: asyncio.TimerHandle | None = None

    def refuse_newest(self, count: int) -> None:
        """The function grows faster than AWS lets it: callers that would need one more environment come again."""
        while count > 0 and self.waiters:
            waiter = self.waiters.pop()
            if not waiter.future.done():
                waiter.future.set_exception(throttled(ACCOUNT_LIMIT))
                count -= 1

    def demand(self, now: float) -> Demand:
        """What is known of it now, for `scaling.starts_needed`."""
        overdue = sum(1 for waiter in self.waiters if now - waiter.since >= PATIENCE_S)
        return Demand(len(self.waiters), overdue, len(self.all), self.starting, self.mean_s, self.start_s)
