from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from functory.core.calls import CallContext
from functory.kernel.settings import LambdaSettings
from functory.services.lambda_ import policy_document
from functory.services.lambda_.policies import PoliciesApi
from tests.support.lambda_service import ACCOUNT, REGION, REQUEST_ID, House, arn, run
from tests.support.lambda_store import make_zip

S3 = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"
NO_POLICY = ("ResourceNotFoundException", "No policy is associated with the given resource.")
BAD_PRINCIPAL = (
    "InvalidParameterValueException",
    "The provided principal was invalid. Please check the principal and try again.",
)


async def policy(house: House, qualifier: str = "") -> dict[str, Any]:
    extra = {"Qualifier": qualifier} if qualifier else {}
    shown: dict[str, Any] = json.loads((await house.call("GetPolicy", FunctionName="f", **extra))["Policy"])
    return shown


def document(resource: str = arn(), **members: Any) -> str:
    statement = {"Sid": "a", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "lambda:*", "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": {**statement, **members}})


def test_a_permission_is_a_statement_of_the_policy(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        assert await house.refused("GetPolicy", FunctionName="f") == NO_POLICY
        given = {**S3, "SourceArn": "arn:aws:s3:::b", "SourceAccount": ACCOUNT}
        added = json.loads((await house.call("AddPermission", FunctionName="f", **given))["Statement"])
        assert added == {
            "Sid": "s",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": arn(),
            "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}},
        }
        assert await policy(house) == {"Version": "2012-10-17", "Id": "default", "Statement": [added]}
        await house.call("AddPermission", FunctionName="f", **{**S3, "StatementId": "t", "Principal": ACCOUNT})
        assert [each["Sid"] for each in (await policy(house))["Statement"]] == ["s", "t"]
        await house.call("RemovePermission", FunctionName="f", StatementId="s")
        assert (await policy(house))["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        await house.call("RemovePermission", FunctionName="f", StatementId="t")
        assert await house.refused("GetPolicy", FunctionName="f") == NO_POLICY

    run(tmp_path, scenario)


CONDITIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"PrincipalOrgID": "o-abcdefghij", "Principal": "*"}, {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}),
    ({"EventSourceToken": "tok"}, {"StringEquals": {"lambda:EventSourceToken": "tok"}}),
    (
        {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE", "Principal": "*"},
        {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
    ),
    ({"InvokedViaFunctionUrl": True, "Principal": "*"}, {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}),
]


@pytest.mark.parametrize(("given", "condition"), CONDITIONS)
def test_conditions(given: dict[str, Any], condition: dict[str, Any]) -> None:
    assert policy_document.statement({**S3, **given}, arn())["Condition"] == condition


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("*", "*"),
        (ACCOUNT, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        (f"arn:aws:iam::{ACCOUNT}:role/p/r", {"AWS": f"arn:aws:iam::{ACCOUNT}:role/p/r"}),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s", {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"}),
        ("alexa-appkit.amazon.com", {"Service": "alexa-appkit.amazon.com"}),
        ("logs.eu-central-1.amazonaws.com", {"Service": "logs.eu-central-1.amazonaws.com"}),
    ],
)
def test_principals(given: str, shown: Any) -> None:
    assert policy_document.statement({**S3, "Principal": given}, arn())["Principal"] == shown


