from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.functions import asked, call
from tests.support.node import ACCOUNT, REGION, Node, wait_for
from tests.support.raw_http import authorization, connect, send

FUNCTIONS = "/2015-03-31/functions"
ROLE_PATTERN = (
    "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+"
)

OUT_OF_RANGE: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "memory below": ({"MemorySize": 127}, "127", "memorySize", "Member must have value greater than or equal to 128"),
    "memory above": ({"MemorySize": 40000}, "40000", "memorySize", "Member must have value less than or equal to 32768"),
    "no time": ({"Timeout": 0}, "0", "timeout", "Member must have value greater than or equal to 1"),
    "much time": ({"Timeout": 901}, "901", "timeout", "Member must have value less than or equal to 900"),
    "description": (
        {"Description": "d" * 257},
        "d" * 257,
        "description",
        "Member must have length less than or equal to 256",
    ),
    "storage": (
        {"EphemeralStorage": {"Size": 511}},
        *("511", "ephemeralStorage.size", "Member must have value greater than or equal to 512"),
    ),
    "role": ({"Role": "me"}, "me", "role", ROLE_PATTERN),
    "package": ({"PackageType": "Rar"}, "Rar", "packageType", "Member must satisfy enum value set: [Zip, Image]"),
}


@pytest.mark.parametrize(("members", "value", "path", "rule"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE)
def test_values_out_of_range_are_refused_in_the_words_of_aws(
    unchecked_lambda: Any, members: dict[str, Any], value: str, path: str, rule: str
) -> None:
    with pytest.raises(ClientError) as refusal:
        unchecked_lambda.create_function(**asked("out-of-range", **members))
    error = refusal.value.response["Error"]
    text = f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: {rule}"
    assert (error["Code"], error["Message"]) == ("ValidationException", text)
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("n" * 65, "Member must have length less than or equal to 64"),
        ("n" * 141, "Member must have length less than or equal to 140"),
        ("white space", "Member must satisfy regular expression pattern: "),
        ("dotted.name", "Member must satisfy regular expression pattern: "),
    ],
    ids=["65", "141", "blank", "dot"],
)
def test_impossible_function_names_are_refused(unchecked_lambda: Any, name: str, rule: str) -> None:
    with pytest.raises(ClientError) as refusal:
        unchecked_lambda.create_function(**asked(name))
    error = refusal.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert f"Value '{name}' at 'functionName' failed to satisfy constraint: {rule}" in error["Message"]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"FunctionName": "white space"}, "functionName"),
        ({"FunctionName": "n" * 257}, "functionName"),
        ({"FunctionName": "f", "Qualifier": "a b"}, "qualifier"),
        ({"FunctionName": "f", "Qualifier": "q" * 129}, "qualifier"),
        ({"FunctionName": "f", "InvocationType": "Perhaps"}, "invocationType"),
        ({"FunctionName": "f", "LogType": "Head"}, "logType"),
    ],
)
def test_impossible_calls_are_refused(unchecked_lambda: Any, params: dict[str, Any], path: str) -> None:
    with pytest.raises(ClientError) as refusal:
        unchecked_lambda.invoke(**params)
    error = refusal.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith("1 validation error detected: Value '")
    assert f"' at '{path}' failed to satisfy constraint: Member must " in error["Message"]


def test_every_violation_is_told(unchecked_lambda: Any) -> None:
    with pytest.raises(ClientError) as refusal:
        unchecked_lambda.create_function(**asked("several", MemorySize=1, Timeout=-1))
    message = refusal.value.response["Error"]["Message"]
    assert message.startswith("2 validation errors detected: ")
    assert "at 'memorySize'" in message
    assert "at 'timeout'" in message


def test_required_members_must_be_there(node: Node) -> None:
    answer = send(node.url, "POST", FUNCTIONS, b"{}")
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == "ValidationException"
    message = answer.json()["message"]
    for member in ("functionName", "role", "code"):
        assert f"Value null at '{member}' failed to satisfy constraint: Member must not be null" in message


@pytest.mark.parametrize("body", [b"{", b"nope", b"\xff\xfe", b'{"FunctionName": "x"', b"[]", b"17", b'"text"', b"null{"])
def test_a_body_that_is_no_json_object_is_refused(node: Node, body: bytes) -> None:
    answer = send(node.url, "POST", FUNCTIONS, body)
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] in (
        "SerializationException",
        "InvalidRequestContentException",
        "ValidationException",
    )
    assert answer.json()


