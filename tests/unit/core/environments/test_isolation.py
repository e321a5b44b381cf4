"""Two drivers in one engine, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from functory.aws.errors import AwsError
from functory.sandbox.port import Exit
from tests.support.engine import FakeDriver, FakeRuntime, echo, engine, version
from tests.support.virtual_time import run_virtual

KEY = ("000000000000", "us-east-1", "f")


def test_a_function_gets_the_driver_it_asks_for() -> None:
    async def run() -> None:
        gvisor = FakeDriver(echo)
        async with engine(gvisor=gvisor) as subject:
            await subject.call(version("f"))
            assert (subject.driver.made, gvisor.made) == (1, 0)
            await subject.call(version("f", isolation="gvisor", epoch="1/gvisor"))
            assert (subject.driver.made, gvisor.made) == (1, 1)
        assert gvisor.live == set()

    run_virtual(run())


def test_a_standby_of_one_driver_is_never_given_to_a_function_of_the_other() -> None:
    async def run() -> None:
        gvisor = FakeDriver(echo)
        async with engine(standby="any", gvisor=gvisor) as subject:
            await subject.call(version("first"))
            await asyncio.sleep(3)
            waiting = subject.environments.standbys.counts()["python3.12"]
            assert waiting >= 2
            await subject.call(version("second", isolation="gvisor", epoch="1/gvisor"))
            assert gvisor.made == 1
            assert gvisor.standbys_made == []
            assert subject.environments.standbys.counts()["python3.12"] >= waiting

    run_virtual(run())


def test_a_change_of_isolation_ends_what_is_idle_and_drops_no_call() -> None:
    async def slow(runtime: FakeRuntime) -> Exit | None:
        while True:
            event = await runtime.next()
            await asyncio.sleep(2)
            runtime.respond(event, b"1")

    async def run() -> None:
        gvisor = FakeDriver(slow)
        async with engine(slow, gvisor=gvisor) as subject:
            await subject.call(version("f"))
            assert subject.environments.count() == 1
            under_way = asyncio.create_task(subject.call(version("f")))
            await asyncio.sleep(1)
            subject.environments.isolate(*KEY, "gvisor")
            await subject.call(version("f", isolation="gvisor", epoch="1/gvisor"))
            assert (await under_way).payload == b"1"
            await asyncio.sleep(1)
            assert subject.driver.live == set()
            assert len(gvisor.live) == 1
            subject.environments.isolate(*KEY, "gvisor")
            assert len(gvisor.live) == 1

    run_virtual(run())


def test_a_function_never_runs_with_less_than_it_asks_for() -> None:
    async def run() -> None:
        async with engine() as subject:
            with pytest.raises(AwsError) as caught:
                await subject.call(version("f", isolation="gvisor"))
            assert caught.value.code == "ServiceException"
            assert subject.driver.made == 0

    run_virtual(run())
