from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.test_lambda_functions import ARN
from tests.support.functions import asked, code_of, make_function
from tests.support.node import ACCOUNT, REGION

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
DEFINED = f"{ARN}known"


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


CASES: list[tuple[str, str, dict[str, Any], int, str, str]] = [
    ("get absent", "get_function", {"FunctionName": "absent"}, 404, "ResourceNotFoundException", ABSENT),
    (
        "get configuration of absent",
        "get_function_configuration",
        {"FunctionName": "absent"},
        404,
        "ResourceNotFoundException",
        ABSENT,
    ),
    ("delete absent", "delete_function", {"FunctionName": "absent"}, 404, "ResourceNotFoundException", ABSENT),
    (
        "code of absent",
        "update_function_code",
        {"FunctionName": "absent", "ZipFile": ZIP},
        404,
        "ResourceNotFoundException",
        ABSENT,
    ),
    (
        "configure absent",
        "update_function_configuration",
        {"FunctionName": "absent"},
        404,
        "ResourceNotFoundException",
        ABSENT,
    ),
    ("publish absent", "publish_version", {"FunctionName": "absent"}, 404, "ResourceNotFoundException", ABSENT),
    (
        "versions of absent",
        "list_versions_by_function",
        {"FunctionName": "absent"},
        404,
        "ResourceNotFoundException",
        ABSENT,
    ),
    ("aliases of absent", "list_aliases", {"FunctionName": "absent"}, 404, "ResourceNotFoundException", ABSENT),
    ("tags of absent", "list_tags", {"Resource": f"{ARN}absent"}, 404, "ResourceNotFoundException", ABSENT),
    ("invoke absent", "invoke", {"FunctionName": "absent"}, 404, "ResourceNotFoundException", ABSENT),
    (
        *("invoke absent version", "invoke", {"FunctionName": "known", "Qualifier": "7"}),
        *(404, "ResourceNotFoundException", f"Function not found: {DEFINED}:7"),
    ),
    (
        *("event to absent alias", "invoke", {"FunctionName": "known", "Qualifier": "nope", "InvocationType": "Event"}),
        *(404, "ResourceNotFoundException", f"Function not found: {DEFINED}:nope"),
    ),
    (
        *("get absent version", "get_function", {"FunctionName": "known:7"}),
        *(404, "ResourceNotFoundException", f"Function not found: {DEFINED}:7"),
    ),
    (
        *("delete absent version", "delete_function", {"FunctionName": "known", "Qualifier": "7"}),
        *(404, "ResourceNotFoundException", f"Function not found: {DEFINED}:7"),
    ),
    (
        *("get absent alias", "get_alias", {"FunctionName": "known", "Name": "nope"}),
        *(404, "ResourceNotFoundException", f"Cannot find alias arn: {DEFINED}:nope"),
    ),
    (
        *("update absent alias", "update_alias", {"FunctionName": "known", "Name": "nope"}),
        *(404, "ResourceNotFoundException", f"Alias not found: {DEFINED}:nope"),
    ),
    (
        *("alias of absent version", "create_alias", {"FunctionName": "known", "Name": "x", "FunctionVersion": "7"}),
        *(404, "ResourceNotFoundException", f"Function not found: {DEFINED}:7"),
    ),
    (
        *("another region", "get_function", {"FunctionName": f"arn:aws:lambda:us-east-2:{ACCOUNT}:function:known"}),
        *(404, "ResourceNotFoundException", f"Functions from 'us-east-2' are not reachable in this region ('{REGION}')"),
    ),
    ("create again", "create_function", asked("known"), 409, "ResourceConflictException", "Function already exist: known"),
    (
        *("alias again", "create_alias", {"FunctionName": "known", "Name": "live", "FunctionVersion": "1"}),
        *(409, "ResourceConflictException", f"Alias already exists: {DEFINED}:live"),
    ),
    (
        *("delete version under alias", "delete_function", {"FunctionName": "known", "Qualifier": "1"}),
        *(409, "ResourceConflictException", "Unable to delete version because the following aliases reference it: [live]"),
    ),
    (
        *("delete $LATEST", "delete_function", {"FunctionName": "known", "Qualifier": "$LATEST"}),
        *(400, "InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function."),
    ),
    (
        *("two qualifiers", "get_function", {"FunctionName": "known:1", "Qualifier": "live"}),
        *(
            400,
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
    ),
    (
        *("publish with another hash", "publish_version", {"FunctionName": "known", "CodeSha256": "abc"}),
        *(400, "InvalidParameterValueException", "CodeSHA256 (abc) is different from current CodeSHA256 in $LATEST ("),
    ),
    (
        *("publish with another revision", "publish_version", {"FunctionName": "known", "RevisionId": REVISION}),
        *(412, "PreconditionFailedException", MISMATCH),
    ),
    (
        *(
            "code with another revision",
            "update_function_code",
            {"FunctionName": "known", "ZipFile": ZIP, "RevisionId": REVISION},
        ),
        *(412, "PreconditionFailedException", MISMATCH),
    ),
    (
        *(
            "configure with another revision",
            "update_function_configuration",
            {"FunctionName": "known", "RevisionId": REVISION},
        ),
        *(412, "PreconditionFailedException", MISMATCH),
    ),
    (
        *("alias with another revision", "update_alias", {"FunctionName": "known", "Name": "live", "RevisionId": REVISION}),
        *(412, "PreconditionFailedException", MISMATCH),
    ),
    (
        *("two weights", "create_alias"),
        {
            "FunctionName": "known",
            "Name": "x",
            "FunctionVersion": "1",
            "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1, "3": 0.1}},
        },
        *(400, "InvalidParameterValueException", "Number of items in AdditionalVersionWeights cannot be greater than 1"),
    ),
    (
        *("weight for the same", "update_alias"),
        {"FunctionName": "known", "Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1}}},
        *(
            *(400, "InvalidParameterValueException"),
            "Invalid function version 1. Function version 1 is already included in routing configuration.",
        ),
    ),
    (
        *("weight beside $LATEST", "create_alias"),
        {
            "FunctionName": "known",
            "Name": "x",
            "FunctionVersion": "$LATEST",
            "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1}},
        },
        *(400, "InvalidParameterValueException", "$LATEST is not supported for an alias pointing to more than 1 version"),
    ),
    (
        *("tags of a version", "tag_resource", {"Resource": f"{DEFINED}:1", "Tags": {"a": "b"}}),
        *(
            *(400, "InvalidParameterValueException"),
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ),
    ),
    (
        *("many tags", "tag_resource", {"Resource": DEFINED, "Tags": {f"k{number}": "v" for number in range(51)}}),
        *(400, "InvalidParameterValueException", "Number of tags exceeds resource tag limit."),
    ),
    (
        *("configure a version", "update_function_configuration", {"FunctionName": "known:1"}),
        *(400, "InvalidParameterValueException", NOT_QUALIFIED),
    ),
    (
        *("a payload that is no JSON", "invoke", {"FunctionName": "known", "Payload": b"{nope"}),
        *(
            400,
            "InvalidRequestContentException",
            "Could not parse request body into json: Could not parse payload into json: ",
        ),
    ),
    (
        *("an event that is no JSON", "invoke", {"FunctionName": "known", "Payload": b"\xff", "InvocationType": "Event"}),
        *(
            400,
            "InvalidRequestContentException",
            "Could not parse request body into json: Could not parse payload into json: ",
        ),
    ),
    (
        *(
            "a payload that is too large",
            "invoke",
            {"FunctionName": "known", "Payload": b'"' + b"x" * (6_291_456 - 1) + b'"'},
        ),
        *(413, "RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation"),
    ),
    (
        *("an event that is too large", "invoke"),
        {"FunctionName": "known", "InvocationType": "Event", "Payload": b'"' + b"x" * (1_048_576 - 1) + b'"'},
        *(413, "RequestTooLargeException", "Request must be smaller than 1048576 bytes for the InvokeFunction operation"),
    ),
    (
        *("a retired runtime", "create_function", asked("x", Runtime="nodejs12.x")),
        *(
            *(400, "InvalidParameterValueException"),
            "The runtime parameter of nodejs12.x is no longer supported for creating or updating AWS Lambda functions. We "
            "recommend you use a supported runtime while creating or updating functions.",
        ),
    ),
    (
        *("an unknown runtime", "create_function", asked("x", Runtime="cobol74")),
        *(
            400,
            "InvalidParameterValueException",
            "Value cobol74 at 'runtime' failed to satisfy constraint: Member must satisfy enum",
        ),
    ),
    (
        *("reserved variables", "create_function", asked("x", Environment={"Variables": {"AWS_REGION": "x", "MINE": "y"}})),
        *(
            *(400, "InvalidParameterValueException"),
            "Lambda was unable to configure your environment variables because the environment variables you have provided "
            "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: "
            "AWS_REGION",
        ),
    ),
    (
        *("many variables", "create_function", asked("x", Environment={"Variables": {"LONG": "x" * 4096}})),
        *(
            *(400, "InvalidParameterValueException"),
            "Lambda was unable to configure your environment variables because the environment variables you have provided "
            'exceeded the 4KB limit. String measured: {"LONG":"' + "x" * 4096 + '"}',
        ),
    ),
    (
        *("no code", "create_function", asked("x", Code={})),
        *(400, "InvalidParameterValueException", "Please provide a source for function code."),
    ),
    (
        *("garbage for a zip", "create_function", asked("x", Code={"ZipFile": b"garbage"})),
        *(400, "InvalidParameterValueException"),
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    ),
    (
        *("zip over 50 MB", "update_function_code", {"FunctionName": "known", "ZipFile": bytes(52_428_801)}),
        *(413, "RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes"),
    ),
]

IN_LOWER_CASE = {
    *("InvalidParameterValueException", "InvalidRequestContentException", "PreconditionFailedException"),
    *("RequestTooLargeException", "ResourceConflictException", "CodeStorageExceededException", "TooManyRequestsException"),
}


@pytest.mark.parametrize(
    ("method", "params", "status", "code", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_cannot_be_is_refused_as_by_aws(
    aws_lambda: Any, known: str, method: str, params: dict[str, Any], status: int, code: str, text: str
) -> None:
    refusal = refusal_of(lambda: getattr(aws_lambda, method)(**params))
    error = refusal.response["Error"]
    metadata = refusal.response["ResponseMetadata"]
    assert (metadata["HTTPStatusCode"], error["Code"]) == (status, code)
    assert error["Message"].startswith(text)
    assert len(error["Message"]) == len(text) or text.endswith(("(", ": ", "enum"))
    assert metadata["HTTPHeaders"]["x-amzn-errortype"] == code
    modelled = getattr(aws_lambda.exceptions, code, None) if code != "RequestEntityTooLargeException" else None
    if modelled is not None:
        assert isinstance(refusal, modelled)
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
    refusal = refusal_of(lambda: aws_lambda.create_function(**asked("x", TracingConfig={"Mode": "Active"})))
    assert refusal.response["Error"]["Code"] == "InvalidParameterValueException"
    assert "TracingConfig.Mode Active is not supported by this version of Functory." in refusal.response["Error"]["Message"]
    refusal = refusal_of(lambda: aws_lambda.list_event_source_mappings())
    assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_client_context_that_is_none_is_refused(aws_lambda: Any, known: str) -> None:
    refusal = refusal_of(lambda: aws_lambda.invoke(FunctionName=known, ClientContext="%%%"))
    assert refusal.response["Error"]["Code"] == "InvalidRequestContentException"
    assert json.dumps(refusal.response["Error"]["Message"])
