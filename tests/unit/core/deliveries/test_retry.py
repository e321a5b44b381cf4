from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.deliveries.port import Drop, ErrorKind, RetryAt, Tally
from functory.core.deliveries.retry import AsyncPolicy, decide_async_retry, retry_after_fault, system_wait_s

DEFAULT = AsyncPolicy()
NOW = 1_800_000_000.0
POLICIES = st.builds(
    AsyncPolicy,
    retries_max=st.integers(0, 2),
    event_age_s_max=st.floats(60, 21_600),
    base_s=st.floats(0, 1000),
)
TALLIES = st.builds(Tally, st.integers(0, 1000), st.integers(0, 5), st.integers(0, 1000))


def decide(tally: Tally, kind: ErrorKind, policy: AsyncPolicy = DEFAULT, *, age_s: float = 0.0):
    return decide_async_retry(NOW, NOW - age_s, tally, kind, policy, "error")


def run_through(kind: ErrorKind, policy: AsyncPolicy) -> tuple[list[float], str]:
    """Let every attempt fail at once; the times of the attempts after acceptance, and why it ended."""
    now, tally, times = NOW, Tally(), []
    while True:
        times.append(now - NOW)
        decision = decide_async_retry(now, NOW, tally, kind, policy, "error")
        if isinstance(decision, Drop):
            return times, decision.reason
        now, tally = decision.due_at, tally.after(kind)
        if now >= policy.expires_at(NOW):
            return times, "expired"


def test_a_function_error_is_retried_after_one_minute_and_after_two_more():
    assert run_through(ErrorKind.FUNCTION, AsyncPolicy()) == ([0, 60, 180], "RetriesExhausted")


@pytest.mark.parametrize(("retries", "times"), [(0, [0]), (1, [0, 60]), (2, [0, 60, 180])])
def test_the_number_of_retries_after_function_errors_is_the_policys(retries, times):
    assert run_through(ErrorKind.FUNCTION, AsyncPolicy(retries_max=retries)) == (times, "RetriesExhausted")


def test_the_first_wait_is_a_setting():
    assert run_through(ErrorKind.FUNCTION, AsyncPolicy(base_s=0.5)) == ([0, 0.5, 1.5], "RetriesExhausted")


def test_throttles_are_retried_with_doubling_waits_until_the_event_is_too_old():
    times, reason = run_through(ErrorKind.SYSTEM, AsyncPolicy(retries_max=0))
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(waits[10:]) == {300}
    assert (21_300 < times[-1] < 21_600, reason) == (True, "expired")


def test_a_throttle_between_function_errors_costs_no_retry_and_restarts_its_own_waits():
    tally = Tally().after(ErrorKind.FUNCTION).after(ErrorKind.SYSTEM).after(ErrorKind.SYSTEM)
    assert decide(tally, ErrorKind.FUNCTION) == RetryAt(NOW + 120, "error", ErrorKind.FUNCTION)
    tally = tally.after(ErrorKind.FUNCTION)
    assert tally == Tally(attempts=4, function_errors=2, system_errors=0)
    assert decide(tally, ErrorKind.SYSTEM) == RetryAt(NOW + 1, "error", ErrorKind.SYSTEM)


@given(TALLIES, st.sampled_from(ErrorKind), POLICIES, st.floats(0, 30_000))
def test_a_retry_is_never_in_the_past_and_never_after_the_expiry(tally, kind, policy, age_s):
    decision = decide(tally, kind, policy, age_s=age_s)
    if isinstance(decision, RetryAt):
        assert NOW <= decision.due_at <= policy.expires_at(NOW - age_s)
        assert decision.kind is kind
    else:
        assert decision.reason in {"RetriesExhausted", "EventAgeExceeded"}


@given(TALLIES, POLICIES, st.floats(0, 30_000))
def test_only_function_errors_exhaust_retries(tally, policy, age_s):
    assert decide(tally, ErrorKind.SYSTEM, policy, age_s=age_s) != Drop("RetriesExhausted")
    exhausted = decide(tally, ErrorKind.FUNCTION, policy, age_s=age_s) == Drop("RetriesExhausted")
    assert exhausted == (tally.function_errors >= policy.retries_max)


@given(st.integers(0, 10_000))
def test_system_waits_grow_from_one_second_to_five_minutes(errors):
    assert 1 <= system_wait_s(errors) <= system_wait_s(errors + 1) <= 300


def test_a_fault_of_ours_waits_like_a_system_error():
    assert retry_after_fault(NOW, Tally(system_errors=3), "bug") == RetryAt(NOW + 8, "bug", ErrorKind.SYSTEM)


@pytest.mark.parametrize(
    "values", [{"retries_max": 3}, {"retries_max": -1}, {"event_age_s_max": 59}, {"event_age_s_max": 21_601}, {"base_s": -1}]
)
def test_a_policy_out_of_range_is_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        AsyncPolicy(**values)
