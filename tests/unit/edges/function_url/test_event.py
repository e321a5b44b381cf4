"""Payload format 2.0, member by member."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.aws.http import HttpRequest
from functory.core.functions.urls import FunctionUrl
from functory.core.identity.port import Principal, PrincipalKind
from functory.edges.function_url.access import UrlCaller
from functory.edges.function_url.event import event_of, query_parameters

ID = "abcdefghijklmnopqrstuvwxyz234567"
URL = FunctionUrl(ID, "111122223333", "eu-west-1", "f")
NOW = 1583348638.390


def event(method: str = "GET", query: str = "", body: bytes = b"", caller: UrlCaller | None = None, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    request = HttpRequest(method, "/ignored", query, {"host": "x.localhost:4566", **given}, body, "192.0.2.1")
    raw = event_of(URL, request, path="/my/p%20th", domain="the.domain", caller=caller, now=NOW, ids=("id-1", "Root=1-2-3"))
    return json.loads(raw)


def test_a_plain_request_has_exactly_these_members() -> None:
    assert event(user_agent="curl/8") == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/p%20th",
        "rawQueryString": "",
        "headers": {
            "host": "x.localhost:4566",
            "user-agent": "curl/8",
            "x-amzn-trace-id": "Root=1-2-3",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "4566",
            "x-forwarded-proto": "http",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": ID,
            "domainName": "the.domain",
            "domainPrefix": ID,
            "http": {
                "method": "GET",
                "path": "/my/p%20th",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "curl/8",
            },
            "requestId": "id-1",
            "routeKey": "$default",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": False,
    }


def test_cookies_are_apart_from_the_headers() -> None:
    found = event(cookie="a=1; b=2;c=x,y")
    assert found["cookies"] == ["a=1", "b=2", "c=x,y"]
    assert "cookie" not in found["headers"]


def test_query_parameters_are_decoded_and_joined() -> None:
    found = event(query="a=1&b=x%20y+z&a=2&c=&d")
    assert found["rawQueryString"] == "a=1&b=x%20y+z&a=2&c=&d"
    assert found["queryStringParameters"] == {"a": "1,2", "b": "x y z", "c": "", "d": ""}


def test_headers_of_the_connection_and_forged_ones_do_not_reach_the_function() -> None:
    found = event(
        connection="keep-alive",
        transfer_encoding="chunked",
        x_forwarded_for="6.6.6.6",
        x_custom="ü".encode().decode("latin-1"),
    )
    assert found["headers"]["x-forwarded-for"] == "192.0.2.1"
    assert found["headers"]["x-custom"] == "ü"
    assert not {"connection", "transfer-encoding"} & set(found["headers"])


@pytest.mark.parametrize(
    ("content_type", "is_text"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("text/plain", True),
        ("TEXT/HTML", True),
        ("application/xml", True),
        ("application/javascript", True),
        ("application/x-www-form-urlencoded", False),
        ("application/octet-stream", False),
        ("image/png", False),
        ("", False),
    ],
)
def test_a_body_is_text_only_when_its_type_says_so(content_type: str, is_text: bool) -> None:
    headers = {"content_type": content_type} if content_type else {}
    found = event("POST", body="grüß".encode(), **headers)
    assert found["isBase64Encoded"] is not is_text
    assert found["body"] == ("grüß" if is_text else base64.b64encode("grüß".encode()).decode())
    assert found["headers"]["content-length"] == "6"


def test_what_is_called_text_and_is_none_is_encoded() -> None:
    assert event("POST", body=b"\xff\xfe", content_type="text/plain")["isBase64Encoded"] is True
    assert event("POST", body=b"{}", content_type="application/json", content_encoding="gzip")["isBase64Encoded"] is True


def test_a_signed_caller_is_told() -> None:
    user = Principal(PrincipalKind.USER, "444455556666", "arn:aws:iam::444455556666:user/u", user_id="AIDA")
    context = event(caller=UrlCaller("AKIA", user))["requestContext"]
    assert context["accountId"] == "444455556666"
    assert context["authorizer"] == {
        "iam": {
            "accessKey": "AKIA",
            "accountId": "444455556666",
            "callerId": "AIDA",
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": "arn:aws:iam::444455556666:user/u",
            "userId": "AIDA",
        }
    }


@given(st.text(max_size=60), st.binary(max_size=60), st.text(max_size=20), st.text(max_size=30))
def test_any_request_makes_an_event(query: str, body: bytes, content_type: str, cookie: str) -> None:
    latin = (query + cookie + content_type).encode("utf-8", "replace").decode("latin-1")
    found = event("POST", query=latin, body=body, content_type=latin, cookie=latin)
    assert found["rawQueryString"] == latin
    assert (base64.b64decode(found["body"]) if found["isBase64Encoded"] else found.get("body", "").encode()) == body
    query_parameters(query.encode("utf-8", "replace").decode())
