from __future__ import annotations

import io
import zipfile

import pytest

from functory.core.artifacts.signature import ENTRY, BrokenSignature, Signer, find_signer, sign
from tests.support.lambda_store import make_zip
from tests.support.signing import PROFILE, key_pair

PRIVATE, PUBLIC = key_pair()


def signed(content: bytes | None = None) -> bytes:
    return sign(content or make_zip(), PRIVATE, PROFILE, signed_at=0.0, expires_at=10.0)


def with_entry(content: bytes, name: str, text: str) -> bytes:
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def without_entry(content: bytes, name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(buffer, "w") as other:
        for each in archive.namelist():
            if each != name:
                other.writestr(each, archive.read(each))
    return buffer.getvalue()


def test_the_signer_of_a_package_is_found() -> None:
    assert find_signer(signed(), {PROFILE: PUBLIC}) == Signer(PROFILE, 10.0)
    assert find_signer(signed(signed()), {PROFILE: PUBLIC}) == Signer(PROFILE, 10.0)
    assert find_signer(signed(), {}) is None
    assert find_signer(make_zip(), {PROFILE: PUBLIC}) is None


def test_a_package_that_was_changed_is_broken() -> None:
    two = make_zip({"index.py": "x = 1\n", "other.py": "y = 1\n"})
    changed = [
        with_entry(signed(), "more.py", "x"),
        without_entry(signed(two), "other.py"),
        with_entry(without_entry(signed(two), "other.py"), "other.py", "y = 2\n"),
        with_entry(make_zip(), ENTRY, "{}"),
        with_entry(make_zip(), ENTRY, "not JSON"),
    ]
    for content in changed:
        with pytest.raises(BrokenSignature):
            find_signer(content, {PROFILE: PUBLIC})


def test_an_entry_that_is_there_twice_is_broken() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        content = with_entry(signed(), "index.py", "twice")
    with pytest.raises(BrokenSignature, match="twice"):
        find_signer(content, {PROFILE: PUBLIC})


def test_a_signature_of_another_key_is_broken() -> None:
    _, other = key_pair()
    with pytest.raises(BrokenSignature, match="not of the profile's key"):
        find_signer(signed(), {PROFILE: other})


def test_only_keys_and_zips_can_be_used() -> None:
    with pytest.raises(ValueError, match="zip"):
        sign(b"no zip", PRIVATE, PROFILE, signed_at=0.0, expires_at=1.0)
    with pytest.raises(ValueError, match=r".+"):
        sign(make_zip(), b"no key", PROFILE, signed_at=0.0, expires_at=1.0)
