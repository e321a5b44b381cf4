from __future__ import annotations

import asyncio
import json
import urllib.parse
from pathlib import Path
from typing import Any

import msgspec
import structlog.testing

from functory.core.artifacts.artifacts import Artifacts
from functory.core.artifacts.merge import merged_name
from functory.core.artifacts.package import code_sha256
from functory.core.calls import CallContext
from functory.core.functions.model import LATEST
from functory.services.lambda_ import layers_rows
from functory.services.lambda_.layers_rules import LayerRef
from functory.services.lambda_.sweep import GRACE_S, Sweeper
from tests.support.lambda_service import ACCOUNT, REGION, REQUEST_ID, House, run
from tests.support.lambda_store import make_zip

BASE = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer"
OTHER = CallContext("999999999999", REGION, REQUEST_ID, "http://localhost:4566")


def content(text: str) -> bytes:
    return make_zip({"python/shared.py": text})


def key(text: str) -> str:
    return Artifacts.key_of(content(text))


async def publish(house: House, name: str = "l", text: str = "x", **params: Any) -> str:
    answer = await house.call("PublishLayerVersion", LayerName=name, Content={"ZipFile": content(text)}, **params)
    return str(answer["LayerVersionArn"])


async def facts(house: House, name: str = "f", qualifier: str = LATEST) -> Any:
    route = await house.service.functions.resolve(ACCOUNT, REGION, name, qualifier)
    assert route is not None
    return route.primary.facts


