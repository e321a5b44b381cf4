from __future__ import annotations

import asyncio
from pathlib import Path

import structlog.testing

from functory.core.artifacts.artifacts import Artifacts
from functory.services.lambda_.sweep import GRACE_S, Sweeper
from tests.support.lambda_service import House
from tests.support.lambda_store import make_zip

OTHER = make_zip({"index.py": "other"})


def swept(house: House, artifacts: Artifacts) -> Sweeper:
    return Sweeper(store=house.store, artifacts=artifacts, snapshots=house.snapshots, clock=house.clock)


def test_code_nobody_refers_to_goes_after_the_grace_period(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running():
            await house.created(Publish=True)
            await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER)
            await house.settle()
            await house.created("g", Code={"ZipFile": make_zip({"x": "g"})})
            await house.call("DeleteFunction", FunctionName="g")
        foreign = await house.blobs.put(b"another service's")
        async with Artifacts(house.blobs, house.folder) as artifacts:
            sweeper = swept(house, artifacts)
            await sweeper.run()
            assert len(house.blobs.content) == 4
            house.clock.now += GRACE_S + 1
            await sweeper.run()
            kept = {artifacts.key_of(content) for content in (make_zip(), OTHER)}
            assert set(house.blobs.content) == {*kept, foreign}
            assert {path.name for path in tmp_path.iterdir()} == kept
        async with house.running():
            await house.call("DeleteFunction", FunctionName="f")
        async with Artifacts(house.blobs, house.folder) as artifacts:
            house.clock.now += GRACE_S + 1
            await swept(house, artifacts).run()
            assert set(house.blobs.content) == {foreign}
            assert list(tmp_path.iterdir()) == []
        await house.store.close()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    assert [entry["event"] for entry in logs] == ["package_collected"] * 3


def test_old_code_is_kept_while_the_update_that_replaces_it_is_in_progress(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running():
            await house.created()
        async with house.running(jobs=False):
            await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER)
            house.clock.now += GRACE_S + 1
        async with Artifacts(house.blobs, house.folder) as artifacts:
            await swept(house, artifacts).run()
        assert len(house.blobs.content) == 2
        await house.store.close()

    asyncio.run(scenario())


def test_a_deploy_of_the_same_code_keeps_it(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running():
            await house.created()
            await house.call("DeleteFunction", FunctionName="f")
            house.clock.now += GRACE_S + 1
            await house.created()
        async with Artifacts(house.blobs, house.folder) as artifacts:
            await swept(house, artifacts).run()
        assert len(house.blobs.content) == 1
        await house.store.close()

    asyncio.run(scenario())