@pytest.mark.parametrize(
    "members",
    [
        {"FunctionName": 5},
        {"MemorySize": "much"},
        {"Environment": []},
        {"Environment": {"Variables": {"NAME": {}}}},
        {"Code": "zip"},
        {"Code": {"ZipFile": "not base64!"}},
        {"Publish": "perhaps"},
        {"Tags": {"a": 1}},
        {"Architectures": "x86_64"},
    ],
    ids=lambda members: next(iter(members)),
)
def test_members_of_wrong_types_are_refused(node: Node, members: dict[str, Any]) -> None:
    whole = {"FunctionName": "typed", "Role": "arn:aws:iam::111122223333:role/x", "Runtime": "python3.11", "Handler": "a.b"}
    answer = send(node.url, "POST", FUNCTIONS, json.dumps({**whole, "Code": {"ZipFile": ""}, **members}).encode())
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == "SerializationException"


def test_deeply_nested_json_is_no_danger(node: Node, echo: str) -> None:
    answer = send(node.url, "POST", FUNCTIONS, b'{"Tags":' * 100_000)
    assert answer.status == 400
    answer = send(node.url, "POST", f"{FUNCTIONS}/{echo}/invocations", b"[" * 200_000)
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == "InvalidRequestContentException"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/2015-03-31/nothing"),
        ("PATCH", FUNCTIONS),
        ("POST", "/2015-03-31/functions/x/invocations/more"),
        ("GET", "/2099-01-01/functions"),
        ("GET", "/2015-03-31/functions/%00"),
        ("GET", "/2015-03-31/functions/%zz"),
        ("DELETE", "//"),
    ],
)
def test_unknown_operations_are_refused(node: Node, method: str, path: str) -> None:
    answer = send(node.url, method, path)
    assert 400 <= answer.status < 500
    assert answer.headers["x-amzn-errortype"]
    assert answer.headers["x-amzn-requestid"]


def test_a_request_without_signature_is_of_the_default_account(node: Node) -> None:
    answer = send(node.url, "GET", FUNCTIONS, signed=False)
    assert (answer.status, answer.json()) == (200, {"Functions": []})


def test_a_body_over_the_limit_of_create_function_is_refused(node: Node) -> None:
    answer = send(node.url, "POST", FUNCTIONS, bytes(70_167_212))
    assert answer.status == 413
    assert answer.headers["x-amzn-errortype"] == "RequestEntityTooLargeException"
    text = "Request must be smaller than 70167211 bytes for the CreateFunction operation"
    assert text in answer.json().values()


def test_a_body_over_the_limit_of_invoke_is_refused_before_it_was_sent(node: Node, echo: str) -> None:
    with connect(node.url) as link:
        head = [
            f"POST {FUNCTIONS}/{echo}/invocations HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: {authorization()}",
            "Content-Length: 999999999999",
        ]
        link.sendall("\r\n".join([*head, "", ""]).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += link.recv(65536)
    assert received.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"NONSENSE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"a" * 2_000_000,
    ],
    ids=[
        "nothing",
        "word",
        "half head",
        "nonsense",
        "tls",
        "half body",
        "negative",
        "two lengths",
        "bad chunk",
        "huge head",
    ],
)
def test_half_requests_leave_the_node_well(node: Node, data: bytes) -> None:
    with connect(node.url) as link, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        link.sendall(data)
    assert node.health()["status"] == "ok"


def test_a_client_that_hangs_up_leaves_no_environment_busy(
    node: Node, aws_lambda: Any, logs: Any, make: Callable[..., str]
) -> None:
    source = """
    import time
    def handler(event, context):
        time.sleep(event)
        print("awake")
        return "done"
    """
    name = make("hung-up", source, Timeout=10)
    assert call(aws_lambda, name, 0) == "done"
    before = node.health()["environments"]
    body = b"0.3"
    head = [
        f"POST {FUNCTIONS}/{name}/invocations HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: {authorization()}",
        f"Content-Length: {len(body)}",
    ]
    with connect(node.url) as link:
        link.sendall("\r\n".join([*head, "", ""]).encode() + body)

    def awake() -> bool:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="awake")["events"]
        return len(found) == 2

    wait_for(awake, "the function ran to its end")
    for _ in range(3):
        assert call(aws_lambda, name, 0) == "done"
    assert node.health()["environments"] <= before


def test_the_scope_of_a_signature_is_read_carefully(node: Node) -> None:
    for value in (
        "",
        "AWS4-HMAC-SHA256",
        "Bearer x",
        "AWS4-HMAC-SHA256 Credential=////",
        "AWS4-HMAC-SHA256 Credential=a/b/c",
    ):
        answer = send(node.url, "GET", FUNCTIONS, headers={"Authorization": value}, signed=False)
        assert answer.status in (200, 400, 403), value
    answer = send(node.url, "GET", FUNCTIONS, headers={"Authorization": authorization(ACCOUNT, REGION)}, signed=False)
    assert answer.status == 200
