from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from functory.core.artifacts.package import code_sha256
from tests.support.hostile_zips import HOSTILE
from tests.support.lambda_service import ROLE, House, arn, run
from tests.support.lambda_store import make_zip

OTHER = make_zip({"index.py": "def handler(e, c): return 2\n"})
BUSY = f"The operation cannot be performed at this time. An update is in progress for resource: {arn()}"


def test_other_code_runs_after_the_update_and_old_environments_are_retired(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        before = await house.created()
        answer = await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER)
        key = await house.blobs.put(OTHER)
        assert answer["State"] == "Active"
        assert answer["LastUpdateStatus"] == "InProgress"
        assert answer["LastUpdateStatusReason"] == "The function is being created."
        assert answer["LastUpdateStatusReasonCode"] == "Creating"
        assert answer["CodeSha256"] == code_sha256(key)
        assert answer["RevisionId"] != before["RevisionId"]
        after = await house.settle()
        assert after["LastUpdateStatus"] == "Successful"
        assert "LastUpdateStatusReason" not in after
        await house.call("Invoke", FunctionName="f")
        version, _ = house.invoker.calls[-1]
        assert version.code_key == key
        await house.retired(version)

    run(tmp_path, scenario)


def test_old_code_runs_while_an_update_is_in_progress(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running():
            await house.created()
        async with house.running(jobs=False):
            await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER)
            await house.call("Invoke", FunctionName="f")
            assert house.invoker.calls[-1][0].code_key == await house.blobs.put(make_zip())
            assert await house.refused("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER) == (
                "ResourceConflictException",
                BUSY,
            )
            assert await house.refused("UpdateFunctionConfiguration", FunctionName="f", Timeout=9) == (
                "ResourceConflictException",
                BUSY,
            )
            assert await house.refused("PublishVersion", FunctionName="f") == ("ResourceConflictException", BUSY)
        await house.store.close()

    asyncio.run(scenario())


def test_a_pending_function_cannot_be_changed(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.create()
        for operation, params in (
            ("UpdateFunctionCode", {"ZipFile": OTHER}),
            ("UpdateFunctionConfiguration", {"Timeout": 9}),
            ("PublishVersion", {}),
        ):
            assert await house.refused(operation, FunctionName="f", **params) == (
                "ResourceConflictException",
                "The operation cannot be performed at this time. The function is currently in the following state: Pending",
            )

    run(tmp_path, scenario, jobs=False)


def test_a_dry_run_says_what_would_be_and_changes_nothing(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        before = await house.created()
        answer = await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER, DryRun=True)
        assert answer["CodeSize"] == len(OTHER)
        assert answer["CodeSha256"] != before["CodeSha256"]
        assert await house.call("GetFunctionConfiguration", FunctionName="f") == before
        assert len(house.blobs.content) == 1
        bad = await house.refused("UpdateFunctionCode", FunctionName="f", ZipFile=b"no zip", DryRun=True)
        assert bad[0] == "InvalidParameterValueException"

    run(tmp_path, scenario)


def test_publish_makes_a_version_of_the_new_code(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        answer = await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER, Publish=True)
        assert (answer["Version"], answer["FunctionArn"]) == ("1", arn("f", "1"))
        await house.settle()
        published = await house.settle("f", "1")
        assert published["State"] == "Active"
        assert published["CodeSha256"] == (await house.settle())["CodeSha256"]

    run(tmp_path, scenario)


def test_a_change_for_another_revision_is_refused(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        shown = await house.created()
        expected = (
            "PreconditionFailedException",
            (
                "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API "
                "to retrieve the latest Revision Id"
            ),
        )
        stale: dict[str, Any] = {"FunctionName": "f", "RevisionId": "0"}
        assert await house.refused("UpdateFunctionCode", ZipFile=OTHER, **stale) == expected
        assert await house.refused("UpdateFunctionConfiguration", Timeout=9, **stale) == expected
        assert await house.refused("PublishVersion", **stale) == expected
        await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=OTHER, RevisionId=shown["RevisionId"])

    run(tmp_path, scenario)


def test_code_that_cannot_be_used_is_refused_with_awss_texts(tmp_path: Path) -> None:
    unreadable = "Could not unzip uploaded file. Please check your file, then try to upload again."

    async def scenario(house: House) -> None:
        await house.created()
        cases = {
            b"": "Uploaded file must be a non-empty zip",
            make_zip({}): "Uploaded file must be a non-empty zip",
            b"not a zip": unreadable,
            HOSTILE["path upwards"]: unreadable,
            HOSTILE["link outside through a link"]: unreadable,
        }
        for content, text in cases.items():
            expected = ("InvalidParameterValueException", text)
            assert await house.refused("UpdateFunctionCode", FunctionName="f", ZipFile=content) == expected
            create = {"Runtime": "python3.12", "Handler": "h.h", "Role": ROLE, "Code": {"ZipFile": content}}
            assert await house.refused("CreateFunction", FunctionName="g", **create) == expected
        assert await house.refused("UpdateFunctionCode", FunctionName="f") == (
            "InvalidParameterValueException",
            "Please provide a source for function code.",
        )
        assert len(house.blobs.content) == 1

    run(tmp_path, scenario)
