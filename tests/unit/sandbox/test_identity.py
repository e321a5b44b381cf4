"""Private ranges of ids."""

from __future__ import annotations

import itertools

import pytest

from functory.sandbox.identity import FIRST_ID, SLOTS, IdRanges
from functory.sandbox.oci_spec import ID_RANGE
from functory.sandbox.port import SandboxError


def test_ranges_do_not_overlap_and_fit_into_a_user_id() -> None:
    ranges = IdRanges(start=SLOTS - 2)
    firsts = sorted(ranges.take() for _ in range(100))
    assert all(after - before >= ID_RANGE for before, after in itertools.pairwise(firsts))
    assert firsts[0] >= FIRST_ID
    assert firsts[-1] + ID_RANGE < 2**32 - 1


def test_a_released_range_is_used_again_but_not_at_once() -> None:
    ranges = IdRanges(slots=3)
    first = ranges.take()
    ranges.release(first)
    ranges.release(first)
    assert [ranges.take() for _ in range(3)][-1] == first


def test_when_all_are_used_it_says_so() -> None:
    ranges = IdRanges(slots=1)
    ranges.take()
    with pytest.raises(SandboxError, match="in use"):
        ranges.take()
