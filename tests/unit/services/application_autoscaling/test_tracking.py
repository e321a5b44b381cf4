from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.services.application_autoscaling.tracking import Stats, TrackingPolicy, decide

POLICY = TrackingPolicy(target=0.7, minimum=1, maximum=20)
NOW = 10_000_020.0


def stats(capacity: int, *values: float, **more: float) -> Stats:
    """The last minutes, each complete by now."""
    begin = NOW - 60 * len(values)
    return Stats(capacity, [(begin + 60 * place, value) for place, value in enumerate(values)], **more)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (stats(10, 1.0, 1.0, 1.0), 15),
        (stats(10, 0.9, 0.8, 0.71), 11),
        (stats(10, 1.0, 0.7, 1.0), 10),
        (stats(10, 1.0, 1.0), 10),
        (stats(18, 1.0, 1.0, 1.0), 20),
        (stats(10, *[0.5] * 14), 10),
        (stats(10, *[0.5] * 15), 8),
        (stats(10, *[0.1] * 14, 0.35), 5),
        (stats(10, *[0.65] * 15), 10),
        (stats(10, *[0.0] * 15), 1),
        (stats(0), 0),
        (stats(10), 10),
    ],
)
def test_capacity_follows_the_metric(given: Stats, wanted: int) -> None:
    assert decide(NOW, given, POLICY) == wanted


def test_only_what_was_seen_after_the_last_change_counts() -> None:
    assert decide(NOW, stats(10, 1.0, 1.0, 1.0, scaled_out_at=NOW - 100), POLICY) == 10
    assert decide(NOW, stats(10, 1.0, 1.0, 1.0, scaled_out_at=NOW - 180), POLICY) == 15


def test_a_minute_that_is_not_over_does_not_count() -> None:
    assert decide(NOW - 1, stats(10, 1.0, 1.0, 1.0), POLICY) == 10


def test_cooldowns_suspension_and_no_scaling_in() -> None:
    busy, quiet = stats(10, *[1.0] * 3, scaled_out_at=NOW - 200), stats(10, *[0.1] * 15, scaled_in_at=NOW - 1000)
    assert decide(NOW, busy, replace(POLICY, out_cooldown_s=201)) == 10
    assert decide(NOW, busy, replace(POLICY, out_cooldown_s=200)) == 15
    assert decide(NOW, busy, replace(POLICY, may_scale_out=False)) == 10
    assert decide(NOW, quiet, replace(POLICY, in_cooldown_s=1001)) == 10
    assert decide(NOW, quiet, replace(POLICY, in_cooldown_s=1000)) == 2
    assert decide(NOW, quiet, replace(POLICY, may_scale_in=False)) == 10


@given(st.integers(0, 50), st.lists(st.floats(0, 1), max_size=20), st.floats(0.1, 0.9))
def test_a_change_stays_within_the_bounds_and_goes_the_way_of_the_metric(
    capacity: int, values: list[float], target: float
) -> None:
    policy = replace(POLICY, target=target)
    wanted = decide(NOW, stats(capacity, *values), policy)
    if wanted > capacity:
        assert wanted <= policy.maximum
        assert values[-1] > target
    if wanted < capacity:
        assert wanted >= policy.minimum
        assert max(values[-15:]) < target
