from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.lambda_service import House, arn, run

SETTINGS: dict[str, Any] = {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60}
NONE: dict[str, Any] = {"OnSuccess": {}, "OnFailure": {}}
INVALID = "InvalidParameterValueException"


def to(destination: str, side: str = "OnFailure") -> dict[str, Any]:
    return {"DestinationConfig": {side: {"Destination": destination}}}


def absent(qualifier: str = "$LATEST") -> tuple[str, str]:
    return "ResourceNotFoundException", f"The function {arn('f', qualifier)} doesn't have an EventInvokeConfig"


def test_put_replaces_and_update_merges(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        assert await house.refused("GetFunctionEventInvokeConfig", FunctionName="f") == absent()
        assert await house.refused("UpdateFunctionEventInvokeConfig", FunctionName="f", **SETTINGS) == absent()
        put = await house.call("PutFunctionEventInvokeConfig", FunctionName="f", **SETTINGS)
        assert put == {
            "LastModified": house.clock.now,
            "FunctionArn": arn("f", "$LATEST"),
            "DestinationConfig": NONE,
            **SETTINGS,
        }
        assert await house.call("GetFunctionEventInvokeConfig", FunctionName="f:$LATEST") == put
        house.clock.now += 1
        updated = await house.call("UpdateFunctionEventInvokeConfig", FunctionName="f", **to(arn("g"), "OnSuccess"))
        wanted = {"OnSuccess": {"Destination": arn("g")}, "OnFailure": {}}
        assert updated == {**put, "LastModified": house.clock.now, "DestinationConfig": wanted}
        await house.call("UpdateFunctionEventInvokeConfig", FunctionName="f", **to("", "OnSuccess"))
        again = await house.call("PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=0)
        assert again["MaximumRetryAttempts"] == 0
        assert "MaximumEventAgeInSeconds" not in again
        await house.call("DeleteFunctionEventInvokeConfig", FunctionName="f")
        assert await house.refused("DeleteFunctionEventInvokeConfig", FunctionName="f") == absent()

    run(tmp_path, scenario)


def test_versions_and_aliases_have_their_own_and_lists_show_them(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        for qualifier in ("$LATEST", "1", "live"):
            await house.call("PutFunctionEventInvokeConfig", FunctionName="f", Qualifier=qualifier, **SETTINGS)
        first = await house.call("ListFunctionEventInvokeConfigs", FunctionName="f", MaxItems=2)
        assert [each["FunctionArn"] for each in first["FunctionEventInvokeConfigs"]] == [arn("f", "$LATEST"), arn("f", "1")]
        rest = await house.call("ListFunctionEventInvokeConfigs", FunctionName="f", Marker=first["NextMarker"])
        assert [each["FunctionArn"] for each in rest["FunctionEventInvokeConfigs"]] == [arn("f", "live")]
        assert set(rest) == {"FunctionEventInvokeConfigs"}
        await house.call("DeleteAlias", FunctionName="f", Name="live")
        assert await house.refused("GetFunctionEventInvokeConfig", FunctionName="f:live") == absent("live")
        await house.call("DeleteFunction", FunctionName="f")
        await house.created()
        assert await house.call("ListFunctionEventInvokeConfigs", FunctionName="f") == {"FunctionEventInvokeConfigs": []}

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("members", "code", "says"),
    [
        ({}, INVALID, "You must specify at least one of error handling or destination setting."),
        (to(arn("f")), INVALID, "You can't specify the function as a destination for itself."),
        (to(arn("f", "live")), INVALID, "You can't specify the function as a destination for itself."),
        (
            to("arn:aws:iam::123456789012:role/r"),
            INVALID,
            "The destination ARN arn:aws:iam::123456789012:role/r is invalid.",
        ),
        (
            to("arn:aws:lambda:us-east-1:123456789012:function:g"),
            INVALID,
            "The destination ARN arn:aws:lambda:us-east-1:123456789012:function:g is invalid.",
        ),
        (
            to("arn:aws:s3:::b", "OnSuccess"),
            INVALID,
            "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:s3:::b)) is invalid.",
        ),
        (
            to("arn:aws:sns:eu-central-1:123456789012:t"),
            INVALID,
            (
                "The destination arn:aws:sns:eu-central-1:123456789012:t: a service that this node does not have (sns) is "
                "not supported by this version of Functory."
            ),
        ),
    ],
)
def test_what_cannot_be_configured(members: dict[str, Any], code: str, says: str, tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        assert await house.refused("PutFunctionEventInvokeConfig", FunctionName="f", **members) == (code, says)

    run(tmp_path, scenario)


def test_absent_functions_versions_and_aliases(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        gone = ("ResourceNotFoundException", "The function doesn't exist.")
        assert await house.refused("PutFunctionEventInvokeConfig", FunctionName="f", **SETTINGS) == gone
        assert await house.refused("ListFunctionEventInvokeConfigs", FunctionName="f") == gone
        await house.created()
        version = ("ResourceNotFoundException", f"Function not found: {arn('f', '7')}")
        assert await house.refused("PutFunctionEventInvokeConfig", FunctionName="f:7", **SETTINGS) == version
        alias = ("ResourceNotFoundException", f"Cannot find alias arn: {arn('f', 'a')}")
        assert await house.refused("PutFunctionEventInvokeConfig", FunctionName="f:a", **SETTINGS) == alias

    run(tmp_path, scenario)
