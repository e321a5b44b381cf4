"""What the platform says to other origins."""

from __future__ import annotations

from functory.aws.http import HttpRequest
from functory.core.functions.urls import Cors
from functory.edges.function_url.cors import headers_for, preflight

FULL = Cors(
    allow_credentials=True,
    allow_headers=("x-one", "x-two"),
    allow_methods=("GET", "POST"),
    allow_origins=("https://a.example", "https://b.example"),
    expose_headers=("x-out",),
    max_age_s=60,
)


def asked(method: str = "GET", **headers: str) -> HttpRequest:
    return HttpRequest(method, "/", "", {name.replace("_", "-"): value for name, value in headers.items()})


def test_without_cors_the_function_answers_options() -> None:
    assert preflight(None, asked("OPTIONS", origin="https://a.example")) is None
    assert preflight(FULL, asked("GET", origin="https://a.example")) is None


def test_a_preflight_of_a_known_origin() -> None:
    found = preflight(FULL, asked("OPTIONS", origin="https://a.example", access_control_request_method="POST"))
    assert found is not None
    assert found.status == 200
    assert dict(found.headers) == {
        "Access-Control-Allow-Origin": "https://a.example",
        "Vary": "Origin",
        "Access-Control-Expose-Headers": "x-out",
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET,POST",
        "Access-Control-Allow-Headers": "x-one,x-two",
        "Access-Control-Max-Age": "60",
    }


def test_a_preflight_of_an_unknown_origin_gets_nothing() -> None:
    found = preflight(FULL, asked("OPTIONS", origin="https://c.example", access_control_request_method="POST"))
    assert found is not None
    assert (found.status, found.headers) == (200, [])


def test_an_actual_request_of_any_origin() -> None:
    assert headers_for(Cors(allow_origins=("*",)), asked(origin="null")) == [("Access-Control-Allow-Origin", "*")]


def test_with_credentials_the_origin_is_named_even_for_any() -> None:
    found = dict(headers_for(Cors(allow_origins=("*",), allow_credentials=True), asked(origin="https://x.example")))
    assert found["Access-Control-Allow-Origin"] == "https://x.example"


def test_no_origin_no_headers() -> None:
    assert headers_for(FULL, asked()) == []
    assert headers_for(None, asked(origin="https://a.example")) == []
