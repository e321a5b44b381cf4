"""Function URLs: their configuration, and what an id leads to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from functory.aws import model
from functory.aws.errors import AwsError
from functory.aws.validation import validate
from functory.core.functions.urls import Cors, FunctionUrl
from functory.kernel.ids import SeededIds
from functory.services.lambda_.urls import address, new_url_id
from tests.support.lambda_service import House, arn, run

CREATE, GET, UPDATE = "CreateFunctionUrlConfig", "GetFunctionUrlConfig", "UpdateFunctionUrlConfig"
DELETE, LIST = "DeleteFunctionUrlConfig", "ListFunctionUrlConfigs"
CORS = {
    "AllowCredentials": True,
    "AllowHeaders": ["x-a"],
    "AllowMethods": ["GET", "*"],
    "AllowOrigins": ["https://a.example", "*"],
    "ExposeHeaders": ["x-b"],
    "MaxAge": 60,
}


async def with_alias(house: House) -> None:
    await house.created(Publish=True)
    await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")


def id_of(shown: dict[str, Any]) -> str:
    found = re.fullmatch(r"http://([a-z2-7]{32})\.lambda-url\.eu-central-1\.localhost:4566/", shown["FunctionUrl"])
    assert found is not None, shown
    return found[1]


def test_a_url_is_made_shown_changed_and_deleted(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        made = await house.call(CREATE, FunctionName="f", AuthType="NONE")
        url_id = id_of(made)
        assert made == {
            "FunctionUrl": made["FunctionUrl"],
            "FunctionArn": arn("f"),
            "AuthType": "NONE",
            "CreationTime": made["CreationTime"],
            "InvokeMode": "BUFFERED",
        }
        shown = await house.call(GET, FunctionName="f")
        assert shown == {**made, "LastModifiedTime": made["CreationTime"]}
        house.clock.now += 5
        changed = await house.call(UPDATE, FunctionName="f", AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM", Cors=CORS)
        assert changed["LastModifiedTime"] > changed["CreationTime"] == made["CreationTime"]
        assert (changed["AuthType"], changed["InvokeMode"], changed["Cors"]) == ("AWS_IAM", "RESPONSE_STREAM", CORS)
        assert id_of(changed) == url_id
        kept = await house.call(UPDATE, FunctionName="f", AuthType="NONE")
        assert (kept["InvokeMode"], kept["Cors"]) == ("RESPONSE_STREAM", CORS)
        assert "Cors" not in await house.call(UPDATE, FunctionName="f", Cors={})
        assert await house.call(DELETE, FunctionName="f") == {}
        assert await house.refused(GET, FunctionName="f") == (
            "ResourceNotFoundException",
            "The resource you requested does not exist.",
        )

    run(tmp_path, scenario)


def test_an_alias_has_a_url_of_its_own(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_alias(house)
        own = await house.call(CREATE, FunctionName="f", AuthType="NONE")
        of_alias = await house.call(CREATE, FunctionName="f:live", AuthType="NONE", Cors={"MaxAge": 0})
        assert of_alias["FunctionArn"] == arn("f", "live")
        assert of_alias["Cors"] == {"MaxAge": 0}
        assert id_of(own) != id_of(of_alias)
        listed = (await house.call(LIST, FunctionName="f"))["FunctionUrlConfigs"]
        assert [each["FunctionArn"] for each in listed] == [arn("f"), arn("f", "live")]
        first = await house.call(LIST, FunctionName="f", MaxItems=1)
        assert [each["FunctionArn"] for each in first["FunctionUrlConfigs"]] == [arn("f")]
        second = await house.call(LIST, FunctionName="f", MaxItems=1, Marker=first["NextMarker"])
        assert [each["FunctionArn"] for each in second["FunctionUrlConfigs"]] == [arn("f", "live")]
        assert "NextMarker" not in second

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("operation", "params", "code", "text"),
    [
        (CREATE, {"FunctionName": "nobody", "AuthType": "NONE"}, "ResourceNotFoundException", "Function does not exist"),
        (CREATE, {"Qualifier": "none", "AuthType": "NONE"}, "ResourceNotFoundException", "Function does not exist"),
        (
            CREATE,
            {"AuthType": "NONE"},
            "ResourceConflictException",
            f"Failed to create function url config for [functionArn = {arn('f')}]. Error message:  FunctionUrlConfig exists",
        ),
        (GET, {"Qualifier": "live"}, "ResourceNotFoundException", "The resource you requested does not exist."),
        (UPDATE, {"Qualifier": "live"}, "ResourceNotFoundException", "The resource you requested does not exist."),
        (DELETE, {"Qualifier": "live"}, "ResourceNotFoundException", "The resource you requested does not exist."),
        (LIST, {"FunctionName": "nobody"}, "ResourceNotFoundException", "Function does not exist"),
        (
            UPDATE,
            {"Cors": {"AllowMethods": ["TRACE"]}},
            "InvalidParameterValueException",
            "The CORS method 'TRACE' is invalid.",
        ),
        (UPDATE, {"Cors": {"AllowOrigins": ["a b"]}}, "InvalidParameterValueException", "The CORS origin 'a b' is invalid."),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(
    tmp_path: Path, operation: str, params: dict[str, Any], code: str, text: str
) -> None:
    async def scenario(house: House) -> None:
        await with_alias(house)
        await house.call(CREATE, FunctionName="f", AuthType="NONE")
        before = await house.call(LIST, FunctionName="f")
        found, message = await house.refused(operation, **{"FunctionName": "f", **params})
        assert found == code
        assert message.startswith(text)
        assert await house.call(LIST, FunctionName="f") == before

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    "params",
    [
        {"Qualifier": "$LATEST"},
        {"Qualifier": "1"},
        {"FunctionName": "f:1"},
        {"AuthType": "SOME"},
        {"Cors": {"AllowMethods": ["OPTIONS"]}},
        {"Cors": {"MaxAge": 86401}},
        {"Cors": {"AllowOrigins": ["x"] * 101}},
        {"InvokeMode": "STREAM"},
    ],
)
def test_the_model_refuses_the_rest(params: dict[str, Any]) -> None:
    assert model.operation("lambda", CREATE) is not None
    with pytest.raises(AwsError, match="ValidationException"):
        validate("lambda", CREATE, {"FunctionName": "f", "AuthType": "NONE", **params})


def test_a_function_with_tenants_has_no_url(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
        code, text = await house.refused(CREATE, FunctionName="f", AuthType="NONE")
        assert (code, "tenant isolation" in text) == ("InvalidParameterValueException", True)
        assert (await house.call(LIST, FunctionName="f"))["FunctionUrlConfigs"] == []

    run(tmp_path, scenario)


def test_a_url_goes_with_its_function_or_alias(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_alias(house)
        own = id_of(await house.call(CREATE, FunctionName="f", AuthType="NONE"))
        alias = id_of(await house.call(CREATE, FunctionName="f", Qualifier="live", AuthType="NONE"))
        urls = house.service.url_invocations
        assert await urls.find(own) is not None
        assert await urls.find(alias) is not None
        await house.call("DeleteAlias", FunctionName="f", Name="live")
        assert await urls.find(alias) is None
        assert await urls.find(own) is not None
        await house.call("DeleteFunction", FunctionName="f")
        assert await urls.find(own) is None
        await house.created()
        assert await house.refused(GET, FunctionName="f") == (
            "ResourceNotFoundException",
            "The resource you requested does not exist.",
        )

    run(tmp_path, scenario)


def test_a_change_is_seen_at_once_and_nothing_is_read_twice(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        url_id = id_of(await house.call(CREATE, FunctionName="f", AuthType="NONE"))
        urls = house.service.url_invocations
        first = await urls.find(url_id)
        assert first == FunctionUrl(url_id, "123456789012", "eu-central-1", "f")
        assert await urls.find(url_id) is first, "from memory"
        await house.call(UPDATE, FunctionName="f", AuthType="AWS_IAM", Cors={"AllowOrigins": ["*"]})
        second = await urls.find(url_id)
        assert second is not None
        assert (second.auth_type, second.cors) == ("AWS_IAM", Cors(allow_origins=("*",)))
        assert await urls.find("a" * 32) is None

    run(tmp_path, scenario)


def test_a_url_survives_its_node(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        url_id = id_of(await house.call(CREATE, FunctionName="f", AuthType="NONE", Cors=CORS))
        async with house.running() as again:
            found = await again.url_invocations.find(url_id)
            assert found is not None
            assert found.cors is not None
            assert found.cors.max_age_s == 60

    run(tmp_path, scenario)


def test_an_alias_runs_its_version_and_is_named_in_the_arn(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_alias(house)
        url_id = id_of(await house.call(CREATE, FunctionName="f", Qualifier="live", AuthType="NONE"))
        urls = house.service.url_invocations
        url = await urls.find(url_id)
        assert url is not None
        outcome = await urls.invoke(url, "id-1", b'{"a":1}', "Root=1-00000000-000000000000000000000000")
        assert outcome.payload == b'{"a":1}'
        stream = await urls.stream(url, "id-2", b"{}", "")
        assert await stream.next_piece() == b"{}"
        for version, invocation in house.invoker.calls:
            assert version.version == "1"
            assert invocation.invoked_arn == arn("f", "live")
        with pytest.raises(AwsError, match="6291456 bytes for the InvokeFunction operation"):
            await urls.invoke(url, "id-3", b'"' + b"x" * 6_291_456 + b'"', "")

    run(tmp_path, scenario)


def test_ids_are_as_long_as_awss_and_never_the_same() -> None:
    ids = SeededIds(3)
    made = {new_url_id(ids) for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch("[a-z2-7]{32}", each) for each in made)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://127.0.0.1:4566", "http://x.lambda-url.r.localhost:4566/"),
        ("https://lambda.example", "https://x.lambda-url.r.localhost/"),
        ("http://[::1]:99", "http://x.lambda-url.r.localhost:99/"),
    ],
)
def test_the_address_keeps_scheme_and_port_of_the_endpoint(endpoint: str, expected: str) -> None:
    assert address(FunctionUrl("x", "1", "r", "f"), endpoint, "localhost") == expected
