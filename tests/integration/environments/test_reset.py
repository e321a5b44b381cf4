"""After a failure the environment goes on with its files and its log, and without its processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from functory.core.functions.model import FunctionVersion
from functory.kernel.settings import EnvironmentSettings
from tests.support.real_engine import RealEngine, real_engine
from tests.support.sandboxes import oci_driver, process_driver, started

Work = Callable[[RealEngine], Awaitable[None]]

SOURCE = """
import os, time
file = os.path.join(os.environ.get("WHERE", "/tmp"), "kept")
seen = []

def handler(event, context):
    if event == "look":
        with open(file, "a") as kept:
            kept.write("more")
        return [open(file).read(), seen]
    with open(file, "w") as kept:
        kept.write(event)
    seen.append(event)
    if event == "exit":
        os._exit(1)
    time.sleep(60)
"""


@pytest.fixture(params=[pytest.param("oci", marks=pytest.mark.root)])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., None]:
    """Runs a test's coroutine with an engine."""

    def work_with(work: Work, settings: EnvironmentSettings | None = None) -> None:
        code = tmp_path / "code"
        code.mkdir()
        driver = oci_driver(tmp_path / "run") if request.param == "oci" else process_driver(tmp_path / "run")

        async def main() -> None:
            async with started(driver), real_engine(driver, code, settings=settings) as engine:
                await work(engine)

        asyncio.run(main())

    return work_with


async def _look(engine: RealEngine, function: FunctionVersion) -> list[object]:
    outcome = await engine.call(function, b'"look"', tail=True)
    assert outcome.error_type == "", outcome.payload
    found: list[object] = json.loads(outcome.payload)
    return found


def test_files_and_log_survive_a_timeout_and_memory_does_not(run: Callable[..., None]) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("late", SOURCE, timeout_s=2)
        assert (await engine.call(function, b'"wait"')).error_type == "Sandbox.Timedout"
        assert await _look(engine, function) == ["waitmore", []]
        assert await _look(engine, function) == ["waitmoremore", []]
        assert len({stream for stream, _ in engine.sink.events}) == 1
        reports = [line for line in engine.lines if line.startswith("REPORT")]
        assert ["Init Duration" in line for line in reports] == [True, False, False]
        assert sum(line.startswith("INIT_START") for line in engine.lines) == 2

    run(work)


def test_files_survive_one_crash_after_another(run: Callable[..., None]) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("dies", SOURCE, timeout_s=20)
        for _ in range(3):
            assert (await engine.call(function, b'"exit"')).error_type == "Runtime.ExitError"
        assert await _look(engine, function) == ["exitmore", []]
        assert engine.environments.count() == 1

    run(work)


def test_what_nobody_comes_for_is_removed(run: Callable[..., None], tmp_path: Path) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("gone", SOURCE, timeout_s=20)
        await engine.call(function, b'"exit"')
        await engine.until(lambda: not list((tmp_path / "run" / "sandboxes").iterdir()))

    run(work, EnvironmentSettings(max_memory_mib=10_000, idle_s=0.2))


def test_a_function_that_is_removed_leaves_nothing(run: Callable[..., None], tmp_path: Path) -> None:
    async def work(engine: RealEngine) -> None:
        function = engine.function("gone", SOURCE, timeout_s=20)
        await engine.call(function, b'"exit"')
        engine.environments.remove("000000000000", "us-east-1", "gone", None)
        await engine.until(lambda: not list((tmp_path / "run" / "sandboxes").iterdir()))

    run(work, EnvironmentSettings(max_memory_mib=10_000, standby_max=0))  # standbys would wait on
