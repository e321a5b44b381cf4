"""Function URLs: configured with boto3, called with plain HTTP and with botocore's signer."""

from __future__ import annotations

import http.client
import json
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.support.node import ACCOUNT, REGION, Node
from tests.support.raw_http import TIMEOUT_S, Answer
from tests.support.streaming import let_go, make_streaming

SHOW = """
def handler(event, context):
    return {"event": event, "arn": context.invoked_function_arn}
"""
OBEY = """
import json
def handler(event, context):
    said = json.loads(event["body"])
    if said == "fail":
        raise RuntimeError("no")
    return said
"""
MIB = 1024 * 1024


class Caller:
    """Sends requests to function URLs of one node, which need no name resolution that way."""

    def __init__(self, node: Node) -> None:
        self.place = urlsplit(node.url)

    def connect(self) -> http.client.HTTPConnection:
        assert self.place.hostname
        return http.client.HTTPConnection(self.place.hostname, self.place.port, timeout=TIMEOUT_S)

    def ask(
        self,
        url: str,
        path: str = "",
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own; headers of the answer that are repeated are joined by ``|``."""
        connection = self.connect()
        try:
            return self.ask_on(connection, url, path, method, body, headers)
        finally:
            connection.close()

    def ask_on(
        self,
        connection: http.client.HTTPConnection,
        url: str,
        path: str = "",
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        target = urlsplit(url)
        connection.request(method, (target.path.rstrip("/") + "/" + path), body, {"Host": target.netloc, **(headers or {})})
        answer = connection.getresponse()
        found: dict[str, str] = {}
        for name, value in answer.getheaders():
            key = name.lower()
            found[key] = f"{found[key]}|{value}" if key in found else value
        return Answer(answer.status, found, answer.read())


@pytest.fixture
def caller(node: Node) -> Caller:
    return Caller(node)


@pytest.fixture
def url_of(aws_lambda: Any, make: Callable[..., str]) -> Callable[..., str]:
    """Makes a Python function with a URL; returns the URL."""

    def make_one(name: str, source: str, *, timeout: int = 20, **config: Any) -> str:
        make(name, source, Timeout=timeout)
        given = {"AuthType": "NONE", **config}
        return str(aws_lambda.create_function_url_config(FunctionName=name, **given)["FunctionUrl"])

    return make_one


@pytest.fixture
def show(aws_lambda: Any, make: Callable[..., str], caller: Caller) -> str:
    make("u-show", SHOW)
    return str(aws_lambda.create_function_url_config(FunctionName="u-show", AuthType="NONE")["FunctionUrl"])


def test_the_configuration_is_what_aws_shows(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("u-config")
    made = aws_lambda.create_function_url_config(
        FunctionName=name, AuthType="AWS_IAM", Cors={"AllowOrigins": ["*"], "MaxAge": 5}, InvokeMode="RESPONSE_STREAM"
    )
    del made["ResponseMetadata"]
    assert set(made) == {"FunctionUrl", "FunctionArn", "AuthType", "Cors", "CreationTime", "InvokeMode"}
    assert f".lambda-url.{REGION}.localhost:" in made["FunctionUrl"]
    shown = aws_lambda.get_function_url_config(FunctionName=name)
    assert set(shown) - {"ResponseMetadata"} == {*made, "LastModifiedTime"}
    [listed] = aws_lambda.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
    assert listed == {key: value for key, value in shown.items() if key != "ResponseMetadata"}
    with pytest.raises(ClientError, match="FunctionUrlConfig exists for this Lambda function"):
        aws_lambda.create_function_url_config(FunctionName=name, AuthType="NONE")
    aws_lambda.delete_function_url_config(FunctionName=name)
    with pytest.raises(ClientError, match="The resource you requested does not exist"):
        aws_lambda.get_function_url_config(FunctionName=name)


@pytest.mark.parametrize("params", [{"Qualifier": "1"}, {"Qualifier": "$LATEST"}, {"Cors": {"AllowMethods": ["OPTIONS"]}}])
def test_what_the_model_forbids_is_a_validation_error(
    unchecked_lambda: Any, make: Callable[..., str], params: dict[str, Any]
) -> None:
    name = make("u-invalid")
    with pytest.raises(ClientError, match="ValidationException"):
        unchecked_lambda.create_function_url_config(FunctionName=name, AuthType="NONE", **params)


def test_a_request_is_an_event_of_payload_format_2(caller: Caller, show: str) -> None:
    headers = {"Cookie": "a=1; b=2", "X-Mine": "yes", "User-Agent": "tests", "Content-Type": "application/json"}
    answer = caller.ask(show, "some/p%20th?q=1&q=2&r=x%20y", "POST", b'{"a": 1}', headers)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert uuid.UUID(answer.headers["x-amzn-requestid"])
    event = answer.json()["event"]
    host = urlsplit(show)
    assert (event["version"], event["routeKey"]) == ("2.0", "$default")
    assert (event["rawPath"], event["rawQueryString"]) == ("/some/p%20th", "q=1&q=2&r=x%20y")
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["queryStringParameters"] == {"q": "1,2", "r": "x y"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"a": 1}', False)
    assert event["headers"]["x-mine"] == "yes"
    assert event["headers"]["host"] == host.netloc
    context = event["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/some/p%20th",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "tests",
    }
    assert context["domainName"] == host.hostname
    assert context["domainPrefix"] == context["apiId"] == str(host.hostname).partition(".")[0]
    assert (context["accountId"], context["stage"]) == ("anonymous", "$default")
    assert context["requestId"] == answer.headers["x-amzn-requestid"]
    assert answer.json()["arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:u-show"


def test_bytes_arrive_in_base64_and_go_out_of_it(caller: Caller, url_of: Callable[..., str]) -> None:
    source = """
def handler(event, context):
    assert event["isBase64Encoded"]
    return {"statusCode": 200, "body": event["body"], "isBase64Encoded": True, "headers": {"content-type": "image/png"}}
"""
    url = url_of("u-bytes", source)
    sent = bytes(range(256)) * 100
    answer = caller.ask(url, "", "POST", sent, {"Content-Type": "image/png"})
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "image/png", sent)


def test_a_url_works_by_path_and_below_awss_own_domain(caller: Caller, show: str, node: Node) -> None:
    url_id = str(urlsplit(show).hostname).partition(".")[0]
    by_path = caller.ask(f"{node.url}/_functory/url/{url_id}", "x/y?z=1")
    assert by_path.json()["event"]["rawPath"] == "/x/y"
    assert by_path.json()["event"]["requestContext"]["domainName"] == urlsplit(show).hostname
    of_aws = caller.ask(f"https://{url_id}.lambda-url.{REGION}.on.aws/")
    assert of_aws.json()["event"]["requestContext"]["domainName"] == f"{url_id}.lambda-url.{REGION}.on.aws"


def test_what_a_function_says_is_what_the_client_gets(caller: Caller, url_of: Callable[..., str]) -> None:
    url = url_of("u-obey", OBEY)

    def say(what: Any) -> Answer:
        return caller.ask(url, "", "POST", json.dumps(what).encode(), {"Content-Type": "application/json"})

    told = say({"statusCode": 418, "headers": {"X-A": "b"}, "cookies": ["c=1", "d=2"], "body": "ü"})
    assert (told.status, told.body) == (418, "ü".encode())
    assert (told.headers["x-a"], told.headers["set-cookie"]) == ("b", "c=1|d=2")
    bare = say([1, "two"])
    assert (bare.status, bare.headers["content-type"], bare.json()) == (200, "application/json", [1, "two"])
    assert say({"statusCode": 204}).body == b""
    for wrong in ("fail", {"statusCode": "no"}, {"statusCode": 200, "body": {"a": 1}}):
        answer = say(wrong)
        assert (answer.status, answer.body) == (502, b"Internal Server Error"), wrong


def test_one_connection_carries_every_method(caller: Caller, show: str) -> None:
    connection = caller.connect()
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
        answer = caller.ask_on(connection, show, "m", method)
        assert answer.status == 200, method
        if method == "HEAD":
            assert answer.body == b""
            assert int(answer.headers["content-length"]) > 0
        else:
            assert answer.json()["event"]["requestContext"]["http"]["method"] == method
    connection.close()


def test_the_platform_answers_other_origins(caller: Caller, url_of: Callable[..., str]) -> None:
    cors = {
        "AllowOrigins": ["https://a.example"],
        "AllowMethods": ["PUT"],
        "AllowHeaders": ["x-a"],
        "ExposeHeaders": ["x-b"],
    }
    url = url_of("u-cors", SHOW, Cors=cors)
    asking = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    preflight = caller.ask(url, "", "OPTIONS", None, asking)
    assert (preflight.status, preflight.body) == (200, b"")
    assert preflight.headers["access-control-allow-origin"] == "https://a.example"
    assert preflight.headers["access-control-allow-methods"] == "PUT"
    assert preflight.headers["access-control-allow-headers"] == "x-a"
    actual = caller.ask(url, "", "PUT", None, {"Origin": "https://a.example"})
    assert actual.headers["access-control-expose-headers"] == "x-b"
    assert "access-control-allow-origin" not in caller.ask(url, "", "PUT", None, {"Origin": "https://b.example"}).headers


def sign(url: str, method: str, body: bytes, *, service: str = "lambda", presigned: bool = False) -> AWSRequest:
    request = AWSRequest(method, url, data=body)
    credentials = Credentials(ACCOUNT, "secret")
    signer = SigV4QueryAuth(credentials, service, REGION) if presigned else SigV4Auth(credentials, service, REGION)
    signer.add_auth(request)
    return request


def test_iam_wants_a_signature(caller: Caller, url_of: Callable[..., str]) -> None:
    url = url_of("u-iam", SHOW, AuthType="AWS_IAM")
    refused = caller.ask(url)
    assert refused.status == 403
    assert refused.json()["Message"].startswith("Forbidden. For troubleshooting Function URL authorization issues")
    assert caller.ask(url, "", "GET", None, dict(sign(url, "GET", b"", service="s3").headers.items())).status == 403
    allowed = caller.ask(url, "", "POST", b"x", dict(sign(url, "POST", b"x").headers.items()))
    assert allowed.status == 200
    context = allowed.json()["event"]["requestContext"]
    assert context["authorizer"]["iam"]["accessKey"] == ACCOUNT
    assert context["accountId"] == ACCOUNT
    query = urlsplit(sign(url, "GET", b"", presigned=True).url).query
    assert caller.ask(url, f"?{query}").status == 200


def test_an_unknown_or_deleted_url_is_forbidden(caller: Caller, aws_lambda: Any, show: str) -> None:
    aws_lambda.delete_function_url_config(FunctionName="u-show")
    assert caller.ask(show).status == 403
    assert caller.ask(f"http://{'a' * 32}.lambda-url.{REGION}.localhost/").status == 403


def test_an_alias_url_follows_its_alias(caller: Caller, aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("u-alias", SHOW, Publish=True)
    aws_lambda.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    url = aws_lambda.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")["FunctionUrl"]
    assert caller.ask(url).json()["arn"].endswith(":function:u-alias:live")
    aws_lambda.delete_alias(FunctionName=name, Name="live")
    assert caller.ask(url).status == 403


def test_no_concurrency_is_a_429_and_too_much_is_a_413(caller: Caller, aws_lambda: Any, show: str) -> None:
    large = caller.ask(show, "", "POST", b"x" * (6 * MIB + 1), {"Content-Type": "text/plain"})
    assert large.status == 413
    assert "6291456" in large.json()["Message"]
    swollen = caller.ask(show, "", "POST", b"x" * (5 * MIB))
    assert swollen.status == 413, "base64 makes it too long"
    aws_lambda.put_function_concurrency(FunctionName="u-show", ReservedConcurrentExecutions=0)
    throttled = caller.ask(show)
    assert throttled.status == 429
    assert set(throttled.json()) == {"Message"}
    assert int(throttled.headers["retry-after"]) > 0


def test_a_timeout_is_a_bad_gateway(caller: Caller, url_of: Callable[..., str]) -> None:
    url = url_of("u-slow", "import threading\ndef handler(e, c):\n    threading.Event().wait()\n", timeout=1)
    assert (caller.ask(url).status, caller.ask(url).body) == (502, b"Internal Server Error")


@pytest.fixture
def stream_url(aws_lambda: Any, node_js: None) -> Iterator[Callable[..., tuple[str, str]]]:
    """Makes streaming functions with a URL; returns the URL and the function's ARN."""
    made = []

    def make(name: str, body: str) -> tuple[str, str]:
        made.append(name)
        arn = make_streaming(aws_lambda, name, body)
        url = aws_lambda.create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode="RESPONSE_STREAM")
        return url["FunctionUrl"], arn

    yield make
    for name in made:
        aws_lambda.delete_function(FunctionName=name)


