"""``coverage.toml`` of Lambda is true: every operation and every member of botocore's model, called with boto3.

An operation that is absent is refused as such. Of the others each member, given together with what is required, is either
worked with or refused by name; what is refused as not supported is exactly what ``coverage.toml`` lists. Nothing is our
fault.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.model import Shape, StructureShape

from tests.support.functions import code_of, make_function
from tests.support.node import Node

MODEL = botocore.session.get_session().get_service_model("lambda")
COVERAGE: dict[str, Any] = tomllib.loads(files("functory.services.lambda_").joinpath("coverage.toml").read_text())[
    "operations"
]
PRESENT = sorted(name for name, row in COVERAGE.items() if row != "absent")
ABSENT = sorted(name for name, row in COVERAGE.items() if row == "absent")
NAME, OTHER = "every-member", "every-member-other"
UUID = "00000000-0000-4000-8000-000000000000"
UNSUPPORTED = "is not supported by this version of Functory"
BY_SHAPE: dict[str, Any] = {
    "FunctionVersion": "ALL",
    "Handler": "app.handler",
    "RoleArn": "arn:aws:iam::111122223333:role/conformance",
    "EnvironmentVariables": {"AB": "1"},
    "Tags": {"key": "value"},
    "TagKeyList": ["key"],
    "LogGroup": "mine",
    "LayerName": "every-member",
    "LayerVersionNumber": 1,
    "Alias": "live",
    "AdditionalVersion": "1",
    "KMSKeyArn": "arn:aws:kms:us-east-1:111122223333:key/k",
    "MasterRegion": "us-east-1",
    "Principal": "s3.amazonaws.com",
    "StatementId": "every",
    "ResourcePolicy": "{}",
    "CapacityProviderArn": "arn:aws:lambda:us-east-1:111122223333:capacity-provider:p",
    "SubnetId": "subnet-1",
    "SecurityGroupId": "sg-1",
    "Timeout": 3,
    "MemorySize": 128,
    "EphemeralStorageSize": 512,
    "MaximumRetryAttempts": 1,
    "MaximumEventAgeInSeconds": 60,
    "ReservedConcurrentExecutions": 1,
    "PositiveInteger": 1,
    "UpdateRuntimeOn": "Auto",
    "TracingMode": "Active",
    "SnapStartApplyOn": "None",
    "LogFormat": "JSON",
    "TenantId": "blue",
}
BESIDE: dict[str, dict[str, Any]] = {
    "CreateFunctionRequest": {
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Code": {"ZipFile": code_of("def handler(event, context):\n    return 1\n")},
    },
    "PublishLayerVersionRequest": {"Content": {"ZipFile": code_of("x = 1\n")}},
}
"""What an operation needs beside what its model requires."""
BY_MEMBER: dict[str, Any] = {
    "FunctionName": NAME,
    "Runtime": "python3.11",
    "Qualifier": "1",
    "RevisionId": UUID,
    "UUID": UUID,
    "Marker": "",
    "MaxItems": 1,
    "Action": "lambda:InvokeFunction",
    "ClientContext": "e30=",
    "Version": "1",
    "FunctionVersion": "1",
    "InvokeArgs": b"{}",
    "Payload": b"{}",
    "PackageType": "Zip",
    "RuntimeArn": "arn:aws:lambda:us-east-1:111122223333:runtime/mine",
    "RuntimeAlias": "live",
    "SourceAccount": "111122223333",
    "PrincipalOrgID": "o-abcdefghij",
}


def sample(name: str, shape: Shape, depth: int = 0) -> Any:
    """A value that asks for something."""
    if name in BY_MEMBER and not (shape.name == "FunctionVersion" and name != "FunctionVersion"):
        value = BY_MEMBER[name]
        return "ALL" if shape.name == "FunctionVersion" else value
    if shape.name in BY_SHAPE:
        return BY_SHAPE[shape.name]
    if isinstance(shape, StructureShape):
        keys = shape.required_members or (list(shape.members)[:1] if depth else [])
        return {key: sample(key, shape.members[key], depth + 1) for key in keys} if depth < 6 else {}
    if shape.type_name == "list":
        return [sample(name, shape.member, depth + 1)]  # type: ignore[attr-defined]
    if shape.type_name == "map":
        return {"1": sample(name, shape.value, depth + 1)}  # type: ignore[attr-defined]
    if enum := shape.metadata.get("enum"):
        return enum[0]
    simple = {"boolean": True, "blob": code_of("def handler(e, c):\n    return 1\n"), "timestamp": 0}
    if shape.type_name in simple:
        return simple[shape.type_name]
    if shape.type_name in {"integer", "long", "float", "double"}:
        return max(1, shape.metadata.get("min", 1))
    return "arn:aws:sqs:us-east-1:111122223333:q" if "Arn" in name else "x" * max(1, shape.metadata.get("min", 1))


def paths(shape: StructureShape, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every member of an input and of the structures in it."""
    for name, member in shape.members.items():
        yield (*before, name)
        if isinstance(member, StructureShape) and len(before) < 3:
            yield from paths(member, (*before, name))


