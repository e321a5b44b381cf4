from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.kernel.ids import SeededIds
from functory.services.iam.naming import arn_of, new_access_key_id, new_id, new_secret, parse_arn, url_encoded


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("user", "AIDA"), ("group", "AGPA"), ("role", "AROA"), ("policy", "ANPA"), ("instance-profile", "AIPA")],
)
def test_an_id_tells_its_kind(kind: str, prefix: str) -> None:
    ids = SeededIds(1)
    made = {new_id(ids, kind) for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(rf"{prefix}[A-Z2-7]{{17}}", each) for each in made)


def test_a_key_has_20_characters_and_its_secret_40() -> None:
    ids = SeededIds(1)
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", new_access_key_id(ids))
    secrets = {new_secret(ids) for _ in range(100)}
    assert all(re.fullmatch(r"[A-Za-z0-9+/]{40}", each) for each in secrets)
    assert len(secrets) == 100


@pytest.mark.parametrize("path", ["/", "/team/", "/a/b/"])
def test_an_arn_is_taken_apart_as_it_was_made(path: str) -> None:
    arn = arn_of("111122223333", "role", path, "worker")
    assert parse_arn(arn) == ("111122223333", "role", path, "worker")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "worker",
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::111122223333:role",
        "arn:aws:iam:eu-west-1:111122223333:role/x",
        "arn:aws:sts::111122223333:assumed-role/x/y",
        "arn:aws:iam::111122223333:mfa/x",
    ],
)
def test_what_is_no_entitys_arn_is_none(text: str) -> None:
    assert parse_arn(text) is None


@given(st.text())
def test_a_document_is_encoded_as_rfc_3986_says(text: str) -> None:
    encoded = url_encoded(text.encode("utf-8", "ignore").decode())
    assert re.fullmatch(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})*", encoded)
    assert unquote(encoded) == text.encode("utf-8", "ignore").decode()
