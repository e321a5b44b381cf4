"""What functions answer, as HTTP."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.edges.function_url.response import BadAnswer, begun, buffered


def made(answer: Any) -> tuple[int, dict[str, str], bytes]:
    found = buffered(json.dumps(answer).encode())
    return found.status, dict(found.headers), found.body


@pytest.mark.parametrize("answer", ["hello", 7, None, True, [1], {"message": "hi"}, {"body": "no status"}])
def test_what_names_no_status_is_the_body_of_a_200(answer: Any) -> None:
    assert made(answer) == (200, {"Content-Type": "application/json"}, json.dumps(answer).encode())


def test_bytes_that_are_no_json_are_sent_as_they_are() -> None:
    found = buffered(b"\xffplain")
    assert (found.status, found.headers, found.body) == (200, [("Content-Type", "application/json")], b"\xffplain")


def test_an_answer_says_everything_itself() -> None:
    answer = {
        "statusCode": 201,
        "headers": {"content-type": "text/html", "X-N": 5, "x-b": True, "x-null": None},
        "body": "ü",
    }
    status, headers, body = made(answer)
    assert (status, body) == (201, "ü".encode())
    assert headers == {"content-type": "text/html", "X-N": "5", "x-b": "true"}


def test_without_a_type_an_answer_is_json() -> None:
    assert made({"statusCode": 204}) == (204, {"Content-Type": "application/json"}, b"")
    assert made({"statusCode": "404", "body": "x"})[0] == 404


def test_cookies_are_headers_of_their_own() -> None:
    found = buffered(json.dumps({"statusCode": 200, "cookies": ["a=1; Path=/", "b=2"]}).encode())
    assert [value for name, value in found.headers if name == "Set-Cookie"] == ["a=1; Path=/", "b=2"]


def test_a_body_in_base64_is_decoded() -> None:
    encoded = base64.b64encode(b"\x00\xff").decode()
    assert made({"statusCode": 200, "body": encoded, "isBase64Encoded": True})[2] == b"\x00\xff"


def test_headers_of_the_connection_are_sent_under_another_name_or_not_at_all() -> None:
    _, headers, _ = made(
        {"statusCode": 200, "headers": {"Content-Length": "9", "date": "x", "Transfer-Encoding": "chunked"}}
    )
    assert headers == {
        "x-amzn-Remapped-Content-Length": "9",
        "x-amzn-Remapped-date": "x",
        "Content-Type": "application/json",
    }


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "ok"},
        {"statusCode": 99},
        {"statusCode": 101},
        {"statusCode": 600},
        {"statusCode": True},
        {"statusCode": 200.5},
        {"statusCode": None},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "cookies": [1, {}]},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
    ],
)
def test_what_cannot_be_sent_is_refused(answer: Any) -> None:
    with pytest.raises(BadAnswer):
        made(answer)


def test_a_prelude_gives_status_headers_and_cookies() -> None:
    found = begun(b'{"statusCode":202,"headers":{"a":"b"},"cookies":["c=1"]}')
    assert found.status == 202
    assert found.headers == [("a", "b"), ("Set-Cookie", "c=1"), ("Content-Type", "application/octet-stream")]
    assert begun(b"{}").status == 200


@pytest.mark.parametrize("prelude", [b"", b"[]", b"no", b'{"statusCode":1}'])
def test_a_prelude_that_is_none_is_refused(prelude: bytes) -> None:
    with pytest.raises(BadAnswer):
        begun(prelude)


@given(
    st.one_of(
        st.binary(max_size=100),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=10),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["statusCode", "headers", "body", "cookies", "isBase64Encoded", "x"]), inner
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_answer_is_sent_or_refused(payload: bytes) -> None:
    try:
        found = buffered(payload)
    except BadAnswer:
        return
    assert 200 <= found.status <= 599
    assert all(set(value) & {"\r", "\n", "\0"} == set() for _, value in found.headers)
