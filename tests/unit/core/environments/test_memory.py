"""The node's memory for environments, by the budget and by the machine, with a meter that the test sets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from functory.aws.errors import AwsError
from functory.core.environments.memory import START_MIB, MemoryBudget
from functory.kernel.settings import EnvironmentSettings
from tests.support.engine import engine, sleeper, version
from tests.support.virtual_time import run_virtual

KEEP = 256


@dataclass
class Meter:
    """A machine with so much memory available."""

    mib: int | None

    def available_mib(self) -> int | None:
        return self.mib


def settings(**changes: Any) -> EnvironmentSettings:
    return EnvironmentSettings(
        **({"max_memory_mib": 100_000, "parallel_starts": 1000, "memory_reserve_mib": KEEP} | changes)
    )


def test_what_is_taken_is_not_there_until_it_is_given_back() -> None:
    memory = MemoryBudget(100)
    assert memory.reserve(60)
    assert not memory.reserve(41)
    assert memory.free_mib == 40
    memory.release(60)
    assert memory.reserve(100)


def test_nothing_is_given_when_the_machine_has_too_little() -> None:
    async def run() -> None:
        meter = Meter(KEEP + START_MIB - 1)
        memory = MemoryBudget(10_000, meter, KEEP)
        assert memory.is_short()
        assert not memory.reserve(1)
        assert memory.free_mib == 10_000
        meter.mib = KEEP + START_MIB
        await asyncio.sleep(0.1)
        assert memory.reserve(128)

    run_virtual(run())


def test_starts_that_the_kernel_does_not_show_yet_are_counted() -> None:
    async def run() -> None:
        memory = MemoryBudget(10_000, Meter(KEEP + 3 * START_MIB), KEEP)
        assert [memory.reserve(128) for _ in range(4)] == [True, True, True, False]
        memory.release(128)
        assert memory.reserve(128)
        await asyncio.sleep(5)
        assert memory.reserve(128)

    run_virtual(run())


@pytest.mark.parametrize(("mib", "keep"), [(None, KEEP), (1, 0)])
def test_a_machine_that_does_not_tell_or_is_not_asked_limits_nothing(mib: int | None, keep: int) -> None:
    async def run() -> None:
        memory = MemoryBudget(10_000, Meter(mib), keep)
        assert not memory.is_short()
        assert memory.reserve(10_000)

    run_virtual(run())


def test_a_call_for_which_the_machine_has_no_memory_is_told_to_come_again() -> None:
    async def run() -> None:
        meter = Meter(100)
        async with engine(settings=settings(), meter=meter) as subject:
            with pytest.raises(AwsError) as caught:
                await subject.call(version())
            assert caught.value.code == "TooManyRequestsException"
            assert subject.driver.made == 0
            meter.mib = 4000
            await asyncio.sleep(1)
            assert (await subject.call(version(), b"1")).payload == b"1"

    run_virtual(run())


def test_a_call_waits_for_a_busy_environment_of_its_function() -> None:
    async def run() -> None:
        meter = Meter(4000)
        async with engine(sleeper(1.0), settings=settings(), meter=meter) as subject:
            await subject.call(version())
            under_way = [asyncio.create_task(subject.call(version())) for _ in range(1)]
            await asyncio.sleep(0.1)
            meter.mib = 100
            await asyncio.sleep(0.1)
            outcomes = await asyncio.gather(*under_way, *(subject.call(version()) for _ in range(2)))
            assert [outcome.payload for outcome in outcomes] == [b'"done"'] * 3
            assert subject.driver.made == 1

    run_virtual(run())


def test_standbys_go_first_and_then_what_was_idle_longest() -> None:
    async def run() -> None:
        meter = Meter(40_000)
        async with engine(settings=settings(), standby="any", meter=meter) as subject:
            await subject.call(version("old"))
            await subject.call(version("new"))
            await asyncio.sleep(3)
            waiting = subject.environments.standbys.counts()["python3.12"]
            assert waiting > 0
            meter.mib = KEEP + START_MIB - 1  # one end is enough
            await asyncio.sleep(0.1)
            await subject.call(version("third", environment={"PATH": "/own"}))  # which no standby can serve
            assert subject.environments.count() == 3
            assert subject.environments.standbys.counts()["python3.12"] < waiting
            meter.mib = -1_000_000  # nothing is enough
            await asyncio.sleep(10)
            assert subject.environments.standbys.counts()["python3.12"] == 0
            assert subject.environments.count() == 0
            assert subject.driver.live == set()

    run_virtual(run())


def test_idle_environments_give_way_to_other_programs_the_longest_idle_first() -> None:
    async def run() -> None:
        meter = Meter(40_000)
        async with engine(settings=settings(), meter=meter) as subject:
            for name in "abcdef":
                await subject.call(version(name))
                await asyncio.sleep(1)
            meter.mib = KEEP  # one environment more would not fit
            while subject.environments.count() == 6:
                await asyncio.sleep(0.1)
            meter.mib = 40_000
            assert subject.environments.count() == 5
            await subject.call(version("f"))
            assert subject.driver.made == 6
            await subject.call(version("a"))
            assert subject.driver.made == 7

    run_virtual(run())
