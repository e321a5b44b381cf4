from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.test_lambda_functions import ARN
from tests.support.functions import asked, code_of, make_function
from tests.support.node import REGION

ZIP = code_of("def handler(event, context): pass")
REVISION = "00000000-0000-4000-8000-000000000000"
MISMATCH = (
    "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the "
    "latest Revision Id"
)
ABSENT = f"Function not found: {ARN}absent"
NOT_QUALIFIED = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please "
    "specify either a function name or an unqualified function ARN."
)
KNOWN = f"{ARN}known"


@pytest.fixture(scope="module")
def known(aws_lambda: Any) -> Iterator[str]:
    """A function with a version and an alias that nothing here changes."""
    make_function(aws_lambda, "known", Publish=True)
    aws_lambda.create_alias(FunctionName="known", Name="live", FunctionVersion="1")
    yield "known"
    aws_lambda.delete_function(FunctionName="known")


def refusal_of(call: Callable[[], Any]) -> ClientError:
    with pytest.raises(ClientError) as refusal:
        call()
    return refusal.value


NOT_FOUND = (404, "ResourceNotFoundException")
CONFLICT = (409, "ResourceConflictException")
INVALID = (400, "InvalidParameterValueException")
PRECONDITION = (412, "PreconditionFailedException")
CONTENT = (400, "InvalidRequestContentException")
TOO_LARGE = (413, "RequestTooLargeException")
ENTITY_TOO_LARGE = (413, "RequestEntityTooLargeException")

NO_JSON = "Could not parse request body into json: Could not parse payload into json: …"
TWO_QUALIFIERS = "The derived qualifier from the function name does not match the specified qualifier."
RETIRED = (
    "The runtime parameter of nodejs12.x is no longer supported for creating or updating AWS Lambda functions. We "
    "recommend you use a supported runtime while creating or updating functions."
)
RESERVED = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided contains "
    "reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION"
)
FOUR_KB = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded "
    f'the 4KB limit. String measured: {{"LONG":"{"x" * 4096}"}}'
)
NO_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
NO_TAGS = "Tags on function aliases and versions are not supported. Please specify a function ARN."
SAME_VERSION = "Invalid function version 1. Function version 1 is already included in routing configuration."
UNDER_ALIAS = "Unable to delete version because the following aliases reference it: [live]"
OTHER_REGION = f"Functions from 'us-east-2' are not reachable in this region ('{REGION}')"
REQUEST_BYTES = "Request must be smaller than {} bytes for the InvokeFunction operation"


def alias(version: str, weights: dict[str, float] | None = None, name: str = "x") -> dict[str, Any]:
    routing = {"RoutingConfig": {"AdditionalVersionWeights": weights}} if weights else {}
    return {"FunctionName": "known", "Name": name, "FunctionVersion": version, **routing}


def of(name: str, **members: Any) -> dict[str, Any]:
    return {"FunctionName": name, **members}


def json_text(size: int) -> bytes:
    return b'"' + b"x" * (size - 2) + b'"'


Case = tuple[str, dict[str, Any], tuple[int, str], str]