def test_the_first_bytes_are_there_before_the_function_ends(
    caller: Caller, aws_lambda: Any, stream_url: Callable[..., tuple[str, str]]
) -> None:
    body = """
      const head = { statusCode: 206, headers: { 'Content-Type': 'text/event-stream' }, cookies: ['a=1', 'b=2'] };
      stream = awslambda.HttpResponseStream.from(stream, head);
      stream.write('first'); await wait(context); stream.write('second'); stream.end();
    """
    url, arn = stream_url("u-first", body)
    connection = caller.connect()
    connection.request("GET", "/", headers={"Host": urlsplit(url).netloc})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Type")) == (206, "text/event-stream")
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.read(5) == b"first"
    let_go(aws_lambda, arn)
    assert answer.read() == b"second"
    connection.close()


def test_a_stream_without_metadata_is_bytes_and_keeps_the_connection(
    caller: Caller, stream_url: Callable[..., tuple[str, str]]
) -> None:
    url, _ = stream_url("u-bare", "stream.write(Buffer.alloc(100000, 'x')); stream.end();")
    connection = caller.connect()
    for method in ("GET", "HEAD", "GET"):
        answer = caller.ask_on(connection, url, "", method)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream")
        assert len(answer.body) == (0 if method == "HEAD" else 100000)
    connection.close()


