"""How many environments are started for a demand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from functory.core.environments.scaling import Demand, starts_needed


def test_first_calls_get_an_environment_each() -> None:
    assert starts_needed(Demand(50, 0, 0, 0, None, 0.15)) == 50


def test_calls_that_a_busy_environment_serves_sooner_than_a_start_wait() -> None:
    assert starts_needed(Demand(7, 0, 1, 0, 0.0005, 0.15)) == 0


def test_long_calls_get_an_environment_each() -> None:
    assert starts_needed(Demand(5, 0, 1, 0, 1.0, 0.15)) == 5


def test_overdue_waiters_get_a_start_whatever_the_estimate_says() -> None:
    assert starts_needed(Demand(3, 2, 1, 0, 0.0005, 0.15)) == 2


def test_starts_going_on_are_counted() -> None:
    assert starts_needed(Demand(5, 0, 0, 4, None, 0.15)) == 1


@given(
    st.builds(
        Demand,
        waiting=st.integers(0, 1000),
        overdue=st.integers(0, 1000),
        running=st.integers(0, 1000),
        starting=st.integers(0, 1000),
        mean_s=st.none() | st.floats(0, 900),
        start_s=st.floats(0.001, 60),
    )
)
def test_never_more_starts_than_waiters_without_one(demand: Demand) -> None:
    needed = starts_needed(demand)
    assert 0 <= needed <= max(0, demand.waiting - demand.starting)