def test_a_published_layer_version_shows_everything(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        params: dict[str, Any] = {
            "Description": "shared code",
            "CompatibleRuntimes": ["python3.12", "java21"],
            "CompatibleArchitectures": ["arm64"],
            "LicenseInfo": "MIT",
        }
        answer = await house.call("PublishLayerVersion", LayerName="l", Content={"ZipFile": content("x")}, **params)
        location = answer["Content"].pop("Location")
        assert answer == {
            "Content": {"CodeSha256": code_sha256(key("x")), "CodeSize": len(content("x"))},
            "LayerArn": f"{BASE}:l",
            "LayerVersionArn": f"{BASE}:l:1",
            "Version": 1,
            "CreatedDate": "2026-11-23T08:00:00.000+0000",
            **params,
        }
        link = urllib.parse.urlsplit(location)
        assert house.service.links.verify(link.path, link.query, house.clock.now) == key("x")
        for again in (
            await house.call("GetLayerVersion", LayerName="l", VersionNumber=1),
            await house.call("GetLayerVersion", LayerName=f"{BASE}:l", VersionNumber=1),
            await house.call("GetLayerVersionByArn", Arn=f"{BASE}:l:1"),
        ):
            assert again.pop("Content") == {**answer["Content"], "Location": location}
            assert again == {name: value for name, value in answer.items() if name != "Content"}

    run(tmp_path, scenario)


def test_what_was_never_given_is_not_shown(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await publish(house)
        assert (await house.call("ListLayerVersions", LayerName="l"))["LayerVersions"] == [
            {
                "LayerVersionArn": f"{BASE}:l:1",
                "Version": 1,
                "Description": "",
                "CreatedDate": "2026-11-23T08:00:00.000+0000",
            }
        ]

    run(tmp_path, scenario)


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        assert [await publish(house, text=text) for text in "aab"] == [f"{BASE}:l:{number}" for number in (1, 2, 3)]
        for number in (2, 3, 1):
            await house.call("DeleteLayerVersion", LayerName="l", VersionNumber=number)
        assert (await house.call("ListLayers"))["Layers"] == []
        assert await publish(house) == f"{BASE}:l:4"

    run(tmp_path, scenario)


def test_bad_content_is_refused(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        for given, expected in (
            ({"ZipFile": b"no zip"}, "Could not unzip uploaded file. Please check your file, then try to upload again."),
            ({"S3Bucket": "b", "S3Key": "k"}, "Content.S3Bucket is not supported by this version of Functory."),
        ):
            assert await house.refused("PublishLayerVersion", LayerName="l", Content=given) == (
                "InvalidParameterValueException",
                expected,
            )
        assert (await house.call("ListLayers"))["Layers"] == []

    run(tmp_path, scenario)


def test_absent_layer_versions(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        for number in (7, 2**70):
            expected = ("ResourceNotFoundException", f"Layer version {BASE}:l:{number} does not exist.")
            assert await house.refused("GetLayerVersion", LayerName="l", VersionNumber=number) == expected
            assert await house.refused("GetLayerVersionByArn", Arn=f"{BASE}:l:{number}") == expected
            assert await house.refused("GetLayerVersionPolicy", LayerName="l", VersionNumber=number) == expected
            await house.call("DeleteLayerVersion", LayerName="l", VersionNumber=number)
        too_small = ("InvalidParameterValueException", "Layer Version Cannot be less than 1")
        assert await house.refused("GetLayerVersion", LayerName="l", VersionNumber=0) == too_small
        assert await house.refused("DeleteLayerVersion", LayerName="l", VersionNumber=-1) == too_small
        assert await house.call("ListLayerVersions", LayerName="nothing") == {"LayerVersions": []}

    run(tmp_path, scenario)


def test_lists_are_filtered_and_show_the_newest_match(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await publish(house, "a", CompatibleRuntimes=["python3.12"])
        await publish(house, "a", CompatibleRuntimes=["python3.12"], CompatibleArchitectures=["x86_64"])
        await publish(house, "a", CompatibleRuntimes=["nodejs20.x"])
        await publish(house, "b")

        async def found(**filters: str) -> dict[str, int]:
            layers = (await house.call("ListLayers", **filters))["Layers"]
            assert all(entry["LayerArn"] == f"{BASE}:{entry['LayerName']}" for entry in layers)
            return {entry["LayerName"]: entry["LatestMatchingVersion"]["Version"] for entry in layers}

        async def versions(**filters: str) -> list[int]:
            answer = await house.call("ListLayerVersions", LayerName="a", **filters)
            return [entry["Version"] for entry in answer["LayerVersions"]]

        assert await found() == {"a": 3, "b": 1}
        assert await found(CompatibleRuntime="python3.12") == {"a": 2}
        assert await found(CompatibleRuntime="ruby3.4") == {}
        assert await found(CompatibleArchitecture="x86_64", CompatibleRuntime="python3.12") == {"a": 2}
        assert await found(CompatibleArchitecture="arm64") == {}
        assert await versions() == [3, 2, 1]
        assert await versions(CompatibleRuntime="python3.12") == [2, 1]
        assert await versions(CompatibleArchitecture="x86_64") == [2]

    run(tmp_path, scenario)


def test_lists_come_in_pages(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        for name in "abc":
            for _ in range(3):
                await publish(house, name)

        async def pages(operation: str, member: str, **params: Any) -> list[list[Any]]:
            found, more = [], {}
            while True:
                answer = await house.call(operation, MaxItems=2, **params, **more)
                found.append(answer[member])
                if "NextMarker" not in answer:
                    return found
                more = {"Marker": answer["NextMarker"]}

        layers = await pages("ListLayers", "Layers")
        assert [[entry["LayerName"] for entry in one] for one in layers] == [["a", "b"], ["c"]]
        versions = await pages("ListLayerVersions", "LayerVersions", LayerName="b")
        assert [[entry["Version"] for entry in one] for one in versions] == [[3, 2], [1]]

    run(tmp_path, scenario)


def test_layers_belong_to_an_account_and_region(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await publish(house)
        here = house.ctx
        for elsewhere in (OTHER, CallContext(ACCOUNT, "us-east-1", REQUEST_ID)):
            house.ctx = elsewhere
            assert (await house.call("ListLayers"))["Layers"] == []
            assert (await publish(house)).endswith(":layer:l:1")
        house.ctx = here
        assert len((await house.call("ListLayerVersions", LayerName="l"))["LayerVersions"]) == 1

    run(tmp_path, scenario)


def test_permissions_are_written_down_as_aws_does(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await publish(house)
        which = {"LayerName": "l", "VersionNumber": 1}
        give = {**which, "Action": "lambda:GetLayerVersion"}
        assert await house.refused("GetLayerVersionPolicy", **which) == (
            "ResourceNotFoundException",
            "No policy is associated with the given resource.",
        )
        first = await house.call(
            "AddLayerVersionPermission", **give, StatementId="xaccount", Principal="arn:aws:iam::999999999999:root"
        )
        statement = (
            '{"Sid":"xaccount","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},'
            f'"Action":"lambda:GetLayerVersion","Resource":"{BASE}:l:1"}}'
        )
        assert first["Statement"] == statement
        everyone = {**give, "StatementId": "all", "Principal": "*", "OrganizationId": "o-abcdefghij"}
        assert await house.refused("AddLayerVersionPermission", **everyone, RevisionId="another") == (
            "PreconditionFailedException",
            (
                "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve "
                "the latest Revision Id"
            ),
        )
        second = await house.call("AddLayerVersionPermission", **everyone, RevisionId=first["RevisionId"])
        assert json.loads(second["Statement"]) == {
            "Sid": "all",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "lambda:GetLayerVersion",
            "Resource": f"{BASE}:l:1",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}},
        }
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": [json.loads(statement)]}
        policy["Statement"].append(json.loads(second["Statement"]))  # type: ignore[attr-defined]
        assert await house.call("GetLayerVersionPolicy", **which) == {
            "Policy": json.dumps(policy, separators=(",", ":")),
            "RevisionId": second["RevisionId"],
        }
        assert await house.refused("AddLayerVersionPermission", **everyone) == (
            "ResourceConflictException",
            (
                "The statement id (all) provided already exists. Please provide a new statement id, or remove the existing "
                "statement."
            ),
        )
        stale = {"StatementId": "all", "RevisionId": first["RevisionId"]}
        assert (await house.refused("RemoveLayerVersionPermission", **which, **stale))[0] == "PreconditionFailedException"
        for sid in ("all", "xaccount"):
            await house.call("RemoveLayerVersionPermission", **which, StatementId=sid)
        assert await house.refused("RemoveLayerVersionPermission", **which, StatementId="all") == (
            "ResourceNotFoundException",
            "Statement all is not found in resource policy.",
        )
        assert (await house.refused("GetLayerVersionPolicy", **which))[0] == "ResourceNotFoundException"
        again = await house.call("AddLayerVersionPermission", **everyone)
        assert again["RevisionId"] not in (first["RevisionId"], second["RevisionId"])

    run(tmp_path, scenario)


def test_permissions_that_cannot_be_are_refused(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await publish(house)
        give = {"LayerName": "l", "VersionNumber": 1, "StatementId": "s", "Principal": "999999999999"}
        code, text = await house.refused("AddLayerVersionPermission", **give, Action="lambda:GetFunction")
        assert code == "ValidationException"
        assert text.startswith("1 validation error detected: Value 'lambda:GetFunction' at 'action'")
        give["Action"] = "lambda:GetLayerVersion"
        assert (await house.refused("AddLayerVersionPermission", **give, OrganizationId="o-abcdefghij"))[0] == (
            "InvalidParameterValueException"
        )
        assert (await house.refused("AddLayerVersionPermission", **{**give, "VersionNumber": 2}))[0] == (
            "ResourceNotFoundException"
        )
        for number in range(73):
            await house.call("AddLayerVersionPermission", **{**give, "StatementId": f"{'s' * 97}-{number:02}"})
        assert await house.refused("AddLayerVersionPermission", **{**give, "StatementId": "t" * 100}) == (
            "PolicyLengthExceededException",
            "The final policy size (20699) is bigger than the limit (20480).",
        )

    run(tmp_path, scenario)


def test_another_account_needs_a_permission(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        arn = await publish(house)
        give = {"LayerName": "l", "VersionNumber": 1, "Action": "lambda:GetLayerVersion"}
        owner = house.ctx
        denied = (
            "AccessDeniedException",
            (
                "User: arn:aws:iam::999999999999:root is not authorized to perform: lambda:GetLayerVersion on resource: "
                f"{arn} because no resource-based policy allows the lambda:GetLayerVersion action"
            ),
        )
        function = {
            "FunctionName": "f",
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Role": "r",
            "Code": {"ZipFile": make_zip()},
            "Layers": [arn],
        }

        async def statement(sid: str, principal: str, **more: str) -> None:
            house.ctx = owner
            await house.call("AddLayerVersionPermission", **give, StatementId=sid, Principal=principal, **more)
            house.ctx = OTHER

        house.ctx = OTHER
        assert await house.refused("GetLayerVersionByArn", Arn=arn) == denied
        assert await house.refused("CreateFunction", **function) == denied
        assert (await house.refused("GetLayerVersionByArn", Arn=arn[:-1] + "2"))[0] == "AccessDeniedException"
        await statement("nobody", "111111111111")
        await statement("organization", "*", OrganizationId="o-abcdefghij")
        assert await house.refused("GetLayerVersionByArn", Arn=arn) == denied
        await statement("them", "999999999999")
        assert (await house.call("GetLayerVersionByArn", Arn=arn))["Version"] == 1
        assert (await house.call("GetLayerVersion", LayerName=f"{BASE}:l", VersionNumber=1))["Version"] == 1
        for operation in ("DeleteLayerVersion", "GetLayerVersionPolicy"):
            params = {"LayerName": f"{BASE}:l", "VersionNumber": 1}
            assert (await house.refused(operation, **params))[0] == "AccessDeniedException"
        await house.created(Layers=[arn])
        house.ctx = owner
        await house.call("RemoveLayerVersionPermission", LayerName="l", VersionNumber=1, StatementId="them")
        house.ctx = OTHER
        assert (await house.call("GetFunction", FunctionName="f"))["Configuration"]["Layers"][0]["Arn"] == arn

    run(tmp_path, scenario)


def test_a_function_shows_and_gets_its_layers_in_order(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        arns = [await publish(house, name, name) for name in ("b", "a")]
        shown = [{"Arn": arn, "CodeSize": len(content(name))} for arn, name in zip(arns, ("b", "a"), strict=True)]
        assert (await house.create(Layers=arns))["Layers"] == shown
        assert (await house.settle())["Layers"] == shown
        assert (await house.call("ListFunctions"))["Functions"][0]["Layers"] == shown
        first = await facts(house)
        assert first.layer_keys == (key("b"), key("a"))
        folder = tmp_path / merged_name(first.layer_keys)
        assert (folder / "python/shared.py").read_text() == "a"

        answer = await house.call("UpdateFunctionConfiguration", FunctionName="f", Layers=arns[::-1])
        assert answer["Layers"] == shown[::-1]
        await house.settle()
        second = await facts(house)
        assert second.layer_keys == (key("a"), key("b"))
        assert second.epoch != first.epoch
        await house.retired(second)

        assert (await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9))["Layers"] == shown[::-1]
        await house.settle()
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Layers=[])
        assert "Layers" not in await house.settle()
        assert (await facts(house)).layer_keys == ()

    run(tmp_path, scenario)


def test_layers_a_function_cannot_have(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        arn = await publish(house)
        await house.created()
        for layers, text in (
            ([f"{BASE}:l:2"], f"Layer version {BASE}:l:2 does not exist."),
            ([arn] * 6, "Cannot reference more than 5 layers."),
        ):
            assert await house.refused("UpdateFunctionConfiguration", FunctionName="f", Layers=layers) == (
                "InvalidParameterValueException",
                text,
            )
        assert "Layers" not in await house.settle()

    run(tmp_path, scenario)


def test_layers_and_code_may_only_be_so_large_together(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        arn = await publish(house)

        def grow(conn: Any) -> None:
            record = layers_rows.get_layer_version(conn, LayerRef(ACCOUNT, REGION, "l"), 1)
            assert record is not None
            layers_rows.put_layer_version(conn, msgspec.structs.replace(record, unzipped_bytes=262_144_000 - 100))

        await house.store.write(grow)
        small, large = make_zip({"x": "1" * 100}), make_zip({"x": "1" * 101})
        await house.created(Layers=[arn], Code={"ZipFile": small})
        expected = (
            "InvalidParameterValueException",
            (
                "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is "
                "262144001 bytes."
            ),
        )
        for extra in ({}, {"DryRun": True}):
            assert await house.refused("UpdateFunctionCode", FunctionName="f", ZipFile=large, **extra) == expected
        await house.created("g", Code={"ZipFile": large})
        assert await house.refused("UpdateFunctionConfiguration", FunctionName="g", Layers=[arn]) == expected

    run(tmp_path, scenario)


def test_versions_keep_their_layers_and_a_change_of_layers_publishes_another(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        old, new = await publish(house, text="old"), await publish(house, text="new")
        await house.created(Layers=[old], Publish=True)
        await house.settle("f", "1")
        assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "1"
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Layers=[new])
        await house.settle()
        published = await house.call("PublishVersion", FunctionName="f")
        assert (published["Version"], published["Layers"][0]["Arn"]) == ("2", new)
        kept = await house.settle("f", "1")
        assert kept["Layers"][0]["Arn"] == old
        assert (await facts(house, qualifier="1")).layer_keys == (key("old"),)

    run(tmp_path, scenario)


def test_storage_counts_layers(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Code={"ZipFile": make_zip({"x": "1" * 10})})
        await publish(house, text="1" * 100)
        await publish(house, text="1" * 100)
        usage = {"TotalCodeSize": 210, "FunctionCount": 1}
        assert (await house.call("GetAccountSettings"))["AccountUsage"] == usage

    run(tmp_path, scenario)


def test_a_deleted_layer_version_stays_with_those_who_use_it_until_nobody_does(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def swept(later_s: float) -> None:
        house.clock.now += later_s
        async with Artifacts(house.blobs, house.folder) as artifacts:
            sweeper = Sweeper(store=house.store, artifacts=artifacts, snapshots=house.snapshots, clock=house.clock)
            await sweeper.run()
            house.clock.now += GRACE_S + 1
            await sweeper.run()

    def folders() -> set[str]:
        return {path.name for path in tmp_path.iterdir()}

    async def scenario() -> None:
        keys = [key("a"), key("b")]
        async with house.running():
            arns = [await publish(house, name, name) for name in "ab"]
            await house.created(Layers=arns)
            for name in "ab":
                await house.call("DeleteLayerVersion", LayerName=name, VersionNumber=1)
            assert await house.refused("CreateFunction", **await _like(house, arns)) == (
                "InvalidParameterValueException",
                f"Layer version {arns[0]} does not exist.",
            )
        await swept(GRACE_S + 1)
        assert {*keys, merged_name(keys)} <= folders()
        async with house.running():
            await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=4)
            shown = await house.settle()
            assert [layer["Arn"] for layer in shown["Layers"]] == arns
            await house.call("PublishVersion", FunctionName="f")
            await house.settle("f", "1")
            await house.call("UpdateFunctionConfiguration", FunctionName="f", Layers=[])
            await house.settle()
        await swept(GRACE_S + 1)
        assert {*keys, merged_name(keys)} <= folders()
        async with house.running():
            await house.call("DeleteFunction", FunctionName="f", Qualifier="1")
        await swept(0)
        assert folders() == {Artifacts.key_of(make_zip())}
        assert set(house.blobs.content) == folders()
        await house.store.close()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    events = sorted(entry["event"] for entry in logs)
    assert events == ["merged_layers_collected", "package_collected", "package_collected"]


async def _like(house: House, arns: list[str]) -> dict[str, Any]:
    return {
        "FunctionName": "g",
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": "r",
        "Code": {"ZipFile": make_zip()},
        "Layers": arns,
    }


def test_layers_are_merged_again_by_the_next_node_when_the_folder_is_gone(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running(jobs=False):
            arns = [await publish(house, name, name) for name in "ab"]
            await house.create(Layers=arns)
        async with house.running():
            assert (await house.settle())["State"] == "Active"
        assert (tmp_path / merged_name([key("a"), key("b")]) / "python/shared.py").read_text() == "b"
        await house.store.close()

    asyncio.run(scenario())
