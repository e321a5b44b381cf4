"""The account's limit is a limit, and a reservation is both a right and a limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from functory.aws.errors import AwsError
from functory.core.admission.permits import Admission, Permit
from functory.kernel.settings import LambdaSettings

ACCOUNT = "ConcurrentInvocationLimitExceeded"
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"


class Ticking:
    """A clock on which every look takes a second, so that no rate is ever used up."""

    def __init__(self) -> None:
        self.now = 0.0

    def epoch_s(self) -> float:
        return self.now

    def monotonic_s(self) -> float:
        self.now += 1
        return self.now


def admission(limit: int, **reservations: int) -> Admission:
    made = Admission(LambdaSettings(account_concurrency=limit), Ticking())
    for name, places in reservations.items():
        made.reserve("1", "r", name, places)
    return made


def attempt(one: Admission, name: str) -> Permit | AwsError:
    try:
        return one.permit("1", "r", name)
    except AwsError as error:
        return error


def reason_of(answer: Permit | AwsError) -> str:
    """Why a call was throttled; ``""`` when it was not."""
    if isinstance(answer, Permit):
        return ""
    assert (answer.code, answer.message) == ("TooManyRequestsException", "Rate Exceeded.")
    assert answer.members["retryAfterSeconds"] == "1"
    return str(answer.members["Reason"])


def reason(one: Admission, name: str) -> str:
    """Why a call of a function is throttled now; ``""`` when it is not."""
    answer = attempt(one, name)
    if isinstance(answer, Permit):
        answer.__exit__(None, None, None)
    return reason_of(answer)


@contextmanager
def running(one: Admission, **counts: int) -> Iterator[None]:
    with ExitStack() as stack:
        for name, count in counts.items():
            for _ in range(count):
                stack.enter_context(one.permit("1", "r", name))
        yield


def test_a_call_beyond_the_limit_is_throttled_and_a_returned_permit_is_free_again() -> None:
    one = admission(1)
    with one.permit("1", "r", "f"):
        assert reason(one, "f") == reason(one, "g") == ACCOUNT
        with one.permit("2", "r", "f"), one.permit("1", "other", "f"):
            pass
    with one.permit("1", "r", "f"):
        assert (one.running("1", "r"), one.running("1", "r", "f"), one.running("1", "r", "g")) == (1, 1, 0)
    assert one.running("1", "r") == 0


def test_a_reservation_is_a_limit_of_its_function() -> None:
    one = admission(10, f=2)
    with running(one, f=2):
        assert reason(one, "f") == RESERVED
        assert reason(one, "g") == ""
    assert reason(one, "f") == ""


def test_a_reservation_is_kept_from_all_other_functions() -> None:
    one = admission(10, f=3, g=2)
    with running(one, a=4, b=1):
        assert reason(one, "a") == reason(one, "c") == ACCOUNT
        with running(one, f=3, g=2):
            assert (reason(one, "f"), reason(one, "g"), reason(one, "a")) == (RESERVED, RESERVED, ACCOUNT)


def test_a_reservation_of_nothing_stops_a_function() -> None:
    one = admission(10, f=0)
    assert (reason(one, "f"), one.reserved("1", "r", "f"), one.reserved("1", "r", "g")) == (RESERVED, 0, None)
    one.reserve("1", "r", "f", None)
    assert (reason(one, "f"), one.reserved("1", "r", "f")) == ("", None)


def test_what_runs_when_a_function_gets_a_reservation_fills_it() -> None:
    one = admission(10)
    with running(one, f=2):
        one.reserve("1", "r", "f", 3)
        with running(one, f=1, g=7):
            assert (reason(one, "f"), reason(one, "g")) == (RESERVED, ACCOUNT)


def test_what_runs_over_a_lowered_reservation_holds_places_of_the_pool() -> None:
    one = admission(10, f=6)
    with running(one, g=4):
        with running(one, f=6):
            one.reserve("1", "r", "f", 1)
            assert (reason(one, "f"), reason(one, "g")) == (RESERVED, ACCOUNT)
        with running(one, f=1, g=5):
            assert reason(one, "g") == ACCOUNT
        assert reason(one, "f") == ""


def test_what_runs_when_a_reservation_is_given_back_holds_places_of_the_pool() -> None:
    one = admission(10, f=6)
    with running(one, f=6, g=3):
        one.reserve("1", "r", "f", None)
        assert reason(one, "f") == ""
        with running(one, g=1):
            assert reason(one, "f") == reason(one, "g") == ACCOUNT


def test_a_new_reservation_does_not_let_the_account_exceed_its_limit() -> None:
    one = admission(10)
    with running(one, g=10):
        one.reserve("1", "r", "f", 5)
        assert reason(one, "f") == ACCOUNT


def test_accounts_and_regions_reserve_for_themselves() -> None:
    one = admission(10, f=0)
    with one.permit("2", "r", "f"), one.permit("1", "other", "f"):
        assert one.reserved("2", "r", "f") is None


def test_nothing_is_remembered_of_an_account_without_calls_and_reservations() -> None:
    one = admission(10, f=1)
    with running(one, f=1):
        one.reserve("1", "r", "f", None)
    one.reserve("2", "r", "never", None)
    assert reason(one, "f") == ""
    assert not one._accounts


def provision(one: Admission, name: str, places: int, ready: int | None = None) -> None:
    one.provision("1", "r", name, places)
    one.provisioned("1", "r", name, places if ready is None else ready)


def test_what_is_provisioned_is_kept_from_the_pool_and_from_calls_on_demand() -> None:
    one = admission(10)
    provision(one, "f", 4)
    with running(one, f=6):
        assert reason(one, "f") == reason(one, "g") == ACCOUNT
        with ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(one.permit_provisioned("1", "r", "f"))
            assert one.running("1", "r", "f") == one.running("1", "r") == 10


def test_a_reservation_that_is_wholly_provisioned_lets_nothing_run_on_demand() -> None:
    one = admission(200, f=3)
    provision(one, "f", 3)
    assert (reason(one, "f"), reason(one, "g")) == (RESERVED, "")
    provision(one, "f", 2)
    with running(one, f=1), one.permit_provisioned("1", "r", "f"):
        assert reason(one, "f") == RESERVED


def test_places_that_are_still_being_provisioned_serve_on_demand() -> None:
    one = admission(10, f=3)
    provision(one, "f", 3, ready=0)
    provision(one, "g", 7, ready=0)
    with running(one, f=3, g=7):
        assert reason(one, "f") == RESERVED
        one.provisioned("1", "r", "f", 3)
        with pytest.raises(AwsError, match="Rate Exceeded"):
            one.permit_provisioned("1", "r", "f")
    with one.permit_provisioned("1", "r", "f"):
        pass


def test_what_runs_on_environments_that_are_no_longer_provisioned_holds_places_of_the_pool() -> None:
    one = admission(10)
    provision(one, "f", 5)
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(one.permit_provisioned("1", "r", "f"))
        provision(one, "f", 0)
        with running(one, g=5):
            assert reason(one, "g") == ACCOUNT
    assert not one._accounts


def test_an_account_and_a_region_may_have_a_limit_of_their_own() -> None:
    limits = ("000000000001=3", "000000000001/eu-west-1=2")
    settings = LambdaSettings(account_concurrency=1, account_limits=limits)
    one = Admission(settings, Ticking())
    for region, limit in (("eu-west-1", 2), ("us-east-1", 3)):
        with ExitStack() as stack:
            for _ in range(limit):
                stack.enter_context(one.permit("000000000001", region, "f"))
            with pytest.raises(AwsError):
                one.permit("000000000001", region, "f")


class Standing(Ticking):
    """A clock that stands until it is told otherwise."""

    def monotonic_s(self) -> float:
        return self.now


def test_synchronous_requests_have_a_rate_of_ten_for_every_place() -> None:
    clock = Standing()
    one = Admission(LambdaSettings(account_concurrency=2), clock)
    for _ in range(20):
        assert reason(one, "f") == ""
    assert reason(one, "f") == "FunctionInvocationRateLimitExceeded"
    with one.permit("1", "r", "f", is_synchronous=False):
        pass
    clock.now = 0.1
    assert [reason(one, name) for name in "fgf"] == ["", "", "FunctionInvocationRateLimitExceeded"]


def test_a_reservation_has_a_rate_of_its_own() -> None:
    clock = Standing()
    one = Admission(LambdaSettings(account_concurrency=200), clock)
    one.reserve("1", "r", "f", 1)
    assert [reason(one, "f") for _ in range(11)][-1] == "ReservedFunctionInvocationRateLimitExceeded"
    assert reason(one, "g") == ""
    clock.now = 1.0
    assert reason(one, "f") == ""


def test_concurrency_is_looked_at_first_and_a_throttled_call_costs_no_rate() -> None:
    one = Admission(LambdaSettings(account_concurrency=1), Standing())
    with running(one, f=1):
        assert {reason(one, "f") for _ in range(20)} == {ACCOUNT}
    assert reason(one, "f") == ""
