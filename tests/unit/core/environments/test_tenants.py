"""Tenants on the engine: an environment serves one of them for its life."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable

from functory.core.invocations.outcome import Outcome
from functory.kernel.settings import EnvironmentSettings
from functory.sandbox.port import Exit
from tests.support.engine import FakeRuntime, engine, version
from tests.support.virtual_time import run_virtual


async def remember(runtime: FakeRuntime) -> Exit | None:
    """Answers with every tenant this environment has served; now and then it exits."""
    seen: list[str] = []
    while True:
        event = await runtime.next()
        seen.append(event.headers.get("Lambda-Runtime-Aws-Tenant-Id", "-"))
        await asyncio.sleep(0.01)
        if event.payload == b"exit":
            return Exit(1, None)
        runtime.respond(event, ",".join(seen).encode())


def test_an_environment_never_serves_two_tenants() -> None:
    chance = random.Random(3)

    async def run() -> None:
        async with engine(remember) as subject:

            def call(tenant: str) -> Awaitable[Outcome]:
                return subject.call(version(), b"exit" if chance.random() < 0.1 else b"1", tenant_id=tenant)

            for _ in range(10):
                tenants = [chance.choice("abc") for _ in range(20)]
                for tenant, outcome in zip(tenants, await asyncio.gather(*map(call, tenants)), strict=True):
                    assert outcome.function_error or set(outcome.payload.decode().split(",")) == {tenant}

    run_virtual(run())


def test_idle_environments_of_other_tenants_give_way_when_memory_is_short() -> None:
    async def run() -> None:
        async with engine(remember, settings=EnvironmentSettings(max_memory_mib=256)) as subject:
            for tenant in "abcab":
                outcome = await subject.call(version(), tenant_id=tenant)
                assert outcome.payload == tenant.encode()
            assert subject.environments.count() == 2

    run_virtual(run())


def test_a_tenants_pool_is_forgotten_with_its_last_environment() -> None:
    async def run() -> None:
        async with engine(remember, settings=EnvironmentSettings(idle_s=60)) as subject:
            for tenant in range(50):
                await subject.call(version(), tenant_id=str(tenant))
            await asyncio.sleep(200)
            assert subject.environments.count() == 0
            assert not subject.environments._pools

    run_virtual(run())


def test_the_start_line_names_the_tenant() -> None:
    async def run() -> None:
        async with engine(remember) as subject:
            outcome = await subject.call(version(), tenant_id="blue", tail=True)
            begun = outcome.log_tail.decode().splitlines()[0]
            assert begun == f"START RequestId: {outcome.request_id} Version: $LATEST TenantId: blue"

    run_virtual(run())
