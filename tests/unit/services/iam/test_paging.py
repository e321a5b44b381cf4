from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.aws.errors import AwsError
from functory.services.iam.paging import page


@given(st.sets(st.text(st.characters(codec="utf-8"), min_size=1)), st.integers(1, 5))
def test_pages_give_everything_once_and_in_order(items: set[str], size: int) -> None:
    given_so_far: list[str] = []
    params: dict[str, Any] = {"MaxItems": size}
    while True:
        shown, more = page(list(items), params, str)
        given_so_far += shown
        if not more["IsTruncated"]:
            assert "Marker" not in more
            break
        assert len(shown) == size
        params["Marker"] = more["Marker"]
    assert given_so_far == sorted(items)


def test_what_comes_and_goes_between_pages_moves_nothing_else() -> None:
    first, more = page(["a", "c", "e"], {"MaxItems": 1}, str)
    rest, _ = page(["b", "c", "e"], {"Marker": more["Marker"]}, str)
    assert first + rest == ["a", "b", "c", "e"]


def test_without_a_number_a_page_has_100() -> None:
    shown, more = page([f"{number:03d}" for number in range(101)], {}, str)
    assert (len(shown), more["IsTruncated"]) == (100, True)


@pytest.mark.parametrize("marker", ["x", "é", "////", "_w=="])
def test_a_marker_that_no_answer_carried_is_refused(marker: str) -> None:
    with pytest.raises(AwsError, match="ValidationError: Invalid Marker"):
        page(["a"], {"Marker": marker}, str)
