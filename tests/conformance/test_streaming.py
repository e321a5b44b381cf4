"""InvokeWithResponseStream as boto3 sees it: first bytes, ends of every kind, limits, clients that leave."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.functions import ROLE, call, wait_active, zip_of
from tests.support.node import Node, wait_for
from tests.support.raw_http import authorization, connect
from tests.support.streaming import let_go, make_node, make_streaming

MIB = 1024 * 1024


@pytest.fixture
def stream(aws_lambda: Any, node_js: None) -> Iterator[Callable[..., str]]:
    """Makes streaming functions that go away with the test; returns the ARN."""
    made = []

    def make(name: str, body: str, **members: Any) -> str:
        made.append(name)
        return make_streaming(aws_lambda, name, body, **members)

    yield make
    for name in made:
        with contextlib.suppress(aws_lambda.exceptions.ResourceNotFoundException):
            aws_lambda.delete_function(FunctionName=name)


def read(answer: Any) -> tuple[bytes, dict[str, Any]]:
    """All bytes and the completion."""
    data, complete = b"", None
    for event in answer["EventStream"]:
        assert complete is None, "an event after the completion"
        data += event.get("PayloadChunk", {}).get("Payload", b"")
        complete = event.get("InvokeComplete", complete)
    assert complete is not None, "the stream ended without a completion"
    return data, complete


def test_the_first_bytes_are_there_before_the_function_ends(aws_lambda: Any, stream: Callable[..., str]) -> None:
    arn = stream("s-first", "stream.write('first'); await wait(context); stream.write('second'); stream.end();")
    answer = aws_lambda.invoke_with_response_stream(FunctionName="s-first", LogType="Tail")
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    events = iter(answer["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"first"}}
    let_go(aws_lambda, arn)
    assert next(events) == {"PayloadChunk": {"Payload": b"second"}}
    complete = next(events)["InvokeComplete"]
    assert set(complete) == {"LogResult"}
    assert "REPORT RequestId" in base64.b64decode(complete["LogResult"]).decode()
    assert list(events) == []


def test_a_pipeline_and_the_http_prelude_arrive_as_they_were_written(aws_lambda: Any, stream: Callable[..., str]) -> None:
    body = """
      const { pipeline } = require('node:stream/promises');
      const { Readable } = require('node:stream');
      const http = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: 'b' } });
      await pipeline(Readable.from(['x'.repeat(300000), 'y']), http);
    """
    stream("s-pipeline", body)
    data, complete = read(aws_lambda.invoke_with_response_stream(FunctionName="s-pipeline"))
    head, _, rest = data.partition(b"\0" * 8)
    assert json.loads(head) == {"statusCode": 201, "headers": {"a": "b"}}
    assert rest == b"x" * 300000 + b"y"
    assert complete == {}
    whole = aws_lambda.invoke(FunctionName="s-pipeline")
    assert whole["Payload"].read() == data, "Invoke gives the prelude, too"


def test_a_function_that_does_not_stream_is_one_chunk(aws_lambda: Any, echo: str) -> None:
    answer = aws_lambda.invoke_with_response_stream(FunctionName=echo, Payload=b'{"a":1}')
    assert list(answer["EventStream"]) == [{"PayloadChunk": {"Payload": b'{"a": 1}'}}, {"InvokeComplete": {}}]


@pytest.mark.parametrize(
    ("body", "before", "message"),
    [
        ("throw new RangeError('at once')", b"", "at once"),
        ("stream.write('part'); throw new RangeError('later')", b"part", "later"),
        (
            "stream.write('part'); setTimeout(() => { throw new RangeError('aside') }, 1); await new Promise(() => {})",
            b"part",
            "aside",
        ),
    ],
)
def test_a_failure_is_told_after_what_was_sent(
    aws_lambda: Any, stream: Callable[..., str], body: str, before: bytes, message: str
) -> None:
    stream("s-fails", body)
    data, complete = read(aws_lambda.invoke_with_response_stream(FunctionName="s-fails"))
    assert data == before
    assert complete["ErrorCode"] == "Unhandled"
    details = json.loads(complete["ErrorDetails"])
    assert message in details["errorMessage"]
    whole = aws_lambda.invoke(FunctionName="s-fails")
    assert whole["FunctionError"] == "Unhandled"
    assert message in json.loads(whole["Payload"].read())["errorMessage"]


def test_a_timeout_in_mid_stream(aws_lambda: Any, stream: Callable[..., str]) -> None:
    stream("s-slow", "stream.write('part'); await wait(context)", Timeout=1)
    data, complete = read(aws_lambda.invoke_with_response_stream(FunctionName="s-slow", LogType="Tail"))
    assert data == b"part"
    assert complete["ErrorCode"] == "Unhandled"
    assert "Task timed out after 1.00 seconds" in json.loads(complete["ErrorDetails"])["errorMessage"]
    assert "Status: timeout" in base64.b64decode(complete["LogResult"]).decode()


def test_a_crash_in_mid_stream(aws_lambda: Any, stream: Callable[..., str]) -> None:
    stream("s-crash", "stream.write('part', () => setTimeout(() => process.exit(3), 50)); await new Promise(() => {})")
    for _ in range(2):
        data, complete = read(aws_lambda.invoke_with_response_stream(FunctionName="s-crash"))
        assert data == b"part"
        assert json.loads(complete["ErrorDetails"])["errorType"] == "Runtime.ExitError"


def test_an_absent_function_is_an_ordinary_error(aws_lambda: Any) -> None:
    with pytest.raises(ClientError, match="Function not found") as caught:
        aws_lambda.invoke_with_response_stream(FunctionName="s-nobody")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_dry_run_runs_nothing(aws_lambda: Any, echo: str) -> None:
    answer = aws_lambda.invoke_with_response_stream(FunctionName=echo, InvocationType="DryRun")
    assert answer["StatusCode"] == 204


@pytest.mark.parametrize("first", ["first", ""], ids=["in mid-stream", "before the first byte"])
def test_a_client_that_leaves_does_not_stop_the_function(
    aws_lambda: Any, logs: Any, node: Node, stream: Callable[..., str], first: str
) -> None:
    begin = f"stream.write('{first}');" if first else ""
    mark = uuid.uuid4().hex  # the log of an earlier case must not answer for this one
    rest = f"stream.write('x'.repeat(2000000)); console.log('went on {mark}'); stream.end();"
    arn = stream("s-left", f"console.log('began {mark}'); {begin} await wait(context); {rest}")
    connection = connect(node.url)
    head = (
        "POST /2021-11-15/functions/s-left/response-streaming-invocations HTTP/1.1\r\n"
        f"Host: lambda\r\nAuthorization: {authorization()}\r\nContent-Length: 0\r\n\r\n"
    )
    connection.sendall(head.encode())
    seen = b""
    while first and b"first" not in seen:
        seen += connection.recv(65536)

    def has_said(word: str) -> bool:
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/s-left")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return False
        return any(mark in event["message"] and word in event["message"] for event in found)

    wait_for(lambda: has_said("began"), "the function runs")
    connection.shutdown(socket.SHUT_RDWR)
    connection.close()
    let_go(aws_lambda, arn)
    wait_for(lambda: has_said("went on"), "the function goes on")


def test_a_plain_invoke_of_more_than_six_megabytes_fails(aws_lambda: Any, stream: Callable[..., str]) -> None:
    stream("s-large", "for (let n = 0; n < 7; n++) stream.write('x'.repeat(1048576)); stream.end();")
    answer = aws_lambda.invoke(FunctionName="s-large")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"
    data, complete = read(aws_lambda.invoke_with_response_stream(FunctionName="s-large"))
    assert (len(data), complete) == (7 * MIB, {})


def test_node_functions_that_do_not_stream_are_as_before(aws_lambda: Any, node_js: None) -> None:
    make_node(aws_lambda, "s-plain", "exports.handler = async (event) => ({ said: event })")
    assert call(aws_lambda, "s-plain", {"a": 1}) == {"said": {"a": 1}}
    aws_lambda.delete_function(FunctionName="s-plain")


SHELL = r"""#!/bin/bash
set -euo pipefail
api="http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation"
while true; do
  headers=$(mktemp)
  curl -sS -o /tmp/event -D "$headers" "$api/next"
  id=$(grep -i '^lambda-runtime-aws-request-id' "$headers" | tr -d '\r' | cut -d' ' -f2)
  { printf 'one '; cat /tmp/event; printf ' two'; } | curl -sS -o /dev/null -X POST -T . \
    -H 'Transfer-Encoding: chunked' -H 'Lambda-Runtime-Function-Response-Mode: streaming' \
    -H 'Content-Type: text/plain' "$api/$id/response"
