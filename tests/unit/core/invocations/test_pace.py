"""The first bytes flow at once, the others at their rate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from functory.core.invocations.pace import Pace


def test_the_burst_is_free_and_the_rest_waits() -> None:
    pace = Pace(6, 2, 0.0)
    assert pace.delay_s(6, 0.0) == 0
    assert pace.delay_s(2, 0.0) == 1.0
    assert pace.delay_s(2, 1.0) == 1.0


def test_a_slow_flow_is_never_held_up() -> None:
    pace = Pace(6, 2, 0.0)
    assert all(pace.delay_s(2, float(second)) == 0 for second in range(100))


def test_what_is_not_used_does_not_pile_up_beyond_the_burst() -> None:
    pace = Pace(6, 2, 0.0)
    assert pace.delay_s(6, 1000.0) == 0
    assert pace.delay_s(1, 1000.0) == 0.5


@given(st.lists(st.tuples(st.integers(1, 100), st.floats(0, 5)), max_size=50))
def test_no_schedule_gets_more_than_burst_and_rate(steps: list[tuple[int, float]]) -> None:
    pace, now, sent = Pace(50, 10, 0.0), 0.0, 0
    for size, idle_s in steps:
        now += idle_s
        now += pace.delay_s(size, now)
        sent += size
        assert sent <= 50 + 10 * now + 1e-6
