from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.kernel.distribution import Distribution

VALUES = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=60)


def of(values: list[float]) -> Distribution:
    made = Distribution()
    for value in values:
        made.add(value)
    return made


@given(VALUES, st.floats(0, 100))
def test_a_percentile_is_within_one_percent_of_a_value_of_its_rank(values: list[float], percent: float) -> None:
    made, ranked = of(values), sorted(values)
    exact = next(value for place, value in enumerate(ranked, start=1) if place >= len(ranked) * percent / 100)
    assert made.percentile(percent) == pytest.approx(exact, rel=0.0101)


@given(VALUES, VALUES)
def test_merging_is_as_if_all_had_been_added_to_one(left: list[float], right: list[float]) -> None:
    merged = of(left)
    merged.merge(of(right))
    together = of(left + right)
    assert merged.buckets == together.buckets
    assert (merged.count, merged.minimum, merged.maximum) == (together.count, together.minimum, together.maximum)
    assert merged.total == pytest.approx(together.total)


def test_what_was_encoded_is_decoded() -> None:
    made = of([0.0, -2.0, 7.5])
    again = Distribution.decode(made.encode())
    assert (again.count, again.total, again.minimum, again.maximum, again.buckets) == (3, 5.5, -2.0, 7.5, made.buckets)


def test_of_a_summary_there_are_no_percentiles() -> None:
    made = of([1.0])
    assert made.has_percentiles
    made.add_summary(10, 50, 1, 9)
    assert (made.has_percentiles, made.count, made.total, made.maximum) == (False, 11, 51, 9)
    assert not Distribution().has_percentiles
