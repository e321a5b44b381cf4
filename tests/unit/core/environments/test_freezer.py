"""Freezing after a grace, thawing before anything runs; virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from functory.core.environments.freezer import Freezer
from functory.kernel.tasks import TaskScope
from tests.support.virtual_time import run_virtual


@dataclass
class _Sandbox:
    """Records what is asked of it; a freeze takes a moment, as the kernel's does."""

    id: str = "fn-1"
    calls: list[str] = field(default_factory=list)

    async def freeze(self) -> None:
        self.calls.append("freeze")
        await asyncio.sleep(0.001)
        self.calls.append("frozen")

    async def thaw(self) -> None:
        self.calls.append("thaw")


def test_it_is_frozen_after_the_grace_and_thawed_before_the_next_event() -> None:
    async def run() -> None:
        async with TaskScope("test") as tasks:
            sandbox = _Sandbox()
            subject = Freezer(sandbox, 0.02, tasks)  # type: ignore[arg-type]
            subject.idle()
            await asyncio.sleep(0.019)
            assert sandbox.calls == []
            await asyncio.sleep(0.01)
            assert sandbox.calls == ["freeze", "frozen"]
            await subject.wake()
            assert sandbox.calls == ["freeze", "frozen", "thaw"]

    run_virtual(run())


def test_a_function_called_more_often_than_the_grace_is_never_frozen() -> None:
    async def run() -> None:
        async with TaskScope("test") as tasks:
            sandbox = _Sandbox()
            subject = Freezer(sandbox, 0.02, tasks)  # type: ignore[arg-type]
            for _ in range(50):
                subject.idle()
                await asyncio.sleep(0.015)
                await subject.wake()
            assert sandbox.calls == []

    run_virtual(run())


def test_an_event_in_the_middle_of_a_freeze_ends_it() -> None:
    async def run() -> None:
        async with TaskScope("test") as tasks:
            sandbox = _Sandbox()
            subject = Freezer(sandbox, 0.0, tasks)  # type: ignore[arg-type]
            subject.idle()
            await asyncio.sleep(0.0005)
            await subject.wake()
            await asyncio.sleep(1.0)
            assert sandbox.calls == ["freeze", "thaw"]

    run_virtual(run())


def test_a_negative_grace_never_freezes_and_a_closed_one_freezes_no_more() -> None:
    async def run() -> None:
        async with TaskScope("test") as tasks:
            never, closed = _Sandbox(), _Sandbox()
            Freezer(never, -1.0, tasks).idle()  # type: ignore[arg-type]
            subject = Freezer(closed, 0.02, tasks)  # type: ignore[arg-type]
            subject.idle()
            subject.close()
            await asyncio.sleep(1.0)
            assert never.calls == closed.calls == []

    run_virtual(run())
