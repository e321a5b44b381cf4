from __future__ import annotations

import dataclasses
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from functory.aws.errors import AwsError
from functory.core.artifacts.package import code_sha256
from tests.support.lambda_service import ROLE, House, arn, run
from tests.support.lambda_store import make_zip


def test_create_answers_exactly_awss_members(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        answer = await house.create()
        code = make_zip()
        key = await house.blobs.put(code)
        assert len(answer.pop("RevisionId")) == 36
        runtime = answer.pop("RuntimeVersionConfig")
        assert runtime["RuntimeVersionArn"].startswith("arn:aws:lambda:eu-central-1::runtime:")
        assert answer == {
            "FunctionName": "f",
            "FunctionArn": arn(),
            "Runtime": "python3.12",
            "Role": ROLE,
            "Handler": "index.handler",
            "CodeSize": len(code),
            "Description": "",
            "Timeout": 3,
            "MemorySize": 128,
            "LastModified": "2026-11-23T08:00:00.000+0000",
            "CodeSha256": code_sha256(key),
            "Version": "$LATEST",
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
        }
        ready = await house.settle()
        assert ready["State"] == "Active"
        assert ready["LastUpdateStatus"] == "Successful"
        assert "StateReason" not in ready

    run(tmp_path, scenario)


def test_create_of_an_existing_name_is_a_conflict(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        with pytest.raises(AwsError, match=r"^ResourceConflictException: Function already exist: f$"):
            await house.create()

    run(tmp_path, scenario)


def test_invoke_of_a_pending_function_waits_for_it(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.create()
        answer = await house.call("Invoke", FunctionName="f", Payload=b'{"a": 1}')
        assert answer == {"StatusCode": 200, "Payload": b'{"a": 1}', "ExecutedVersion": "$LATEST"}

    run(tmp_path, scenario)


def test_create_with_publish_answers_version_1(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        answer = await house.create(Publish=True)
        assert (answer["Version"], answer["FunctionArn"], answer["State"]) == ("1", arn("f", "1"), "Pending")
        assert (await house.settle("f", "1"))["State"] == "Active"
        assert (await house.settle())["Version"] == "$LATEST"

    run(tmp_path, scenario)


def test_create_refuses_names_of_other_places(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        assert await house.refused("CreateFunction", FunctionName="arn:aws:lambda:mars-1:123456789012:function:f") == (
            "ResourceNotFoundException",
            "Functions from 'mars-1' are not reachable in this region ('eu-central-1')",
        )
        code, _ = await house.refused("CreateFunction", FunctionName="210987654321:function:f")
        assert code == "AccessDeniedException"
        code, text = await house.refused("CreateFunction", FunctionName="x" * 65)
        assert code == "ValidationException"
        assert "Member must have length less than or equal to 64" in text
        assert (await house.refused("CreateFunction", FunctionName="a.b"))[0] == "ValidationException"

    run(tmp_path, scenario)


def test_get_function_gives_a_link_that_opens_the_code_for_ten_minutes(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Tags={"team": "a"})
        answer = await house.call("GetFunction", FunctionName=arn())
        assert answer["Tags"] == {"team": "a"}
        assert answer["Code"]["RepositoryType"] == "S3"
        url = urlsplit(answer["Code"]["Location"])
        assert f"{url.scheme}://{url.netloc}" == "http://localhost:4566"
        now = house.clock.epoch_s()
        key = house.service.links.verify(url.path, url.query, now + 600)
        assert key is not None
        assert await house.blobs.get(key) == make_zip()
        assert house.service.links.verify(url.path, url.query, now + 601) is None
        assert "Concurrency" not in answer

    run(tmp_path, scenario)


def test_get_function_leaves_out_tags_that_were_never_set(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        assert "Tags" not in await house.call("GetFunction", FunctionName="f")

    run(tmp_path, scenario)


def test_the_arn_ends_with_the_qualifier_that_was_asked_for(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        for qualifier, version in (("$LATEST", "$LATEST"), ("1", "1"), ("live", "1")):
            for named in ({"FunctionName": "f", "Qualifier": qualifier}, {"FunctionName": f"f:{qualifier}"}):
                shown = (await house.call("GetFunction", **named))["Configuration"]
                assert (shown["FunctionArn"], shown["Version"]) == (arn("f", qualifier), version)

    run(tmp_path, scenario)


def test_unknown_functions_are_named_as_they_were_asked_for(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        for qualifier in ("", "7", "live", "$LATEST.PUBLISHED"):
            name = "f" if qualifier else "g"
            params = {"FunctionName": name, **({"Qualifier": qualifier} if qualifier else {})}
            expected = ("ResourceNotFoundException", f"Function not found: {arn(name, qualifier)}")
            for operation in ("GetFunction", "GetFunctionConfiguration", "Invoke"):
                assert await house.refused(operation, **params) == expected

    run(tmp_path, scenario)


def test_two_different_qualifiers_are_refused(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        expected = "The derived qualifier from the function name does not match the specified qualifier."
        for operation in ("GetFunction", "Invoke", "DeleteFunction"):
            answer = await house.refused(operation, FunctionName="f:1", Qualifier="2")
            assert answer == ("InvalidParameterValueException", expected)

    run(tmp_path, scenario)


def test_lists_leave_out_states_and_come_in_pages(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        for index in range(5):
            await house.created(f"f{index}", Publish=index == 1)
        seen: list[str] = []
        marker: dict[str, str] = {}
        while True:
            answer = await house.call("ListFunctions", MaxItems=2, **marker)
            assert len(answer["Functions"]) <= 2
            seen += [entry["FunctionArn"] for entry in answer["Functions"]]
            for entry in answer["Functions"]:
                assert not {"State", "LastUpdateStatus", "StateReason", "RuntimeVersionConfig"} & set(entry)
            if "NextMarker" not in answer:
                break
            marker = {"Marker": answer["NextMarker"]}
        assert seen == [arn(f"f{index}") for index in range(5)]

    run(tmp_path, scenario)


def test_a_list_of_all_versions_has_qualified_arns(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created("a", Publish=True)
        await house.created("b")
        first = await house.call("ListFunctions", FunctionVersion="ALL", MaxItems=1)
        rest = await house.call("ListFunctions", FunctionVersion="ALL", Marker=first["NextMarker"])
        arns = [entry["FunctionArn"] for entry in first["Functions"] + rest["Functions"]]
        assert arns == [arn("a", "$LATEST"), arn("a", "1"), arn("b", "$LATEST")]

    run(tmp_path, scenario)


def test_a_marker_that_is_none_is_refused(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        for marker in ("?", "bm9uc2Vuc2U=", "WzEsMl0="):
            assert (await house.refused("ListFunctions", Marker=marker))[0] == "InvalidParameterValueException"
            code, _ = await house.refused("ListVersionsByFunction", FunctionName="f", Marker=marker)
            assert code == "InvalidParameterValueException"

    run(tmp_path, scenario)


def test_lists_show_only_the_callers_account_and_region(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        for other in ({"account_id": "999999999999"}, {"region": "us-east-1"}):
            house.ctx = dataclasses.replace(house.ctx, **other)
            assert await house.call("ListFunctions") == {"Functions": []}

    run(tmp_path, scenario)


def test_a_deleted_function_is_gone_with_everything_of_it(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        assert await house.call("DeleteFunction", FunctionName="f") == {"StatusCode": 204}
        assert house.invoker.removed == [("123456789012", "eu-central-1", "f", None)]
        for qualifier in ("", "1", "live"):
            assert (await house.refused("Invoke", FunctionName=arn("f", qualifier)))[0] == "ResourceNotFoundException"
        expected = ("ResourceNotFoundException", f"Function not found: {arn()}")
        assert await house.refused("DeleteFunction", FunctionName="f") == expected

    run(tmp_path, scenario)


def test_one_version_can_be_deleted_unless_an_alias_leads_to_it(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        await house.call("CreateAlias", FunctionName="f", Name="also", FunctionVersion="1")
        assert await house.refused("DeleteFunction", FunctionName="f", Qualifier="1") == (
            "ResourceConflictException",
            "Unable to delete version because the following aliases reference it: [also, live]",
        )
        for alias in ("live", "also"):
            await house.call("DeleteAlias", FunctionName="f", Name=alias)
        assert await house.call("DeleteFunction", FunctionName="f", Qualifier="1") == {"StatusCode": 204}
        assert house.invoker.removed == [("123456789012", "eu-central-1", "f", "1")]
        assert (await house.refused("GetFunction", FunctionName="f:1"))[0] == "ResourceNotFoundException"
        assert (await house.call("GetFunction", FunctionName="f"))["Configuration"]["Version"] == "$LATEST"

    run(tmp_path, scenario)


def test_an_absent_version_cannot_be_deleted(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        assert await house.refused("DeleteFunction", FunctionName="f:9") == (
            "ResourceNotFoundException",
            "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:f:9",
        )
        assert house.invoker.removed == []

    run(tmp_path, scenario)


def test_latest_and_aliases_cannot_be_deleted_as_versions(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        assert await house.refused("DeleteFunction", FunctionName="f", Qualifier="$LATEST") == (
            "InvalidParameterValueException",
            "$LATEST version cannot be deleted without deleting the function.",
        )
        code, _ = await house.refused("DeleteFunction", FunctionName="f", Qualifier="live")
        assert code == "InvalidParameterValueException"

    run(tmp_path, scenario)


def test_what_is_never_set_is_answered_as_unset(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        assert await house.call("GetFunctionConcurrency", FunctionName="f") == {}
        assert await house.call("GetFunctionCodeSigningConfig", FunctionName="f") == {"FunctionName": "f"}
        for operation in ("GetFunctionConcurrency", "GetFunctionCodeSigningConfig"):
            assert (await house.refused(operation, FunctionName="g"))[0] == "ResourceNotFoundException"

    run(tmp_path, scenario)


def test_code_storage_over_the_accounts_quota_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functory.services.lambda_.packages.CODE_STORAGE_BYTES", 50)

    async def scenario(house: House) -> None:
        await house.created("a")
        code, text = await house.refused(
            "CreateFunction",
            FunctionName="b",
            Runtime="python3.12",
            Handler="h.h",
            Role=ROLE,
            Code={"ZipFile": make_zip()},
        )
        assert (code, text) == ("CodeStorageExceededException", "Code storage limit exceeded.")

    run(tmp_path, scenario)