def test_a_failure_before_the_head_is_a_502_and_one_after_it_cuts(
    caller: Caller, stream_url: Callable[..., tuple[str, str]]
) -> None:
    body = "if (event.rawPath === '/late') stream.write('part'); throw new Error('no');"
    url, _ = stream_url("u-breaks", body)
    early = caller.ask(url)
    assert (early.status, early.body) == (502, b"Internal Server Error")
    with pytest.raises(http.client.IncompleteRead) as cut:
        caller.ask(url, "late")
    assert cut.value.partial == b"part"


def test_half_a_request_and_nonsense_hurt_nobody(caller: Caller, show: str) -> None:
    host = urlsplit(show).netloc.encode()
    for data in (
        b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nContent-Length: 100\r\n\r\nabc",
        b"GET /\xff\xfe?\x80=%ZZ HTTP/1.1\r\nHost: " + host + b"\r\nCookie: \xff;;=;\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.lambda-url.b\r\n\r\n",
    ):
        with socket.create_connection((str(caller.place.hostname), caller.place.port), timeout=TIMEOUT_S) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)
    assert caller.ask(show).status == 200


def test_a_bare_text_is_sent_as_json(caller: Caller, url_of: Callable[..., str]) -> None:
    url = url_of("u-text", "def handler(event, context):\n    return 'Hello'\n")
    answer = caller.ask(url)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", b'"Hello"')
