"""Which functions a standby can serve, and how many to keep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.environments.standby_rules import (
    BACKOFF_S_MAX,
    LEAST,
    Demand,
    backoff_s,
    needs_own_process,
    wanted,
)

TIMES = st.lists(st.floats(0, 5), min_size=1, max_size=60)


@pytest.mark.parametrize(
    "name",
    [  # one by one
        "AWS_LAMBDA_EXEC_WRAPPER",
        "PATH",
        "PYTHONPATH",
        "PYTHONHASHSEED",
        "NODE_OPTIONS",
        "NODE_PATH",
        "LD_PRELOAD",
        "LC_ALL",
        "LANG",
        "OPENSSL_CONF",
        "UV_THREADPOOL_SIZE",
        "BASH_ENV",
        "MALLOC_ARENA_MAX",
        "GLIBC_TUNABLES",
        "SSL_CERT_FILE",
    ],
)
def test_what_is_read_when_a_process_starts_needs_one(name: str) -> None:
    assert needs_own_process(["MINE", name])


@pytest.mark.parametrize("name", ["MINE", "TZ", "HOME", "MY_PATH", "PATHS", "XLANG", "AWS_ENDPOINT_URL", "LOG_LEVEL"])
def test_other_variables_do_not(name: str) -> None:
    assert not needs_own_process([name])


def test_nobody_asked_nothing_is_wanted() -> None:
    assert wanted(Demand(), 0.0, 0.5, 4, 600.0) == 0
    assert wanted(Demand().expected(0.0), 599.0, 0.5, 4, 600.0) == LEAST
    assert wanted(Demand().expected(0.0), 600.0, 0.5, 4, 600.0) == 0


def test_a_call_that_found_none_wants_more_until_one_is_met() -> None:
    demand = Demand().asked(0.0, met=False)
    assert wanted(demand, 0.0, 0.5, 8, 600.0) == LEAST + 1
    assert wanted(demand.asked(0.0, met=True), 0.0, 0.5, 8, 600.0) == LEAST


@given(TIMES, st.floats(0.01, 10), st.integers(0, 20))
def test_what_is_wanted_stays_within_bounds_and_ends(gaps: list[float], make_s: float, most: int) -> None:
    demand, now = Demand(), 0.0
    for gap in gaps:
        now += gap
        demand = demand.asked(now, met=gap > 1)
        assert min(LEAST, most) <= wanted(demand, now, make_s, most, 60.0) <= most
    assert wanted(demand, now + 61.0, make_s, most, 60.0) == 0


@given(TIMES, st.floats(0.01, 10), st.floats(0, 50))
def test_without_questions_less_is_wanted_not_more(gaps: list[float], make_s: float, later_s: float) -> None:
    demand, now = Demand(), 0.0
    for gap in gaps:
        now += gap
        demand = demand.asked(now, met=True)
    assert wanted(demand, now + later_s, make_s, 1000, 600.0) <= wanted(demand, now, make_s, 1000, 600.0)


@given(st.integers(2, 50), st.floats(0.05, 2.0))
def test_a_steady_stream_is_covered_while_one_is_made(per_s: int, make_s: float) -> None:
    demand = Demand()
    for number in range(per_s * 30):
        demand = demand.asked(number / per_s, met=True)
    assert wanted(demand, 30.0 - 1 / per_s, make_s, 10_000, 600.0) >= per_s * make_s


@given(st.integers(0, 1000))
def test_waiting_after_failures_grows_to_a_bound(failures: int) -> None:
    assert 0 <= backoff_s(failures) <= backoff_s(failures + 1) <= BACKOFF_S_MAX
