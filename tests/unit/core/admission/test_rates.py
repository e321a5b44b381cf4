"""A bucket grants what has flowed in, never more than it holds, and saves nothing up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from functory.core.admission.rates import TokenBucket


def test_a_new_bucket_is_full_and_refills_continuously() -> None:
    bucket = TokenBucket(0.0)
    assert bucket.take(0.0, 12, 1.0, 10) == 10
    assert bucket.take(0.9, 1, 1.0, 10) == 0
    assert bucket.take(1.0, 1, 1.0, 10) == 1
    assert bucket.take(1000.0, 99, 1.0, 10) == 10


def test_a_smaller_capacity_counts_at_once() -> None:
    bucket = TokenBucket(0.0)
    assert bucket.take(0.0, 5, 1.0, 10) == 5
    assert bucket.take(0.0, 5, 1.0, 6) == 1
    assert bucket.take(0.0, 5, 1.0, 4) == 0


def test_it_is_full_again_after_as_long_as_it_took() -> None:
    bucket = TokenBucket(0.0)
    bucket.take(0.0, 10, 2.0, 10)
    assert (bucket.is_full(4.9, 2.0), bucket.is_full(5.0, 2.0)) == (False, True)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 30)), max_size=60), st.integers(1, 50), st.integers(1, 20))
def test_never_more_than_the_capacity_and_what_flowed_in(asks: list[tuple[float, int]], capacity: int, rate: int) -> None:
    bucket, now, granted = TokenBucket(0.0), 0.0, 0
    for wait, wanted in asks:
        now += wait
        granted += bucket.take(now, wanted, float(rate), capacity)
        assert granted <= capacity + now * rate + 1e-6
