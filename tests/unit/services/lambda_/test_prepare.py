from __future__ import annotations

import asyncio
import base64
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


def test_a_full_disk_fails_the_function_until_there_is_room(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.blobs.is_unreadable = True

    async def scenario() -> None:
        async with house.running():
            shown = await house.created()
            assert shown["State"] == "Failed"
            assert shown["StateReasonCode"] == "InternalError"
            assert shown["StateReason"] == "The code could not be unpacked: No space left on device"
            assert "LastUpdateStatus" not in shown
        house.blobs.is_unreadable = False
        async with house.running():
            assert (await house.settle())["State"] == "Active"
        await house.store.close()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    assert [entry["event"] for entry in logs] == ["function_failed"]


def test_a_function_whose_runtime_is_not_here_becomes_active_all_the_same(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        house.runtimes.missing.add("python3.12")
        assert (await house.created())["State"] == "Active"

    run(tmp_path, scenario)


def test_an_update_of_a_failed_function_makes_it_pending_again(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        house.blobs.is_unreadable = True
        assert (await house.created())["State"] == "Failed"
        house.blobs.is_unreadable = False
        answer = await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=5)
        assert (answer["State"], answer["StateReasonCode"]) == ("Pending", "Creating")
        assert (await house.settle())["State"] == "Active"

    run(tmp_path, scenario)


def test_a_failed_update_leaves_the_old_version_running(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Timeout=4)
        old = (await house.call("GetFunctionConfiguration", FunctionName="f"))["CodeSha256"]
        house.blobs.is_unreadable = True
        await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER)
        shown = await house.settle()
        assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Failed")
        assert shown["LastUpdateStatusReasonCode"] == "InternalError"
        assert shown["CodeSha256"] != old
        await house.call("Invoke", FunctionName="f")
        assert house.invoker.calls[-1][0].code_key == bytes.hex(base64.b64decode(old))
        house.blobs.is_unreadable = False
        await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER)
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