done
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_a_shell_script_streams(aws_lambda: Any) -> None:
    aws_lambda.create_function(
        FunctionName="s-shell",
        Role=ROLE,
        Runtime="provided.al2023",
        Code={"ZipFile": zip_of({"bootstrap": SHELL}, mode=0o755)},
        Handler="x",
    )
    wait_active(aws_lambda, "s-shell")
    data, complete = read(aws_lambda.invoke_with_response_stream(FunctionName="s-shell", Payload=b'{"a":1}'))
    assert (data, complete) == (b'one {"a":1} two', {})
    assert aws_lambda.invoke(FunctionName="s-shell", Payload=b"7")["Payload"].read() == b"one 7 two"
    aws_lambda.delete_function(FunctionName="s-shell")


PYTHON = r"""#!/usr/bin/python3
import base64, http.client, json, os, time, urllib.parse

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
endpoint = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
scope = f'{os.environ["AWS_ACCESS_KEY_ID"]}/20261123/{os.environ["AWS_REGION"]}/lambda/aws4_request'
signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"}

def is_let_go(arn):
    node = http.client.HTTPConnection(endpoint.netloc)
    node.request("GET", "/2017-03-31/tags/" + urllib.parse.quote(arn, safe=""), headers=signed)
    return "go" in json.loads(node.getresponse().read()).get("Tags", {})

def pieces(event, arn):
    yield b"first"
    if event.get("wait"):
        while not is_let_go(arn):
            time.sleep(0.02)
    yield b"second"

while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = api.getresponse()
    event = json.loads(answer.read())
    if answer.status == 403:  # the node has not seen yet that the last response was cut
        continue
    headers = {
        "Lambda-Runtime-Function-Response-Mode": "streaming",
        "Transfer-Encoding": "chunked",
        "Trailer": "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
    }
    api.putrequest("POST", f'/2018-06-01/runtime/invocation/{answer.headers["Lambda-Runtime-Aws-Request-Id"]}/response')
    for name, value in headers.items():
        api.putheader(name, value)
    api.endheaders()
    for piece in pieces(event, answer.headers["Lambda-Runtime-Invoked-Function-Arn"]):
        api.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    trailers = b""
    if event.get("fail"):
        body = base64.b64encode(b'{"errorMessage": "late", "errorType": "Mine"}')
        trailers = b"Lambda-Runtime-Function-Error-Type: Mine\r\nLambda-Runtime-Function-Error-Body: " + body + b"\r\n"
    if event.get("cut"):
        api.close()
        continue
    api.send(b"0\r\n" + trailers + b"\r\n")
    assert api.getresponse().read() == b'{"status":"OK"}\n'
"""


