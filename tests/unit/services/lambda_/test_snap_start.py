"""SnapStart as the API has it: who may have it, and the states of a version with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from functory.aws.errors import AwsError
from functory.core.artifacts.artifacts import Artifacts
from functory.services.lambda_.sweep import Sweeper
from tests.support.lambda_service import ACCESS_POINT, ACCOUNT, REGION, House

ON = {"ApplyOn": "PublishedVersions"}
NOT_HERE = "SnapStart is not supported on this node: nothing keeps sandboxes"


async def _published(house: House, number: str = "1") -> dict[str, Any]:
    await house.create(SnapStart=ON)
    await house.settle()
    await house.call("PublishVersion", FunctionName="f")
    return await house.settle(qualifier=number)


def _run(tmp_path: Path, work: Callable[[House], Any]) -> None:
    async def run() -> None:
        house = House(tmp_path / "unpacked")
        async with house.running():
            await work(house)

    asyncio.run(run())


def test_a_version_is_active_when_its_snapshot_was_taken(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        made = await house.create(SnapStart=ON)
        assert made["SnapStart"] == {**ON, "OptimizationStatus": "Off"}
        await house.settle()
        assert house.snapshots.published == []
        house.snapshots.going_on.clear()
        version = await house.call("PublishVersion", FunctionName="f")
        assert version["State"] == "Pending"
        assert version["SnapStart"] == {**ON, "OptimizationStatus": "On"}
        code, text = await house.refused("Invoke", FunctionName="f", Qualifier="1")
        assert code == "SnapStartNotReadyException"
        assert text.startswith("Lambda is initializing your function.")
        await house.call("Invoke", FunctionName="f")
        await house.create("other", Publish=True)  # does not wait for it
        assert (await house.settle("other", "1"))["State"] == "Active"
        house.snapshots.going_on.set()
        assert (await house.settle(qualifier="1"))["State"] == "Active"
        (facts,) = house.snapshots.published
        assert (facts.version, facts.snap_start) == ("1", True)
        await house.call("Invoke", FunctionName="f", Qualifier="1")
        assert house.invoker.calls[-1][0] == facts
        assert not house.invoker.calls[0][0].snap_start

    _run(tmp_path, work)


def test_a_snapshot_that_cannot_be_taken_fails_the_version(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        house.snapshots.verdict = ("FunctionError.InitTimeout", "The init phase took longer than 130 seconds.")
        shown = await _published(house)
        assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "FunctionError.InitTimeout")
        assert shown["StateReason"] == "The init phase took longer than 130 seconds."
        code, _ = await house.refused("Invoke", FunctionName="f", Qualifier="1")
        assert code == "ResourceConflictException"

    _run(tmp_path, work)


def test_a_node_that_was_stopped_while_it_made_one_makes_it_again(tmp_path: Path) -> None:
    async def run() -> None:
        house = House(tmp_path / "unpacked")
        house.snapshots.going_on.clear()
        async with house.running():
            await house.create(SnapStart=ON)
            await house.settle()
            await house.call("PublishVersion", FunctionName="f")
        house.snapshots.going_on.set()
        async with house.running():
            assert (await house.settle(qualifier="1"))["State"] == "Active"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"Runtime": "provided.al2023"}, "provided.al2023 is not supported for SnapStart enabled functions."),
        (
            {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}},
            "SnapStart is not supported for functions with tenant isolation.",
        ),
        (
            {"FileSystemConfigs": [{"Arn": ACCESS_POINT, "LocalMountPath": "/mnt/data"}]},
            "SnapStart is not supported for functions with file systems.",
        ),
        ({"EphemeralStorage": {"Size": 513}}, "SnapStart enabled functions support an EphemeralStorage of at most 512 MB."),
    ],
)
def test_who_cannot_have_it_is_refused_at_creation_and_update(tmp_path: Path, params: dict[str, Any], text: str) -> None:
    async def work(house: House) -> None:
        with pytest.raises(AwsError) as refused:
            await house.create(SnapStart=ON, **params)
        assert (refused.value.code, refused.value.message) == ("InvalidParameterValueException", text)
        await house.create(**params)
        await house.settle()
        assert await house.refused("UpdateFunctionConfiguration", FunctionName="f", SnapStart=ON) == (
            "InvalidParameterValueException",
            text,
        )
        if "TenancyConfig" in params:  # which cannot be changed
            return
        await house.create("g", SnapStart=ON)
        await house.settle("g")
        assert await house.refused("UpdateFunctionConfiguration", FunctionName="g", **params) == (
            "InvalidParameterValueException",
            text,
        )
        await house.call("UpdateFunctionConfiguration", FunctionName="g", SnapStart={"ApplyOn": "None"}, **params)
        assert (await house.settle("g"))["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}

    _run(tmp_path, work)


def test_a_node_that_keeps_no_sandboxes_refuses_it(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        await house.create("g", SnapStart=ON)
        await house.create("f")
        await house.settle("g")
        await house.settle("f")
        house.snapshots.why = "nothing keeps sandboxes"
        refused = ("InvalidParameterValueException", NOT_HERE)
        with pytest.raises(AwsError, match="nothing keeps"):
            await house.create("h", SnapStart=ON)
        assert await house.refused("UpdateFunctionConfiguration", FunctionName="f", SnapStart=ON) == refused
        assert await house.refused("PublishVersion", FunctionName="g") == refused
        await house.call("PublishVersion", FunctionName="f")

    _run(tmp_path, work)


def test_provisioned_concurrency_and_it_exclude_each_other(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        await house.create()
        await house.settle()
        await house.call("PublishVersion", FunctionName="f")
        await house.settle(qualifier="1")
        await house.call("UpdateFunctionConfiguration", FunctionName="f", SnapStart=ON)
        await house.settle()
        await house.call("PublishVersion", FunctionName="f")
        await house.settle(qualifier="2")
        await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        wish = {"FunctionName": "f", "ProvisionedConcurrentExecutions": 1}
        text = "Provisioned Concurrency is not supported for SnapStart enabled functions."
        refused = ("InvalidParameterValueException", text)
        assert await house.refused("PutProvisionedConcurrencyConfig", Qualifier="2", **wish) == refused
        await house.call("PutProvisionedConcurrencyConfig", Qualifier="live", **wish)
        assert await house.refused("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2") == refused

    _run(tmp_path, work)


def test_snapshots_of_deleted_versions_are_swept(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        await _published(house)
        key = (ACCOUNT, REGION, "f", "1")
        epoch = house.snapshots.published[0].epoch
        house.snapshots.kept = [(key, epoch), (key, f"{epoch}/gvisor"), (key, "older"), ((ACCOUNT, REGION, "f", "2"), epoch)]
        async with Artifacts(house.blobs, house.folder) as artifacts:
            await Sweeper(store=house.store, artifacts=artifacts, snapshots=house.snapshots, clock=house.clock).run()
        assert house.snapshots.kept == [(key, epoch), (key, f"{epoch}/gvisor")]

    _run(tmp_path, work)


def test_snap_start_is_part_of_what_a_version_publishes(tmp_path: Path) -> None:
    async def work(house: House) -> None:
        await _published(house)
        assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "1"
        await house.call("UpdateFunctionConfiguration", FunctionName="f", SnapStart={"ApplyOn": "None"})
        await house.settle()
        assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "2"
        assert len(house.snapshots.published) == 1

    _run(tmp_path, work)
