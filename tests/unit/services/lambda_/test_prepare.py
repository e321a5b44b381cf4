from __future__ import annotations

import asyncio
from pathlib import Path

import structlog.testing

from tests.support.lambda_service import House, run
from tests.support.lambda_store import make_zip

OTHER = make_zip({"index.py": "other"})


def test_what_a_killed_node_left_pending_is_prepared_by_the_next(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running():
            await house.created("updated")
        async with house.running(jobs=False):
            await house.create("made", Publish=True)
            await house.call("UpdateFunctionCode", FunctionName="updated", ZipFile=OTHER, Publish=True)
        async with house.running():
            for name, qualifier in (("made", ""), ("made", "1"), ("updated", ""), ("updated", "1")):
                shown = await house.settle(name, qualifier)
                assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
                assert (await house.call("Invoke", FunctionName=name))["StatusCode"] == 200
        await house.store.close()

    asyncio.run(scenario())


def test_a_missing_runtime_fails_the_function_until_it_is_there(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.runtimes.missing.add("python3.12")

    async def scenario() -> None:
        async with house.running():
            shown = await house.created()
            assert shown["State"] == "Failed"
            assert shown["StateReasonCode"] == "InvalidRuntime"
            assert shown["StateReason"] == "python3.12 is not installed"
            assert "LastUpdateStatus" not in shown
        house.runtimes.missing.clear()
        async with house.running():
            assert (await house.settle())["State"] == "Active"
        await house.store.close()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    assert [entry["event"] for entry in logs] == ["function_failed"]


def test_an_update_of_a_failed_function_makes_it_pending_again(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        house.runtimes.missing.add("provided.al2023")
        await house.created(Runtime="provided.al2023")
        answer = await house.call("UpdateFunctionConfiguration", FunctionName="f", Runtime="python3.12")
        assert (answer["State"], answer["StateReasonCode"]) == ("Pending", "Creating")
        assert (await house.settle())["State"] == "Active"

    run(tmp_path, scenario)


def test_a_failed_update_leaves_the_old_version_running(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        house.runtimes.missing.add("provided.al2023")
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Runtime="provided.al2023")
        shown = await house.settle()
        assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Failed")
        assert shown["LastUpdateStatusReasonCode"] == "InvalidRuntime"
        await house.call("Invoke", FunctionName="f")
        assert house.invoker.calls[-1][0].runtime == "python3.12"
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Runtime="python3.12")
        assert (await house.settle())["LastUpdateStatus"] == "Successful"

    run(tmp_path, scenario)


def test_a_package_that_is_gone_fails_the_function(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running(jobs=False):
            await house.create()
        house.blobs.content.clear()
        async with house.running():
            shown = await house.settle()
            assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "InternalError")
        await house.store.close()

    asyncio.run(scenario())


def test_a_function_deleted_while_it_is_prepared_stays_deleted(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.create()
        await house.call("DeleteFunction", FunctionName="f")
        await house.created("g")
        assert (await house.refused("GetFunction", FunctionName="f"))[0] == "ResourceNotFoundException"

    run(tmp_path, scenario)


def test_the_caller_that_goes_away_does_not_leave_a_stale_catalogue(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        await house.settle("f", "1")
        await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="$LATEST")
        await house.call("Invoke", FunctionName="f:live")
        moving = asyncio.create_task(house.call("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="1"))
        await asyncio.sleep(0)
        moving.cancel()
        await asyncio.wait([moving])
        async with asyncio.timeout(10):
            while (await house.call("Invoke", FunctionName="f:live"))["ExecutedVersion"] != "1":
                await asyncio.sleep(0)

    run(tmp_path, scenario)