@pytest.mark.skipif(shutil.which("python3", path="/usr/bin") is None, reason="needs /usr/bin/python3")
def test_a_python_program_of_ones_own_streams(aws_lambda: Any) -> None:
    created = aws_lambda.create_function(
        FunctionName="s-python",
        Role=ROLE,
        Runtime="provided.al2023",
        Code={"ZipFile": zip_of({"bootstrap": PYTHON}, mode=0o755)},
        Handler="x",
        Timeout=30,
    )
    wait_active(aws_lambda, "s-python")
    events = iter(aws_lambda.invoke_with_response_stream(FunctionName="s-python", Payload=b'{"wait":1}')["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"first"}}
    let_go(aws_lambda, created["FunctionArn"])
    assert list(events) == [{"PayloadChunk": {"Payload": b"second"}}, {"InvokeComplete": {}}]
    data, complete = read(aws_lambda.invoke_with_response_stream(FunctionName="s-python", Payload=b'{"fail":1}'))
    assert (data, json.loads(complete["ErrorDetails"])) == (b"firstsecond", {"errorMessage": "late", "errorType": "Mine"})
    for _ in range(2):
        data, complete = read(aws_lambda.invoke_with_response_stream(FunctionName="s-python", Payload=b'{"cut":1}'))
        assert (data, json.loads(complete["ErrorDetails"])["errorType"]) == (b"firstsecond", "Runtime.TruncatedResponse")
    aws_lambda.delete_function(FunctionName="s-python")
