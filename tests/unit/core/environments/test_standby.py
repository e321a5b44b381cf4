"""Standby pools on virtual time: who gets one, what goes wrong, and how they are refilled and given up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from functory.core.invocations.outcome import OutcomeKind
from functory.kernel.settings import EnvironmentSettings
from functory.sandbox.port import Exit, Mount
from tests.support.engine import Engine, FakeRuntime, engine, sleeper, version
from tests.support.virtual_time import run_virtual

RUNTIME = "python3.12"
SETTLE_S = 3.0


def _settings(**changes: Any) -> EnvironmentSettings:
    return EnvironmentSettings(**({"max_memory_mib": 100_000, "parallel_starts": 1000} | changes))


async def _filled(subject: Engine) -> int:
    """After a first call and time to refill, how many wait."""
    await subject.call(version("first"))
    await asyncio.sleep(SETTLE_S)
    return subject.environments.standbys.counts()[RUNTIME]


def test_the_next_new_function_gets_the_one_that_waits() -> None:
    async def run() -> None:
        async with engine(standby="any") as subject:
            assert await _filled(subject) >= 2
            loop, made = asyncio.get_running_loop(), subject.driver.made
            began = loop.time()
            subject_version = version("second", memory_mib=256, environment={"MINE": "1"})
            outcome = await subject.call(subject_version, b"7", tail=True)
            assert outcome.payload == b"7"
            assert loop.time() - began < 0.01
            assert subject.driver.made == made
            used = next(each for each in subject.driver.standbys_made if each.orders)
            assert used.attached is not None
            assert used.attached[0] == (Mount(used.attached[0][0].source, "/var/task"),)
            assert used.attached[1].memory_mib == 256
            assert used.orders["env"]["MINE"] == "1"
            assert used.orders["env"]["AWS_LAMBDA_FUNCTION_NAME"] == "second"
            assert set(used.orders["started_with"]) == set(used.command.env)
            assert "Init Duration: 1.00 ms" in outcome.log_tail.decode()

    run_virtual(run())


def test_nothing_is_made_before_it_is_asked_for() -> None:
    async def run() -> None:
        async with engine(standby="any") as subject:
            await asyncio.sleep(100)
            assert subject.driver.standbys_made == []

    run_virtual(run())


def test_a_new_function_version_is_a_sign_of_a_call() -> None:
    async def run() -> None:
        async with engine(standby="any") as subject:
            await subject.invocations.retire(version())
            await asyncio.sleep(1.0)
            assert subject.environments.standbys.counts()[RUNTIME] >= 2
            await subject.invocations.retire(version(runtime="python9.9"))  # not installed: no standby, no error
            await asyncio.sleep(SETTLE_S)

    run_virtual(run())


@pytest.mark.parametrize("how", ["off", "driver", "runtime", "variables"])
def test_others_start_a_process_of_their_own(how: str) -> None:
    async def run() -> None:
        settings = _settings(standby_max=0 if how == "off" else 4)
        standby: Any = {"driver": None, "runtime": ""}.get(how, "any")
        environment = {"PYTHONPATH": "/var/task"} if how == "variables" else {}
        async with engine(standby=standby, settings=settings) as subject:
            for name in "abc":
                assert (await subject.call(version(name, environment=environment))).payload == b"{}"
                await asyncio.sleep(SETTLE_S)
            assert subject.driver.standbys_made == []
            assert subject.driver.made == 3

    run_virtual(run())


@pytest.mark.parametrize("fault", ["attach", "hand_over", "handed_over"])
def test_one_that_fails_when_it_gets_its_function_never_fails_the_call(fault: str) -> None:
    async def run() -> None:
        async with engine(standby="any") as subject:
            await _filled(subject)
            subject.driver.standby_faults.add(fault)
            outcome = await subject.call(version("second"), b"1")
            assert (outcome.kind, outcome.payload) == (OutcomeKind.SUCCEEDED, b"1")
        assert subject.driver.live == set()

    run_virtual(run())


@pytest.mark.parametrize("fault", ["prepare", "launch", "waiting"])
def test_what_cannot_be_made_is_tried_again_ever_more_rarely(fault: str) -> None:
    async def run() -> None:
        async with engine(standby="any") as subject:
            subject.driver.standby_faults.add(fault)
            await subject.call(version())
            memory = subject.environments._memory.free_mib
            await asyncio.sleep(300)
            assert len(subject.driver.standbys_made) < 20
            assert subject.environments._memory.free_mib == memory
            subject.driver.standby_faults.clear()
            await asyncio.sleep(100)
            assert subject.environments.standbys.counts()[RUNTIME] == 3

    run_virtual(run())


def test_one_that_ends_while_it_waits_is_replaced() -> None:
    async def run() -> None:
        async with engine(standby="any", settings=_settings(standby_max=4)) as subject:
            count = await _filled(subject)
            memory = subject.environments._memory.free_mib
            subject.driver.standbys_made[0].end(Exit(signal=9))
            await asyncio.sleep(0)
            await asyncio.sleep(0.5)
            assert subject.driver.standbys_made[0].is_disposed
            assert subject.environments.standbys.counts()[RUNTIME] == count - 1
            await asyncio.sleep(SETTLE_S)
            assert subject.environments.standbys.counts()[RUNTIME] == count
            assert subject.environments._memory.free_mib == memory

    run_virtual(run())


def test_they_go_when_nobody_asks_any_more() -> None:
    async def run() -> None:
        async with engine(standby="any", settings=_settings(idle_s=60.0)) as subject:
            free = subject.environments._memory.free_mib
            await _filled(subject)
            await asyncio.sleep(100)
            assert subject.environments.standbys.counts() == {RUNTIME: 0}
            assert subject.driver.live == set()
            assert subject.environments._memory.free_mib == free

    run_virtual(run())


def test_they_make_room_for_environments_before_idle_ones_do() -> None:
    async def run() -> None:
        async with engine(standby="any", settings=_settings(max_memory_mib=300)) as subject:
            assert await _filled(subject) == 3
            assert subject.environments._memory.free_mib == 300 - 128 - 3 * 40
            outcome = await subject.call(version("big", memory_mib=128), b"1")
            assert outcome.payload == b"1"
            assert subject.environments.count() == 2

    run_virtual(run())


def test_none_are_made_when_memory_is_short() -> None:
    async def run() -> None:
        async with engine(standby="any", settings=_settings(max_memory_mib=128 + 70)) as subject:
            assert await _filled(subject) == 1
            await asyncio.sleep(60)
            assert subject.environments.standbys.counts()[RUNTIME] == 1

    run_virtual(run())


def test_a_calm_node_fills_the_shelf() -> None:
    async def run() -> None:
        async with engine(standby="any", settings=_settings(standby_max=9)) as subject:
            await subject.call(version("first"))
            await asyncio.sleep(60)
            assert subject.environments.standbys.counts() == {RUNTIME: 9}

    run_virtual(run())


def test_what_is_made_in_calm_times_is_bounded_by_memory() -> None:
    async def run() -> None:
        async with engine(standby="any", settings=_settings(max_memory_mib=4_000, standby_max=100)) as subject:
            await subject.call(version("first"))
            await asyncio.sleep(60)
            assert subject.environments.standbys.counts() == {RUNTIME: 4_000 // 20 // 40}

    run_virtual(run())


def test_calls_keep_a_node_from_filling_the_shelf() -> None:
    async def run() -> None:
        async with engine(standby="any", settings=_settings(standby_max=50)) as subject:
            for _ in range(100):
                await subject.call(version("first"))
                await asyncio.sleep(0.04)
            assert subject.environments.standbys.counts()[RUNTIME] <= 3

    run_virtual(run())


def test_a_burst_beyond_the_pool_starts_the_rest() -> None:
    async def run() -> None:
        async with engine(sleeper(1.0), standby="any") as subject:
            waiting = await _filled(subject)
            made = subject.driver.made
            outcomes = await asyncio.gather(*(subject.call(version("burst")) for _ in range(20)))
            assert {outcome.payload for outcome in outcomes} == {b'"done"'}
            assert subject.driver.made - made == 20 - waiting
            await asyncio.sleep(60)
            assert subject.environments.standbys.counts()[RUNTIME] == EnvironmentSettings().standby_max

    run_virtual(run())


def test_functions_of_one_memory_size_share_where_the_size_matters() -> None:
    async def run() -> None:
        async with engine(standby="memory") as subject:
            await _filled(subject)
            made = subject.driver.made
            await subject.call(version("other", memory_mib=512))
            assert subject.driver.made == made + 1
            await subject.call(version("same"))
            assert subject.driver.made == made + 1
            assert {each.command.env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] for each in subject.driver.standbys_made} == {"128"}

    run_virtual(run())


def test_output_before_it_has_a_function_is_nobodys() -> None:
    async def speak(runtime: FakeRuntime) -> Exit | None:
        while True:
            event = await runtime.next()
            runtime.print("said\n")
            runtime.respond(event, b"null")

    async def run() -> None:
        async with engine(speak, standby="any") as subject:
            await _filled(subject)
            waiting = subject.driver.standbys_made[0]
            assert waiting._sinks is not None
            waiting._sinks[0](b"too early\n")
            await subject.call(version("second"), tail=True)
            assert not [text for text in subject.sink.texts() if "too early" in text]
            assert len([text for text in subject.sink.texts() if "said" in text]) == 2

    run_virtual(run())


def test_the_end_of_the_engine_is_theirs_also_while_one_is_being_made() -> None:
    async def run() -> None:
        async with engine(standby="any") as subject:
            subject.driver.wait_s = 50.0
            await subject.call(version())
            await asyncio.sleep(1)
            assert subject.driver.standbys_made
        assert subject.driver.live == set()

    run_virtual(run())