def test_what_cannot_be_permitted(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        latest = ("InvalidParameterValueException", "We currently do not support adding policies for $LATEST.")
        assert await house.refused("AddPermission", FunctionName="f", Qualifier="$LATEST", **S3) == latest
        for principal in ("somebody", "12345", "arn:aws:s3:::b", "amazonaws.com"):
            assert await house.refused("AddPermission", FunctionName="f", **{**S3, "Principal": principal}) == BAD_PRINCIPAL
        code, text = await house.refused("AddPermission", FunctionName="f", **S3, FunctionUrlAuthType="NONE")
        assert "only supported for lambda:InvokeFunctionUrl" in text
        given = {**S3, "Action": "lambda:GetFunction", "InvokedViaFunctionUrl": True}
        code, text = await house.refused("AddPermission", FunctionName="f", **given)
        assert (code, "InvokedViaFunctionUrl is only" in text) == ("InvalidParameterValueException", True)
        missing = ("ResourceNotFoundException", f"Function not found: {arn('g')}")
        assert await house.refused("AddPermission", FunctionName="g", **S3) == missing
        assert await house.refused("GetPolicy", FunctionName="g") == missing
        none = ("ResourceNotFoundException", f"No policy found for: {arn('g')}")
        assert await house.refused("RemovePermission", FunctionName="g", StatementId="s") == none
        alias = ("ResourceNotFoundException", f"Cannot find alias arn: {arn('f', 'a')}")
        assert await house.refused("AddPermission", FunctionName="f:a", **S3) == alias
        await house.call("AddPermission", FunctionName="f", **S3)
        assert (await house.refused("AddPermission", FunctionName="f", **S3))[0] == "ResourceConflictException"
        absent = ("ResourceNotFoundException", "Statement x is not found in resource policy.")
        assert await house.refused("RemovePermission", FunctionName="f", StatementId="x") == absent

    run(tmp_path, scenario)


def test_a_revision_guards_a_policy(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        stale = await house.refused("AddPermission", FunctionName="f", RevisionId=UNKNOWN, **S3)
        assert (stale[0], "Call the GetPolicy API" in stale[1]) == ("PreconditionFailedException", True)
        await house.call("AddPermission", FunctionName="f", **S3)
        revision = (await house.call("GetPolicy", FunctionName="f"))["RevisionId"]
        await house.call("AddPermission", FunctionName="f", RevisionId=revision, **{**S3, "StatementId": "t"})
        for operation, members in (
            ("RemovePermission", {"FunctionName": "f", "StatementId": "s"}),
            ("PutResourcePolicy", {"ResourceArn": arn(), "Policy": document()}),
            ("DeleteResourcePolicy", {"ResourceArn": arn()}),
        ):
            assert (await house.refused(operation, RevisionId=revision, **members))[0] == "PreconditionFailedException"
        revision = (await house.call("GetResourcePolicy", ResourceArn=arn()))["RevisionId"]
        await house.call("DeleteResourcePolicy", ResourceArn=arn(), RevisionId=revision)
        assert await house.refused("DeleteResourcePolicy", ResourceArn=arn()) == NO_POLICY

    run(tmp_path, scenario)


def test_a_policy_has_at_most_20_kilobytes(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        for number in range(9):
            given = {**S3, "StatementId": f"s{number}", "SourceArn": f"arn:aws:s3:::{'b' * 2000}"}
            await house.call("AddPermission", FunctionName="f", **given)
        given = {**S3, "SourceArn": f"arn:aws:s3:::{'b' * 2000}"}
        code, text = await house.refused("AddPermission", FunctionName="f", **given)
        assert (code, "bigger than the limit (20480)" in text) == ("PolicyLengthExceededException", True)

    run(tmp_path, scenario)


def test_versions_and_aliases_have_policies_of_their_own_that_go_with_them(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        for qualifier in ("1", "live"):
            if qualifier == "live":
                await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
            added = await house.call("AddPermission", FunctionName="f", Qualifier=qualifier, **S3)
            assert json.loads(added["Statement"])["Resource"] == arn("f", qualifier)
        assert await house.refused("GetPolicy", FunctionName="f") == NO_POLICY
        policies = house.service.policies
        assert await policies.policy_of(arn("f", "live")) is not None
        await house.call("DeleteAlias", FunctionName="f", Name="live")
        assert await policies.policy_of(arn("f", "live")) is None
        await house.call("DeleteFunction", FunctionName="f", Qualifier="1")
        await house.call("AddPermission", FunctionName="f", **S3)
        await house.call("DeleteFunction", FunctionName="f")
        assert await policies.policy_of(arn("f", "1")) is None
        await house.created(Publish=True)
        assert await house.refused("GetPolicy", FunctionName="f") == NO_POLICY

    run(tmp_path, scenario)


def test_a_whole_document_replaces_statements(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        await house.call("AddPermission", FunctionName="f", **S3)
        given = document(Condition={"Bool": {"aws:SecureTransport": "true"}})
        put = await house.call("PutResourcePolicy", ResourceArn=arn(), Policy=given)
        assert put == await house.call("GetResourcePolicy", ResourceArn=arn())
        assert put == await house.call("GetPolicy", FunctionName="f")
        assert put["Policy"] == given
        await house.call("AddPermission", FunctionName="f", **S3)
        assert [each["Sid"] for each in (await policy(house))["Statement"]] == ["a", "s"]

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object"),
        ('{"Version":"2013-01-01","Statement":[]}', "Version must be"),
        ('{"Version":"2012-10-17","Statement":[]}', "no Statement"),
        (document(Effect="Maybe"), "Effect"),
        (document(Action="s3:GetObject"), "actions of lambda"),
        (document(Resource=arn("g")), "Resource must be"),
        (document(NotPrincipal="*"), "either Principal"),
        (document(Principal={"AWS": "nobody"}), "principal was invalid"),
        (document(Condition={"Bool": "x"}), "Condition"),
        (document(Extra=1), "a statement may have"),
        (document(Action=[]), "Action must be"),
    ],
)
def test_documents_that_are_no_policy(given: str, says: str, tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        code, text = await house.refused("PutResourcePolicy", ResourceArn=arn(), Policy=given)
        assert (code, says in text) == ("InvalidParameterValueException", True), text
        assert await house.refused("GetPolicy", FunctionName="f") == NO_POLICY

    run(tmp_path, scenario)


def test_a_policy_of_a_runtime_is_refused(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        custom = f"arn:aws:lambda:{REGION}:{ACCOUNT}:runtime/r"
        assert "not supported" in (await house.refused("GetResourcePolicy", ResourceArn=custom))[1]

    run(tmp_path, scenario)


PUBLIC = [
    (document(Principal="*"), True),
    (document(Principal={"AWS": ["*"]}), True),
    (document(Principal="*", Condition={"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}), True),
    (document(Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}), False),
    (document(Principal="*", Effect="Deny"), False),
    (document(), False),
]


@pytest.mark.parametrize(("given", "is_public"), PUBLIC)
def test_public_policies_can_be_blocked(given: str, is_public: bool, tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        await house.call("PutResourcePolicy", ResourceArn=arn(), Policy=given)
        room = house.service.operations["PutResourcePolicy"].__self__._room  # type: ignore[attr-defined]
        strict = PoliciesApi(_with_blocking(room))
        params = {"ResourceArn": arn(), "Policy": given}
        if not is_public:
            await strict.put_resource_policy(house.ctx, params)
            return
        with pytest.raises(Exception, match="PublicPolicyException"):
            await strict.put_resource_policy(house.ctx, params)

    run(tmp_path, scenario)


def _with_blocking(room: Any) -> Any:
    return dataclasses.replace(room, settings=LambdaSettings(block_public_policies=True))


def test_policies_are_read_from_memory(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        policies = house.service.policies
        assert await policies.policy_of(arn()) is None
        reads = house.store.reads
        assert await policies.policy_of(arn()) is None
        assert house.store.reads == reads
        await house.call("AddPermission", FunctionName="f", **S3)
        assert json.loads(await policies.policy_of(arn()) or "")["Statement"][0]["Sid"] == "s"
        assert await policies.policy_of("nothing we know") is None

    run(tmp_path, scenario)


def test_layer_versions_have_theirs(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        content = {"ZipFile": make_zip({"python/m.py": ""})}
        layer = (await house.call("PublishLayerVersion", LayerName="l", Content=content))["LayerVersionArn"]
        policies = house.service.policies
        assert await policies.policy_of(layer) is None
        await house.call(
            "AddLayerVersionPermission",
            LayerName="l",
            VersionNumber=1,
            StatementId="all",
            Action="lambda:GetLayerVersion",
            Principal="*",
        )
        assert json.loads(await policies.policy_of(layer) or "")["Statement"][0]["Sid"] == "all"
        assert await policies.policy_of(f"{layer}9") is None

    run(tmp_path, scenario)


def test_another_account_is_kept_out(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        house.ctx = CallContext("999999999999", REGION, REQUEST_ID)
        assert (await house.refused("GetPolicy", FunctionName=arn()))[0] == "AccessDeniedException"
        assert (await house.refused("PutResourcePolicy", ResourceArn=arn(), Policy=document()))[0] == "AccessDeniedException"

    run(tmp_path, scenario)
