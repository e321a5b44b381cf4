from __future__ import annotations

import contextlib
import hashlib
import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.artifacts.errors import BadPackage, PackageFault
from functory.core.artifacts.package import inspect
from functory.kernel.limits import ZIP_ENTRIES
from tests.support.hostile_zips import FILE, HOSTILE, LINK, bomb, made_of, with_lying_size
from tests.support.lambda_store import make_zip


def test_facts_of_a_package_are_counted() -> None:
    content = make_zip({"a.py": "x" * 100, "b/c.py": "y" * 50})
    facts = inspect(content)
    assert facts.key == hashlib.sha256(content).hexdigest()
    assert (facts.zipped_bytes, facts.unzipped_bytes, facts.files) == (len(content), 150, 2)


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_zip_is_refused(content: bytes) -> None:
    with pytest.raises(BadPackage) as caught:
        inspect(content)
    assert caught.value.fault is PackageFault.UNREADABLE


def test_links_that_stay_inside_are_taken() -> None:
    facts = inspect(
        made_of([("lib/a", b"1", FILE), ("lib/b", b"a", LINK), ("c", b"lib/../lib/b", LINK), ("d", b"./none", LINK)])
    )
    assert facts.files == 4


@pytest.mark.parametrize("content", [b"", make_zip({}), made_of([("d/", b"", 0o040755)])], ids=["bytes", "entries", "files"])
def test_a_package_without_anything_is_empty(content: bytes) -> None:
    with pytest.raises(BadPackage) as caught:
        inspect(content)
    assert caught.value.fault is PackageFault.EMPTY


def test_content_over_the_limit_is_too_large_and_exactly_the_limit_is_not() -> None:
    content = make_zip({"a": b"x" * 600, "b": b"y" * 400})
    assert inspect(content, unzipped_bytes_max=1000).unzipped_bytes == 1000
    with pytest.raises(BadPackage) as caught:
        inspect(content, unzipped_bytes_max=999)
    assert caught.value.fault is PackageFault.TOO_LARGE


def test_a_bomb_ends_at_the_limit_whatever_its_headers_say() -> None:
    content = bomb(8)
    with pytest.raises(BadPackage):
        inspect(content, unzipped_bytes_max=1 << 20)
    with pytest.raises(BadPackage):
        inspect(with_lying_size(content, 10), unzipped_bytes_max=1 << 20)


def test_too_many_entries_are_refused_before_they_are_read() -> None:
    content = make_zip({"a": b"1"}) + b"PK\x01\x02" * (ZIP_ENTRIES + 1)
    with pytest.raises(BadPackage, match="entries"):
        inspect(content)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_package_or_a_bad_package(noise: bytes) -> None:
    with pytest.raises(BadPackage):
        inspect(noise)


@given(st.integers(0, 200), st.integers(0, 255))
def test_one_changed_byte_never_escapes_as_another_error(position: int, value: int) -> None:
    content = bytearray(make_zip({"index.py": "print()\n" * 20, "b": "x"}))
    content[position % len(content)] = value
    with contextlib.suppress(BadPackage):
        inspect(bytes(content))


names = st.lists(st.sampled_from(["a", "b", "c", ".", "..", "d e", "ä"]), min_size=1, max_size=4).map("/".join)
targets = st.lists(st.sampled_from(["a", "b", "c", ".", ".."]), min_size=1, max_size=6).map("/".join)


@given(
    st.lists(
        st.one_of(st.tuples(names, st.just(b"1"), st.just(FILE)), st.tuples(names, targets.map(str.encode), st.just(LINK))),
        max_size=6,
    )
)
def test_what_is_taken_can_be_read_again(members: list[tuple[str, bytes, int]]) -> None:
    content = made_of(members)
    try:
        facts = inspect(content)
    except BadPackage:
        return
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert facts.files == len(archive.infolist())
