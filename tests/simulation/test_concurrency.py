"""The whole path of an invocation under races: permit, environment, end; callers that leave, functions that crash.

Thousands of calls at random times on virtual time, while reservations and provisioned concurrency change and sandboxes die.
What holds throughout: no more functions run than the account's limit and the reservation allow. What holds in the end: no
permit, no environment and no caller is lost.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter

import pytest

from functory.aws.errors import AwsError
from functory.core.environments.provisioned import Wish
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation
from functory.kernel.settings import EnvironmentSettings
from functory.sandbox.port import Exit
from tests.support.engine import Engine, FakeRuntime, engine, version
from tests.support.virtual_time import run_virtual

LIMIT, RESERVED, CALLS = 12, 4, 2_500
VERSIONS = (version("reserved"), version("pooled"), version("pooled", version="1"), version("other", version="7"))
PROVISIONED = VERSIONS[2:]


class Simulation:
    """One run of a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.running: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.too_many: list[dict[str, int]] = []
        self.wanted: dict[tuple[str, str, str, str], Wish] = {}

    async def function(self, runtime: FakeRuntime) -> Exit | None:
        name = runtime.env["AWS_LAMBDA_FUNCTION_NAME"]
        while True:
            event = await runtime.next()
            asked = json.loads(event.payload)
            self.running[name] += 1
            if self.running.total() > LIMIT or self.running["reserved"] > RESERVED:
                self.too_many.append(dict(self.running))
            try:
                await asyncio.sleep(asked["s"])
            finally:
                self.running[name] -= 1
            if asked["crash"]:
                return Exit(code=1)
            runtime.respond(event, b"1")
            await asyncio.sleep(asked["s"] / 10)

    async def call(self, one: Engine) -> None:
        of = self.chance.choice(VERSIONS)
        payload = json.dumps({"s": self.chance.expovariate(2), "crash": self.chance.random() < 0.05}).encode()
        patience_s = self.chance.expovariate(1) if self.chance.random() < 0.3 else None
        try:
            async with asyncio.timeout(patience_s):
                outcome = await one.invocations.invoke(of, Invocation(one.ids.uuid(), payload, of.arn))
        except AwsError as error:  # throttled, or its sandbox was killed while it started
            self.ended[str(error.members.get("Reason", error.code))] += 1
        except TimeoutError:
            self.ended["left"] += 1
        else:
            self.ended["failed" if outcome.function_error else "succeeded"] += 1

    def change(self, one: Engine) -> None:
        """Something happens besides: another reservation, other environments provisioned, a sandbox dies."""
        dice = self.chance.random()
        admission = one.invocations._admission
        if dice < 0.3:
            places = self.chance.choice([None, 1, RESERVED])
            admission.reserve("000000000000", "us-east-1", "reserved", RESERVED if places is None else places)
        elif dice < 0.7:
            self.provision(one, self.chance.choice(PROVISIONED), self.chance.randint(0, 3))
        elif one.driver.live:
            sandbox = self.chance.choice(sorted(one.driver.live, key=lambda each: each.id))
            one.environments._tasks.spawn(sandbox.kill(), "kill")

    def provision(self, one: Engine, of: FunctionVersion, count: int) -> None:
        key = (of.account_id, of.region, of.name, of.version)
        self.wanted.pop(key, None)
        if count:
            self.wanted[key] = Wish(of, count, "1")
        one.environments.provisioned.want(self.wanted)
        places: Counter[str] = Counter()
        for wish in self.wanted.values():
            places[wish.version.name] += wish.count
        for name in ("pooled", "other"):
            one.invocations._admission.provision("000000000000", "us-east-1", name, places[name])

    async def run(self, one: Engine) -> None:
        one.invocations._admission.reserve("000000000000", "us-east-1", "reserved", RESERVED)
        async with asyncio.TaskGroup() as callers:
            for number in range(CALLS):
                callers.create_task(self.call(one))
                if number % 20 == 0:
                    self.change(one)
                await asyncio.sleep(self.chance.expovariate(25))


async def settled(one: Engine, wishes: dict[tuple[str, str, str, str], Wish]) -> None:
    """Wait until everything is as it was asked for, and nothing runs."""
    async with asyncio.timeout(3600):
        while one.invocations._admission.running("000000000000", "us-east-1"):
            await asyncio.sleep(1)
        while any(one.environments.provisioned.state(key).ready != wish.count for key, wish in wishes.items()):
            await asyncio.sleep(1)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_runs_beyond_a_limit_and_nothing_is_lost(seed: int) -> None:
    async def main() -> None:
        simulation = Simulation(seed)
        settings = EnvironmentSettings(max_memory_mib=100_000, parallel_starts=1000, standby_max=0)
        async with engine(simulation.function, settings=settings, account_concurrency=LIMIT) as one:
            await simulation.run(one)
            await settled(one, simulation.wanted)
            assert not simulation.too_many
            assert simulation.ended.total() == CALLS
            assert {"succeeded", "failed", "left", "ConcurrentInvocationLimitExceeded"} <= set(simulation.ended)
            assert not simulation.running.total()
            for target in one.environments.provisioned._targets.values():
                assert len(target.idle) == len(target.ready) == target.wanted
                assert not target.waiters
                assert not target.finishing
            simulation.wanted.clear()
            one.environments.provisioned.want({})
            await asyncio.sleep(10_000)
            assert not one.driver.live, "an environment was lost"

    run_virtual(main())