# What is asked -> operation, parameters, status and code, text (an ellipsis at its end: and more).
CASES: dict[str, Case] = {
    "get absent": ("get_function", of("absent"), NOT_FOUND, ABSENT),
    "get configuration of absent": ("get_function_configuration", of("absent"), NOT_FOUND, ABSENT),
    "delete absent": ("delete_function", of("absent"), NOT_FOUND, ABSENT),
    "code of absent": ("update_function_code", of("absent", ZipFile=ZIP), NOT_FOUND, ABSENT),
    "configure absent": ("update_function_configuration", of("absent"), NOT_FOUND, ABSENT),
    "publish absent": ("publish_version", of("absent"), NOT_FOUND, ABSENT),
    "versions of absent": ("list_versions_by_function", of("absent"), NOT_FOUND, ABSENT),
    "aliases of absent": ("list_aliases", of("absent"), NOT_FOUND, ABSENT),
    "tags of absent": ("list_tags", {"Resource": f"{ARN}absent"}, NOT_FOUND, ABSENT),
    "invoke absent": ("invoke", of("absent"), NOT_FOUND, ABSENT),
    "invoke absent version": ("invoke", of("known", Qualifier="7"), NOT_FOUND, f"Function not found: {KNOWN}:7"),
    "event to absent alias": (
        "invoke",
        of("known:no", InvocationType="Event"),
        NOT_FOUND,
        f"Function not found: {KNOWN}:no",
    ),
    "get absent version": ("get_function", of("known:7"), NOT_FOUND, f"Function not found: {KNOWN}:7"),
    "delete absent version": ("delete_function", of("known:7"), NOT_FOUND, f"Function not found: {KNOWN}:7"),
    "get absent alias": ("get_alias", of("known", Name="no"), NOT_FOUND, f"Cannot find alias arn: {KNOWN}:no"),
    "update absent alias": ("update_alias", of("known", Name="no"), NOT_FOUND, f"Alias not found: {KNOWN}:no"),
    "alias of absent version": ("create_alias", alias("7"), NOT_FOUND, f"Function not found: {KNOWN}:7"),
    "another region": ("get_function", of(KNOWN.replace(REGION, "us-east-2")), NOT_FOUND, OTHER_REGION),
    "create again": ("create_function", asked("known"), CONFLICT, "Function already exist: known"),
    "alias again": ("create_alias", alias("1", name="live"), CONFLICT, f"Alias already exists: {KNOWN}:live"),
    "delete version under alias": ("delete_function", of("known", Qualifier="1"), CONFLICT, UNDER_ALIAS),
    "delete $LATEST": (
        *("delete_function", of("known", Qualifier="$LATEST")),
        *(INVALID, "$LATEST version cannot be deleted without deleting the function."),
    ),
    "two qualifiers": ("get_function", of("known:1", Qualifier="live"), INVALID, TWO_QUALIFIERS),
    "publish with another hash": (
        *("publish_version", of("known", CodeSha256="abc")),
        *(INVALID, "CodeSHA256 (abc) is different from current CodeSHA256 in $LATEST (…"),
    ),
    "publish with another revision": ("publish_version", of("known", RevisionId=REVISION), PRECONDITION, MISMATCH),
    "code with another revision": (
        *("update_function_code", of("known", ZipFile=ZIP, RevisionId=REVISION)),
        *(PRECONDITION, MISMATCH),
    ),
    "configure with another revision": (
        *("update_function_configuration", of("known", RevisionId=REVISION)),
        *(PRECONDITION, MISMATCH),
    ),
    "alias with another revision": ("update_alias", of("known", Name="live", RevisionId=REVISION), PRECONDITION, MISMATCH),
    "two weights": (
        *("create_alias", alias("1", {"2": 0.1, "3": 0.1})),
        *(INVALID, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
    ),
    "weight for the same": ("update_alias", alias("1", {"1": 0.1}, "live"), INVALID, SAME_VERSION),
    "weight beside $LATEST": (
        *("create_alias", alias("$LATEST", {"1": 0.1})),
        *(INVALID, "$LATEST is not supported for an alias pointing to more than 1 version"),
    ),
    "tags of a version": ("tag_resource", {"Resource": f"{KNOWN}:1", "Tags": {"a": "b"}}, INVALID, NO_TAGS),
    "many tags": (
        *("tag_resource", {"Resource": KNOWN, "Tags": {f"k{number}": "v" for number in range(51)}}),
        *(INVALID, "Number of tags exceeds resource tag limit."),
    ),
    "configure a version": ("update_function_configuration", of("known:1"), INVALID, NOT_QUALIFIED),
    "a payload that is no JSON": ("invoke", of("known", Payload=b"{no"), CONTENT, NO_JSON),
    "an event that is no JSON": ("invoke", of("known", Payload=b"\xff", InvocationType="Event"), CONTENT, NO_JSON),
    "a payload that is too large": (
        *("invoke", of("known", Payload=json_text(6_291_457))),
        *(TOO_LARGE, REQUEST_BYTES.format(6_291_456)),
    ),
    "an event that is too large": (
        *("invoke", of("known", InvocationType="Event", Payload=json_text(1_048_577))),
        *(TOO_LARGE, REQUEST_BYTES.format(1_048_576)),
    ),
    "a retired runtime": ("create_function", asked("x", Runtime="nodejs12.x"), INVALID, RETIRED),
    "an unknown runtime": (
        *("create_function", asked("x", Runtime="cobol74")),
        *(INVALID, "Value cobol74 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: […"),
    ),
    "reserved variables": (
        *("create_function", asked("x", Environment={"Variables": {"AWS_REGION": "x", "MINE": "y"}})),
        *(INVALID, RESERVED),
    ),
    "many variables": ("create_function", asked("x", Environment={"Variables": {"LONG": "x" * 4096}}), INVALID, FOUR_KB),
    "no code": ("create_function", asked("x", Code={}), INVALID, "Please provide a source for function code."),
    "garbage for a zip": ("create_function", asked("x", Code={"ZipFile": b"garbage"}), INVALID, NO_ZIP),
    "zip over 50 MB": (
        *("update_function_code", of("known", ZipFile=bytes(52_428_801))),
        *(ENTITY_TOO_LARGE, "Zipped size must be smaller than 52428800 bytes"),
    ),
}

IN_LOWER_CASE = {
    *("InvalidParameterValueException", "InvalidRequestContentException", "PreconditionFailedException"),
    *("RequestTooLargeException", "ResourceConflictException", "CodeStorageExceededException", "TooManyRequestsException"),
}


@pytest.mark.parametrize(("method", "params", "kind", "text"), CASES.values(), ids=CASES)
def test_what_cannot_be_is_refused_as_by_aws(
    aws_lambda: Any, known: str, method: str, params: dict[str, Any], kind: tuple[int, str], text: str
) -> None:
    refusal = refusal_of(lambda: getattr(aws_lambda, method)(**params))
    message, metadata = refusal.response["Error"]["Message"], refusal.response["ResponseMetadata"]
    code = refusal.response["Error"]["Code"]
    assert (metadata["HTTPStatusCode"], code) == kind
    assert message.startswith(text[:-1]) if text.endswith("…") else message == text
    assert metadata["HTTPHeaders"]["x-amzn-errortype"] == code
    if kind != ENTITY_TOO_LARGE:  # the one code that AWS's model does not have
        assert isinstance(refusal, getattr(aws_lambda.exceptions, code))
        assert refusal.response["Type"] == "User"
        assert ("message" if code in IN_LOWER_CASE else "Message") in refusal.response


def test_a_busy_function_is_not_changed(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("busy")
    seen = []
    for number in range(20):
        try:
            aws_lambda.update_function_configuration(FunctionName=name, Description=str(number))
        except aws_lambda.exceptions.ResourceConflictException as refusal:
            seen.append(refusal.response["Error"]["Message"])
    text = f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}{name}"
    assert set(seen) <= {text}


def test_what_is_not_supported_yet_is_refused(aws_lambda: Any) -> None:
    refusal = refusal_of(lambda: aws_lambda.create_function(**asked("x", VpcConfig={"SubnetIds": ["subnet-1"]})))
    assert refusal.response["Error"]["Code"] == "InvalidParameterValueException"
    assert "VpcConfig is not supported by this version of Functory." in refusal.response["Error"]["Message"]
    refusal = refusal_of(aws_lambda.list_capacity_providers)
    assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_client_context_that_is_none_is_refused(aws_lambda: Any, known: str) -> None:
    refusal = refusal_of(lambda: aws_lambda.invoke(FunctionName=known, ClientContext="%%%"))
    assert refusal.response["Error"]["Code"] == "InvalidRequestContentException"
