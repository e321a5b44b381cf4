"""Ids of an ordinary user's node, from the files that tell them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from functory.sandbox.identity import IdRanges, OwnId, ids_for
from functory.sandbox.rootless import ids_here, is_possible, subordinates, user_outside


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("         0          0 4294967295\n", -1),
        ("0 1001 1\n1 100000 65536\n", 65_536),
        ("0 1001 1\n", 0),
        ("", -1),
        ("nonsense\n", -1),
    ],
)
def test_the_ids_of_a_namespace_are_counted_beside_its_root(tmp_path: Path, text: str, count: int) -> None:
    if text:
        (tmp_path / "uid_map").write_text(text)
    assert ids_here(tmp_path / "uid_map") == count


def test_the_user_outside_is_the_one_that_root_is_mapped_to(tmp_path: Path) -> None:
    (tmp_path / "uid_map").write_text("0 1001 1\n1 100000 65536\n")
    assert user_outside(tmp_path / "uid_map") == 1001
    assert user_outside(tmp_path / "none") == os.geteuid()


def test_a_user_has_the_range_of_its_name_or_number(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    assert subordinates(file, 0) is None
    file.write_text("someone:100000:65536\nroot:200000:1000\n77:300000:999999\nbroken:x:y\n")
    assert subordinates(file, 0) == (200_000, 1000)
    assert subordinates(file, 77) == (300_000, 65_536)
    assert subordinates(file, 78) is None


def test_sandboxes_get_what_there_is() -> None:
    assert ids_for(-1, 0).layout == "range"
    few = ids_for(65_536, start=0)
    assert isinstance(few, IdRanges)
    assert few.layout == "few"
    assert [few.take() for _ in range(3)] == [1, 4, 7]
    few.release(1)
    last = {few.take() for _ in range(21_845 - 2)}
    assert max(last) + 2 <= 65_536
    assert isinstance(ids_for(0, 0), OwnId)
    assert ids_for(2, 0).layout == "own"


def test_asking_leaves_this_process_where_it_is() -> None:
    before = Path("/proc/self/uid_map").read_text()
    assert isinstance(is_possible(), str)
    assert Path("/proc/self/uid_map").read_text() == before