def params_for(shape: StructureShape, path: tuple[str, ...]) -> dict[str, Any]:
    """What is required, and the member of this path."""
    result: dict[str, Any] = sample("", shape) | BESIDE.get(shape.name, {})
    inner, at = result, shape
    for name in path[:-1]:
        at = at.members[name]
        inner[name] = dict(inner.get(name) or sample(name, at))
        inner = inner[name]
    inner[path[-1]] = sample(path[-1], at.members[path[-1]], depth=1)
    return result


def is_listed(operation: str, path: tuple[str, ...]) -> bool:
    """Whether ``coverage.toml`` says that a member, or what it is part of or stands for, is refused."""
    row = COVERAGE[operation]
    missing = row["missing"] if isinstance(row, dict) else []
    dotted = ".".join(path)
    return any(
        each.partition("=")[0] == dotted or dotted.startswith(each.partition("=")[0] + ".") or each.startswith(dotted + ".")
        for each in missing
    )


@pytest.fixture(scope="module")
def client(node: Node) -> Iterator[Any]:
    """A client that sends whatever it is given, and the function that it is about."""
    client = node.client("lambda", validate=False)
    yield client
    for name in (NAME, OTHER, "x"):
        with contextlib.suppress(ClientError):
            client.delete_function(FunctionName=name)


def outcome(client: Any, operation: str, params: dict[str, Any]) -> tuple[str, str, int]:
    """Code, text and status of the answer; ``("", "", 200)`` for a success."""
    try:
        answer = getattr(client, botocore.xform_name(operation))(**params)
    except ClientError as error:
        answer = error.response
        return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]
    for stream in ("EventStream", "Payload"):
        if hasattr(answer.get(stream), "close"):
            answer[stream].close()
    return "", "", answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("operation", ABSENT)
def test_an_absent_operation_is_refused_as_such(client: Any, operation: str) -> None:
    shape = MODEL.operation_model(operation).input_shape
    code, text, status = outcome(client, operation, sample("", shape) if shape is not None else {})
    assert (code, status) == ("NotImplementedException", 501), text
    assert operation in text


@pytest.mark.parametrize("operation", PRESENT)
def test_every_member_works_or_is_refused_by_name(client: Any, operation: str) -> None:
    shape = MODEL.operation_model(operation).input_shape
    modelled = {error.name for error in MODEL.operation_model(operation).error_shapes}
    own = {"ValidationException", "AccessDeniedException", "InvalidRequestContentException"}
    for path in paths(shape) if shape is not None else ():
        _need_function(client)
        code, text, status = outcome(client, operation, params_for(shape, path))
        where = f"{operation} {'.'.join(path)}: {code} {text}"
        assert status < 500, where
        assert code in modelled | own | {""}, where
        if UNSUPPORTED in text:
            assert is_listed(operation, path) or _is_required_and_refused(operation, text), where
        elif is_listed(operation, path) and ".".join(path) in _exactly_refused(operation):
            raise AssertionError(f"listed as refused, and is not: {where}")


def _need_function(client: Any) -> None:
    """The function with version 1 and alias ``live``, made anew where an operation has taken it away."""
    try:
        client.get_function(FunctionName=NAME, Qualifier="live")
    except ClientError:
        with contextlib.suppress(ClientError):
            client.delete_function(FunctionName=NAME)
        version = make_function(client, NAME, Publish=True)["Version"]
        client.create_alias(FunctionName=NAME, Name="live", FunctionVersion=version)


def _exactly_refused(operation: str) -> set[str]:
    """Members that are refused whatever they say."""
    row = COVERAGE[operation]
    return {each for each in row["missing"] if "=" not in each and "." not in each} if isinstance(row, dict) else set()


def _is_required_and_refused(operation: str, text: str) -> bool:
    """Whether what is refused is in what the operation requires: an event source or a destination of no service here."""
    return operation in {"CreateEventSourceMapping"} or ("The destination" in text or "resource policy of a runtime" in text)
