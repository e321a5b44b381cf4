from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from functory.aws.errors import AwsError
from tests.support.lambda_service import ROLE, House, arn, run


async def with_versions(house: House, count: int) -> None:
    await house.created(Publish=True)
    for number in range(2, count + 1):
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=number)
        await house.settle()
        await house.call("PublishVersion", FunctionName="f")
        await house.settle("f", str(number))


def test_an_alias_leads_to_a_version_and_can_be_moved(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 2)
        made = await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", Description="d")
        revision = made.pop("RevisionId")
        assert made == {"AliasArn": arn("f", "live"), "Name": "live", "FunctionVersion": "1", "Description": "d"}
        assert (await house.call("Invoke", FunctionName="f", Qualifier="live"))["ExecutedVersion"] == "1"
        moved = await house.call("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2", RevisionId=revision)
        assert moved["RevisionId"] != revision
        assert (moved["FunctionVersion"], moved["Description"]) == ("2", "d")
        assert (await house.call("Invoke", FunctionName="f", Qualifier="live"))["ExecutedVersion"] == "2"
        assert house.invoker.calls[-1][1].invoked_arn == arn("f", "live")
        assert await house.call("GetAlias", FunctionName="f", Name="live") == moved

    run(tmp_path, scenario)


def test_a_weighted_alias_divides_invocations(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 2)
        made = await house.call(
            "CreateAlias",
            FunctionName="f",
            Name="live",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {"2": 0.3}},
        )
        assert made["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.3}}
        ran = Counter(
            [(await house.call("Invoke", FunctionName="f:live"))["ExecutedVersion"] for _ in range(1000)],
        )
        assert 250 < ran["2"] < 350
        assert ran["1"] + ran["2"] == 1000
        assert Counter(version.version for version, _ in house.invoker.calls) == ran
        cleared = await house.call("UpdateAlias", FunctionName="f", Name="live", RoutingConfig={})
        assert "RoutingConfig" not in cleared

    run(tmp_path, scenario)


def test_a_routing_configuration_stays_when_only_the_version_moves(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 3)
        weights = {"AdditionalVersionWeights": {"2": 0.5}}
        await house.call("CreateAlias", FunctionName="f", Name="a", FunctionVersion="1", RoutingConfig=weights)
        moved = await house.call("UpdateAlias", FunctionName="f", Name="a", FunctionVersion="3")
        assert (moved["FunctionVersion"], moved["RoutingConfig"]) == ("3", weights)
        assert await house.refused("UpdateAlias", FunctionName="f", Name="a", FunctionVersion="2") == (
            "InvalidParameterValueException",
            "Invalid function version 2. Function version 2 is already included in routing configuration.",
        )

    run(tmp_path, scenario)


def test_versions_of_a_weighted_alias_have_the_same_role(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Role=ROLE + "2")
        await house.settle()
        await house.call("PublishVersion", FunctionName="f")
        code, _ = await house.refused(
            "CreateAlias",
            FunctionName="f",
            Name="a",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
        )
        assert code == "InvalidParameterValueException"

    run(tmp_path, scenario)


def test_errors_have_awss_texts(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        new = {"FunctionName": "f", "Name": "live", "FunctionVersion": "1"}
        await house.call("CreateAlias", **new)
        expected = {
            ("CreateAlias", "live"): ("ResourceConflictException", f"Alias already exists: {arn('f', 'live')}"),
            ("GetAlias", "none"): ("ResourceNotFoundException", f"Cannot find alias arn: {arn('f', 'none')}"),
            ("UpdateAlias", "none"): ("ResourceNotFoundException", f"Alias not found: {arn('f', 'none')}"),
        }
        for (operation, name), error in expected.items():
            assert await house.refused(operation, **{**new, "Name": name}) == error
        absent = await house.refused("CreateAlias", **{**new, "Name": "b", "FunctionVersion": "9"})
        assert absent == ("ResourceNotFoundException", f"Function not found: {arn('f', '9')}")
        with pytest.raises(AwsError, match="PreconditionFailedException"):
            await house.call("UpdateAlias", FunctionName="f", Name="live", RevisionId="0")

    run(tmp_path, scenario)


def test_deleting_an_absent_alias_is_no_error(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="$LATEST")
        for _ in range(2):
            assert await house.call("DeleteAlias", FunctionName="f", Name="live") == {}
        assert (await house.refused("Invoke", FunctionName="f:live"))[0] == "ResourceNotFoundException"
        assert (await house.refused("DeleteAlias", FunctionName="g", Name="live"))[0] == "ResourceNotFoundException"

    run(tmp_path, scenario)


def test_aliases_are_listed_by_name_and_by_version(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 2)
        for name, version in (("c", "1"), ("a", "1"), ("b", "2")):
            await house.call("CreateAlias", FunctionName="f", Name=name, FunctionVersion=version)
        first = await house.call("ListAliases", FunctionName="f", MaxItems=2)
        rest = await house.call("ListAliases", FunctionName="f", Marker=first["NextMarker"])
        assert [entry["Name"] for entry in first["Aliases"] + rest["Aliases"]] == ["a", "b", "c"]
        ones = await house.call("ListAliases", FunctionName="f", FunctionVersion="1")
        assert [entry["Name"] for entry in ones["Aliases"]] == ["a", "c"]

    run(tmp_path, scenario)
