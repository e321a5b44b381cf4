"""A request to a function URL from address to answer, with the function scripted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest, HttpResponse
from functory.core.functions.urls import AUTH_IAM, RESPONSE_STREAM, Cors, FunctionUrl
from functory.core.invocations.outcome import Outcome, OutcomeKind
from functory.core.invocations.pace import Pace
from functory.core.invocations.streams import ResponseStream
from functory.edges.function_url.access import OpenAccess
from functory.edges.function_url.api import FunctionUrlApi
from functory.edges.function_url.streamed import INTEGRATION
from functory.kernel.clock import SystemClock
from functory.kernel.ids import SeededIds
from functory.net.streamed_answer import BrokenStream

ID = "abcdefghijklmnopqrstuvwxyz234567"
SIGNED = "AWS4-HMAC-SHA256 Credential=444455556666/20261123/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=00"
FORBIDDEN = (
    b'{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: '
    b'https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}'
)


class Functions:
    """One URL and what its function does."""

    def __init__(self, url: FunctionUrl | None, answer: bytes | AwsError = b"{}", *, error: str = "") -> None:
        self.url = url
        self.answer = answer
        self.error = error
        self.events: list[dict] = []
        self.streams: ResponseStream | None = None
        self.answers: list[int] = []

    def answered(self, url: FunctionUrl, status: int, latency_ms: float) -> None:
        assert (url, latency_ms >= 0) == (self.url, True)
        self.answers.append(status)

    async def find(self, url_id: str) -> FunctionUrl | None:
        return self.url if url_id == ID else None

    async def invoke(self, url: FunctionUrl, request_id: str, event: bytes, trace_id: str) -> Outcome:
        self.events.append(json.loads(event))
        if isinstance(self.answer, AwsError):
            raise self.answer
        kind = OutcomeKind.FUNCTION_FAILED if self.error else OutcomeKind.SUCCEEDED
        return Outcome(kind, request_id, self.answer, self.error)

    async def stream(self, url: FunctionUrl, request_id: str, event: bytes, trace_id: str) -> ResponseStream:
        self.events.append(json.loads(event))
        if self.streams is None:
            raise AwsError("TooManyRequestsException", "Rate Exceeded.", members={"retryAfterSeconds": 1})
        return self.streams


class Source:
    def pause(self) -> None: ...

    def resume(self) -> None: ...


def streamed(content_type: str | None, *pieces: bytes, error: str = "") -> ResponseStream:
    """A finished stream; content type None for a function that does not stream."""
    stream = ResponseStream(10_000_000, Pace(10_000_000, 1, 0.0))
    whole = b"".join(pieces)
    if content_type is not None:
        stream.begin(content_type, Source())
        for piece in pieces:
            stream.take(piece)
        whole = b""
    stream.finish(Outcome(OutcomeKind.FUNCTION_FAILED if error else OutcomeKind.SUCCEEDED, "id", whole, error))
    return stream


def url(**members: object) -> FunctionUrl:
    return FunctionUrl(ID, "111122223333", "eu-west-1", "f", **members)  # type: ignore[arg-type]


def ask(functions: Functions, method: str = "GET", *, oversize: bool = False, **headers: str) -> HttpResponse:
    given = {"host": f"{ID}.lambda-url.eu-west-1.localhost:4566", **{k.replace("_", "-"): v for k, v in headers.items()}}
    api = FunctionUrlApi(functions, OpenAccess("000000000000"), functions, SystemClock(), SeededIds(1), "localhost")
    return asyncio.run(api.answer(HttpRequest(method, "/p", "", given), oversize=oversize))


async def all_of(stream: AsyncIterator[bytes] | None) -> bytes:
    assert stream is not None
    return b"".join([piece async for piece in stream])


def test_a_request_becomes_an_event_and_the_answer_a_response() -> None:
    functions = Functions(url(), b'{"statusCode":201,"body":"hi"}')
    answer = ask(functions)
    assert (answer.status, answer.body) == (201, b"hi")
    assert functions.events[0]["rawPath"] == "/p"
    assert functions.events[0]["requestContext"]["domainName"] == f"{ID}.lambda-url.eu-west-1.localhost"
    names = [name for name, _ in answer.headers]
    assert names == ["Content-Type", "x-amzn-RequestId", "X-Amzn-Trace-Id"]
    assert answer.header("x-amzn-requestid") == functions.events[0]["requestContext"]["requestId"]
    assert answer.header("x-amzn-trace-id") == functions.events[0]["headers"]["x-amzn-trace-id"]


def test_an_unknown_url_is_forbidden() -> None:
    functions = Functions(None)
    answer = ask(functions)
    assert (answer.status, answer.body, functions.answers) == (403, FORBIDDEN, [])


def test_a_failed_function_and_a_bad_answer_are_bad_gateways() -> None:
    for functions in (Functions(url(), b"{}", error="Unhandled"), Functions(url(), b'{"statusCode":1}')):
        answer = ask(functions)
        assert (answer.status, answer.body) == (502, b"Internal Server Error")
        assert functions.answers == [502]


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (
            AwsError("TooManyRequestsException", "Rate Exceeded.", members={"retryAfterSeconds": 1}),
            429,
            b'{"Message":"Rate Exceeded."}',
        ),
        (AwsError("RequestTooLargeException", "Too large"), 413, b'{"Message":"Too large"}'),
        (AwsError("ResourceNotFoundException", "x"), 403, FORBIDDEN),
        (AwsError("ResourceConflictException", "x"), 502, b'{"Message":"Internal Server Error"}'),
        (AwsError("ServiceException", "x"), 503, b'{"Message":"Service Unavailable"}'),
    ],
)
def test_what_did_not_run_is_told_as_a_status(error: AwsError, status: int, body: bytes) -> None:
    answer = ask(Functions(url(), error))
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("retry-after") == ("1" if status == 429 else None)


def test_a_body_that_is_too_long_is_refused_before_anything_runs() -> None:
    functions = Functions(url())
    answer = ask(functions, "POST", oversize=True)
    assert answer.status == 413
    assert b"6291456 bytes" in answer.body
    assert functions.events == []


def test_iam_wants_a_signature_for_lambda() -> None:
    functions = Functions(url(auth_type=AUTH_IAM))
    for header in (
        "",
        "Bearer x",
        "AWS4-HMAC-SHA256 nonsense",
        SIGNED.replace("/lambda/", "/s3/"),
        SIGNED.partition(", Sig")[0],
    ):
        answer = ask(functions, **({"authorization": header} if header else {}))
        assert (answer.status, answer.body) == (403, FORBIDDEN), header
    assert functions.events == []
    assert ask(functions, authorization=SIGNED).status == 200
    iam = functions.events[0]["requestContext"]["authorizer"]["iam"]
    assert (iam["accessKey"], iam["accountId"], iam["userArn"]) == (
        "444455556666",
        "444455556666",
        "arn:aws:iam::444455556666:root",
    )


def test_without_auth_a_signature_is_nobodys_business() -> None:
    functions = Functions(url())
    assert ask(functions, authorization="Bearer x").status == 200
    assert functions.events[0]["requestContext"]["accountId"] == "anonymous"
    assert functions.events[0]["headers"]["authorization"] == "Bearer x"


def test_a_preflight_needs_no_signature_and_reaches_no_function() -> None:
    functions = Functions(url(auth_type=AUTH_IAM, cors=Cors(allow_origins=("*",))))
    answer = ask(functions, "OPTIONS", origin="https://a.example", access_control_request_method="GET")
    assert (answer.status, answer.header("access-control-allow-origin")) == (200, "*")
    refused = ask(functions, origin="https://a.example")
    assert (refused.status, refused.header("access-control-allow-origin")) == (403, "*")
    assert functions.events == []


def test_a_stream_with_a_prelude() -> None:
    functions = Functions(url(invoke_mode=RESPONSE_STREAM))
    prelude = b'{"statusCode":206,"headers":{"content-type":"text/plain"},"cookies":["a=1"]}'
    functions.streams = streamed(INTEGRATION, prelude + b"\0" * 5, b"\0" * 3 + b"bo", b"dy")
    answer = ask(functions)
    assert answer.status == 206
    assert answer.headers[:2] == [("content-type", "text/plain"), ("Set-Cookie", "a=1")]
    assert asyncio.run(all_of(answer.stream)) == b"body"


@pytest.mark.parametrize(
    ("content_type", "seen"),
    [("", "application/octet-stream"), ("text/event-stream", "text/event-stream"), (None, "application/json")],
)
def test_a_stream_without_a_prelude_is_the_body_of_a_200(content_type: str | None, seen: str) -> None:
    functions = Functions(url(invoke_mode=RESPONSE_STREAM))
    functions.streams = streamed(content_type, b'{"statusCode":', b"500}")
    answer = ask(functions)
    assert (answer.status, answer.header("content-type")) == (200, seen)
    body = answer.body if answer.stream is None else asyncio.run(all_of(answer.stream))
    assert body == b'{"statusCode":500}'


@pytest.mark.parametrize(
    "stream",
    [
        streamed(None, b"{}", error="Unhandled"),
        streamed("text/plain", error="Unhandled"),
        streamed(INTEGRATION, error="Unhandled"),
        streamed(INTEGRATION, b'{"statusCode":200}', error="Unhandled"),
        streamed(INTEGRATION, b"nonsense" + b"\0" * 8),
        streamed(INTEGRATION, b"x" * 2_000_000),
    ],
)
def test_a_failure_before_the_head_is_a_bad_gateway(stream: ResponseStream) -> None:
    functions = Functions(url(invoke_mode=RESPONSE_STREAM))
    functions.streams = stream
    answer = ask(functions)
    assert (answer.status, answer.body, answer.stream) == (502, b"Internal Server Error", None)


def test_a_failure_in_the_body_breaks_it_off() -> None:
    functions = Functions(url(invoke_mode=RESPONSE_STREAM))
    functions.streams = streamed("text/plain", b"part", error="Unhandled")
    answer = ask(functions)
    with pytest.raises(BrokenStream):
        asyncio.run(all_of(answer.stream))


def test_a_throttled_stream_is_a_429() -> None:
    assert ask(Functions(url(invoke_mode=RESPONSE_STREAM))).status == 429
