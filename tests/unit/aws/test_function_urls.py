"""Which requests are for function URLs, and what they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.aws.function_urls import UrlAddress, address_of, is_function_url
from functory.aws.http import HttpRequest

ID = "abcdefghijklmnopqrstuvwxyz234567"


def request(host: str, path: str = "/") -> HttpRequest:
    return HttpRequest("GET", path, "", {"host": host})


@pytest.mark.parametrize(
    "host",
    [
        f"{ID}.lambda-url.eu-west-1.localhost:4566",
        f"{ID}.lambda-url.eu-west-1.localhost",
        f"{ID}.lambda-url.eu-west-1.on.aws",
        f"{ID.upper()}.Lambda-URL.eu-west-1.on.aws.:443",
        f"{ID}.lambda-url.eu-west-1.functions.example.com",
    ],
)
def test_a_host_names_a_url_below_any_domain(host: str) -> None:
    asked = request(host, "/2015-03-31/functions/f/invocations")
    assert is_function_url(asked)
    found = address_of(asked)
    assert found is not None
    assert (found.url_id, found.path) == (ID, "/2015-03-31/functions/f/invocations")
    assert found.domain == host.lower().rpartition(":")[0].rstrip(".") or ":" not in host


@pytest.mark.parametrize(
    ("path", "seen"), [("", "/"), ("/", "/"), ("/a%20b//c/", "/a%20b//c/"), ("/_functory/health", "/_functory/health")]
)
def test_a_path_names_a_url_and_the_rest_is_the_functions(path: str, seen: str) -> None:
    asked = request("127.0.0.1:4566", f"/_functory/url/{ID}{path}")
    assert is_function_url(asked)
    assert address_of(asked) == UrlAddress(ID, "", seen)


@pytest.mark.parametrize(
    "host", ["short.lambda-url.eu-west-1.localhost", f"{ID}.lambda-url.", f"x.{ID}.lambda-url.eu.on.aws"]
)
def test_a_host_that_no_url_can_have_is_for_urls_and_names_none(host: str) -> None:
    assert is_function_url(request(host))
    assert address_of(request(host)) is None


@pytest.mark.parametrize(
    "asked", [request("lambda.eu-west-1.localhost"), request("127.0.0.1", "/_functory/health"), request("")]
)
def test_other_requests_are_not_for_urls(asked: HttpRequest) -> None:
    assert not is_function_url(asked)
    assert address_of(asked) is None


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_comes_is_read_or_not(host: str, path: str) -> None:
    for asked in (request(host, "/" + path), request(f"{ID}.lambda-url.{host}"), request("x", f"/_functory/url/{path}")):
        found = address_of(asked)
        assert found is None or (is_function_url(asked) and found.path.startswith("/"))
