from __future__ import annotations

import pytest

from functory.core.identity.local_proof import AGE_S_MAX, is_proof, make_proof

SECRET = b"s" * 32
NOW_S = 1_800_000_000
PROOF = make_proof(SECRET, "POST", "/a", b"body", NOW_S)


def test_a_proof_holds_for_its_request_for_a_while() -> None:
    for now_s in (NOW_S - AGE_S_MAX, NOW_S + 0.5, NOW_S + AGE_S_MAX):
        assert is_proof(SECRET, "POST", "/a", b"body", PROOF, now_s)
    assert not is_proof(SECRET, "POST", "/a", b"body", PROOF, NOW_S + AGE_S_MAX + 1)
    assert not is_proof(SECRET, "POST", "/a", b"body", PROOF, NOW_S - AGE_S_MAX - 1)


@pytest.mark.parametrize(
    ("secret", "method", "path", "body"),
    [
        (b"t" * 32, "POST", "/a", b"body"),
        (SECRET, "GET", "/a", b"body"),
        (SECRET, "POST", "/b", b"body"),
        (SECRET, "POST", "/a", b"other"),
    ],
)
def test_a_proof_holds_for_nothing_else(secret: bytes, method: str, path: str, body: bytes) -> None:
    assert not is_proof(secret, method, path, body, PROOF, NOW_S)


@pytest.mark.parametrize("proof", ["", ":", "abc", f"{NOW_S}", f"{NOW_S}:", f"-1{PROOF}", "9" * 5000, "٣:a", f"{NOW_S}:é"])
def test_what_is_no_proof_is_none(proof: str) -> None:
    assert not is_proof(SECRET, "POST", "/a", b"body", proof, NOW_S)


def test_the_secret_does_not_travel() -> None:
    assert SECRET.hex() not in PROOF
    assert SECRET.decode() not in PROOF
