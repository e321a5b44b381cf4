"""Environments with credentials that end are replaced before they do; a role that cannot be assumed stops a function."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from functory.aws.errors import AwsError
from functory.core.environments.provisioned import Provisioning, Wish
from functory.core.environments.variables import Credentials
from functory.core.functions.model import FunctionVersion
from functory.kernel.clock import LoopClock
from tests.support.engine import Engine, engine, version
from tests.support.virtual_time import run_virtual

GOOD_S = 100.0


@dataclass
class Ending:
    """Credentials that are good for `GOOD_S`."""

    clock: LoopClock = field(default_factory=LoopClock)
    refusal: AwsError | None = None

    async def credentials(self, version: FunctionVersion) -> Credentials:
        if self.refusal is not None:
            raise self.refusal
        return Credentials(version.account_id, "secret", "token", self.clock.epoch_s() + GOOD_S)


def test_an_environment_takes_calls_while_its_credentials_are_good_and_is_then_replaced() -> None:
    async def run() -> None:
        async with engine(credentials=Ending()) as subject:
            await subject.call(version())
            await asyncio.sleep(GOOD_S - 10)
            await subject.call(version())
            assert subject.driver.made == 1
            await asyncio.sleep(20)
            await subject.call(version())
            assert subject.driver.made == 2

    run_virtual(run())


def test_an_idle_environment_with_old_credentials_ends() -> None:
    async def run() -> None:
        async with engine(credentials=Ending()) as subject:
            await subject.call(version())
            await asyncio.sleep(GOOD_S + 10)
            assert subject.environments.count() == 0

    run_virtual(run())


def test_a_provisioned_environment_with_old_credentials_is_replaced_before_anybody_calls() -> None:
    async def ready(subject: Engine, key: tuple[str, str, str, str], made: int) -> None:
        async with asyncio.timeout(60):
            while subject.driver.made < made or subject.environments.provisioned.state(key).ready < 2:
                await asyncio.sleep(0.1)

    async def run() -> None:
        async with engine(credentials=Ending()) as subject:
            one = version(version="1")
            key = (one.account_id, one.region, one.name, "1")
            subject.environments.provisioned.want({key: Wish(one, 2, "1")})
            await ready(subject, key, 2)
            await asyncio.sleep(GOOD_S)
            await ready(subject, key, 4)
            assert isinstance(subject.environments.provisioned.state(key), Provisioning)
            await subject.call(one)
            assert subject.driver.made == 4

    run_virtual(run())


REFUSAL = AwsError("AccessDeniedException", "The role defined for the function cannot be assumed by Lambda.", status=403)


def test_provisioning_a_function_whose_role_cannot_be_assumed_fails_and_says_so() -> None:
    async def run() -> None:
        async with engine(credentials=Ending(refusal=REFUSAL)) as subject:
            one = version(version="1")
            key = (one.account_id, one.region, one.name, "1")
            subject.environments.provisioned.want({key: Wish(one, 1, "1")})
            async with asyncio.timeout(3600):
                while "cannot be assumed" not in subject.environments.provisioned.state(key).failure:
                    await asyncio.sleep(1)
            assert not subject.driver.live

    run_virtual(run())


def test_a_role_that_cannot_be_assumed_is_told_the_caller() -> None:
    async def run() -> None:
        async with engine(credentials=Ending(refusal=REFUSAL)) as subject:
            with pytest.raises(AwsError) as refused:
                await subject.call(version())
            assert refused.value is REFUSAL
            await asyncio.sleep(1)
            assert not subject.driver.live
            assert subject.environments.count() == 0

    run_virtual(run())
