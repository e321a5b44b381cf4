"""Provisioned environments are ready before a call, stay ready, are replaced, and say why when they cannot be."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from functory.aws.errors import AwsError
from functory.core.environments.provisioned import INIT_FAILURE, Provisioning, Wish
from functory.core.functions.model import FunctionVersion
from functory.kernel.settings import EnvironmentSettings
from functory.sandbox.port import Exit
from tests.support.engine import Engine, FakeRuntime, echo, engine, sleeper, version
from tests.support.virtual_time import run_virtual

V1 = version(version="1")
KEY = (V1.account_id, V1.region, V1.name, "1")


def want(one: Engine, count: int, of: FunctionVersion = V1, generation: str = "1") -> None:
    key = (of.account_id, of.region, of.name, of.version)
    one.environments.provisioned.want({key: Wish(of, count, generation)} if count else {})


async def until(one: Engine, state: Provisioning) -> None:
    async with asyncio.timeout(600):
        while dataclasses.replace(one.environments.provisioned.state(KEY), generation="") != state:
            await asyncio.sleep(0.01)


def run(one_s: Any, **settings: Any) -> None:
    async def main() -> None:
        script = settings.pop("script", echo)
        limits = settings.pop("account_concurrency", 1000)
        made = engine(
            script,
            settings=EnvironmentSettings(**{"max_memory_mib": 100_000, "parallel_starts": 1000} | settings),
            account_concurrency=limits,
        )
        async with made as one:
            await one_s(one)

    run_virtual(main())


def test_the_first_call_finds_an_environment_that_was_told_it_is_provisioned() -> None:
    seen: list[str] = []

    async def script(runtime: FakeRuntime) -> Exit | None:
        seen.append(runtime.env["AWS_LAMBDA_INITIALIZATION_TYPE"])
        return await echo(runtime)

    async def main(one: Engine) -> None:
        want(one, 2)
        await until(one, Provisioning(2, 0))
        began = asyncio.get_running_loop().time()
        outcome = await one.call(V1, b"1")
        assert asyncio.get_running_loop().time() - began < 0.01
        assert (outcome.payload, seen) == (b"1", ["provisioned-concurrency"] * 2)
        await asyncio.sleep(0)
        assert [text for text in one.sink.texts() if text.startswith("REPORT") and "Init Duration" in text] == []

    run(main, script=script)


def test_calls_beyond_what_is_provisioned_spill_over_and_sequential_ones_never_do() -> None:
    async def main(one: Engine) -> None:
        want(one, 1)
        await until(one, Provisioning(1, 0))
        for _ in range(5):
            await one.call(V1)
        assert one.driver.made == 1
        await asyncio.gather(one.call(V1), one.call(V1))
        assert (one.driver.made, one.environments.count()) == (2, 2)

    run(main, script=sleeper(0.2))


def test_more_than_ten_requests_a_second_spill_over() -> None:
    async def main(one: Engine) -> None:
        want(one, 1)
        await until(one, Provisioning(1, 0))
        for _ in range(10):
            await one.call(V1)
        assert one.driver.made == 1
        await one.call(V1)
        assert one.driver.made == 2

    run(main)


def test_they_are_not_ended_for_idleness_and_are_replaced_when_they_die() -> None:
    async def crash(runtime: FakeRuntime) -> Exit | None:
        event = await runtime.next()
        if event.payload == b'"crash"':
            return Exit(code=1)
        runtime.respond(event, b"1")
        return await crash(runtime)

    async def main(one: Engine) -> None:
        want(one, 2)
        await until(one, Provisioning(2, 0))
        await asyncio.sleep(10_000)
        assert one.environments.provisioned.state(KEY) == Provisioning(2, 0, generation="1")
        outcome = await one.call(V1, b'"crash"')
        assert outcome.error_type == "Runtime.ExitError"
        assert one.environments.provisioned.state(KEY).ready == 1
        await until(one, Provisioning(2, 0))
        for sandbox in list(one.driver.live):
            await sandbox.kill()
        await until(one, Provisioning(0, 0))
        await until(one, Provisioning(2, 0))

    run(main, script=crash)


def test_fewer_end_the_idle_ones_and_none_ends_them_all() -> None:
    async def main(one: Engine) -> None:
        want(one, 3)
        await until(one, Provisioning(3, 0))
        busy = asyncio.ensure_future(one.call(V1))
        await asyncio.sleep(0.01)
        want(one, 1)
        await busy
        await until(one, Provisioning(1, 0))
        want(one, 0)
        await until(one, Provisioning(0, 0))
        await asyncio.sleep(1)
        assert not one.driver.live

    run(main, script=sleeper(1))


def test_an_init_that_fails_is_tried_thrice_and_again_when_somebody_asks_anew() -> None:
    tries: list[int] = []

    async def broken(runtime: FakeRuntime) -> Exit | None:
        tries.append(1)
        runtime.init_error(b"{}", "Runtime.ImportModuleError")
        return Exit(code=1)

    async def main(one: Engine) -> None:
        want(one, 1)
        await until(one, Provisioning(0, 0, INIT_FAILURE))
        want(one, 1)
        await asyncio.sleep(1000)
        assert len(tries) == 3
        one.driver.script = echo
        want(one, 1, generation="2")
        await until(one, Provisioning(1, 0))

    run(main, script=broken)


def test_init_may_take_over_two_minutes() -> None:
    async def main(one: Engine) -> None:
        want(one, 1)
        await until(one, Provisioning(1, 0))

    run(main, script=sleeper(0, init_s=125))


def test_a_machine_without_the_memory_says_so_takes_none_and_tries_again() -> None:
    async def main(one: Engine) -> None:
        want(one, 3)
        state = one.environments.provisioned.state(KEY)
        assert state.failure.startswith("INSUFFICIENT_CAPACITY: This node has no memory for 3 more")
        assert (one.driver.made, (await one.call(V1)).payload) == (0, b"{}")
        want(one, 1)
        await until(one, Provisioning(1, 0))

    run(main, max_memory_mib=256)


def test_idle_environments_on_demand_make_room() -> None:
    async def main(one: Engine) -> None:
        await one.call(version("other"))
        want(one, 2)
        await until(one, Provisioning(2, 0))

    run(main, max_memory_mib=256)


def test_a_deleted_version_keeps_nothing_and_its_places_are_free() -> None:
    async def main(one: Engine) -> None:
        want(one, 2)
        await until(one, Provisioning(2, 0))
        with pytest.raises(AwsError):
            await asyncio.gather(one.call(version("g")), one.call(version("g")))
        one.environments.remove(*KEY[:3], "1")
        await asyncio.sleep(1)
        await asyncio.gather(one.call(version("g")), one.call(version("g")))
        assert one.environments.provisioned.state(KEY) == Provisioning()

    run(main, account_concurrency=3, script=sleeper(1))
