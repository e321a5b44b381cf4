from __future__ import annotations

import asyncio

import structlog.testing

from functory.core.reconcile.job import Job
from functory.store.port import StoreError
from tests.support.virtual_time import run_virtual


class Work:
    def __init__(self) -> None:
        self.runs = 0
        self.at_once = 0
        self.changed = asyncio.Condition()
        self.failures = 0

    async def __call__(self) -> None:
        self.at_once += 1
        assert self.at_once == 1
        await asyncio.sleep(0)
        self.at_once -= 1
        async with self.changed:
            self.runs += 1
            self.changed.notify_all()
        if self.failures:
            self.failures -= 1
            raise ValueError("not today")

    async def reached(self, runs: int) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self.runs >= runs)


def test_a_job_runs_at_once_and_on_every_nudge() -> None:
    async def scenario() -> None:
        work = Work()
        async with Job("test", work, every_s=1000) as job:
            await work.reached(1)
            job.nudge()
            await work.reached(2)

    asyncio.run(scenario())


def test_a_job_runs_on_its_timer() -> None:
    async def scenario() -> None:
        work = Work()
        async with Job("test", work, every_s=0.001):
            await work.reached(3)

    asyncio.run(scenario())


def test_a_run_that_fails_is_logged_and_the_job_goes_on() -> None:
    async def scenario() -> None:
        work = Work()
        work.failures = 1
        async with Job("test", work, every_s=1000) as job:
            await work.reached(1)
            job.nudge()
            await work.reached(2)

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    assert [(entry["event"], entry["job"]) for entry in logs] == [("job_failed", "test")]


def test_a_store_that_refuses_is_told_in_one_line() -> None:
    async def refuse() -> None:
        raise ExceptionGroup("tasks", [ExceptionGroup("inner", [StoreError("the disk is full")])])

    async def scenario() -> None:
        runs = 0

        async def work() -> None:
            nonlocal runs
            runs += 1
            if runs <= 3:
                await refuse()

        async with Job("test", work, every_s=1000):
            began = asyncio.get_running_loop().time()
            while runs < 4:
                await asyncio.sleep(0.5)
            assert asyncio.get_running_loop().time() - began >= 1 + 2 + 4

    with structlog.testing.capture_logs() as logs:
        run_virtual(scenario())
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("job_store_refused", "the disk is full")] * 3
