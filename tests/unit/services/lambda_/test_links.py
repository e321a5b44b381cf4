from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.services.lambda_.links import LIFETIME_S, CodeLinks

KEY = "ab" * 32
LINKS = CodeLinks(b"0123456789abcdef")
URL = urlsplit(LINKS.make("http://localhost:4566", KEY, 1000.5))


def test_a_link_opens_its_package_until_it_expires() -> None:
    assert LINKS.verify(URL.path, URL.query, 1000.5) == KEY
    assert LINKS.verify(URL.path, URL.query, 1000 + LIFETIME_S) == KEY
    assert LINKS.verify(URL.path, URL.query, 1000 + LIFETIME_S + 0.1) is None


def test_a_link_of_another_node_does_not_open() -> None:
    assert CodeLinks(b"another-secret-of-16-bytes").verify(URL.path, URL.query, 1000) is None


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (URL.path.replace("ab", "cd"), URL.query),
        (URL.path, URL.query.replace("Expires=1", "Expires=2")),
        (URL.path, URL.query[:-1] + ("0" if URL.query[-1] != "0" else "1")),
        (URL.path, ""),
        (URL.path, "Expires=99999999999"),
        (URL.path + "/..", URL.query),
        ("/elsewhere", URL.query),
    ],
)
def test_a_changed_link_does_not_open(path: str, query: str) -> None:
    assert LINKS.verify(path, query, 1000) is None


@given(st.text(max_size=100), st.text(max_size=200))
def test_any_request_is_answered(path: str, query: str) -> None:
    assert LINKS.verify("/_functory/code/" + path, query, 0) is None


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        CodeLinks(b"short")
