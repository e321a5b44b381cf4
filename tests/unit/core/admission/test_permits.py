"""The account's limit is a limit, and a reservation is both a right and a limit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from functory.aws.errors import AwsError
from functory.core.admission.permits import Admission, Permit
from functory.kernel.settings import LambdaSettings

ACCOUNT = "ConcurrentInvocationLimitExceeded"
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"


def admission(limit: int, **reservations: int) -> Admission:
    made = Admission(LambdaSettings(account_concurrency=limit))
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


class Model:
    """The same promises, said over plain lists and summed up anew each time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running: list[str] = []
        self.reservations: dict[str, int] = {}

    def pooled(self) -> int:
        names = set(self.running)
        return sum(max(0, self.running.count(name) - self.reservations.get(name, 0)) for name in names)

    def reason(self, name: str) -> str:
        if name in self.reservations and self.running.count(name) >= self.reservations[name]:
            return RESERVED
        if len(self.running) >= self.limit:
            return ACCOUNT
        if name not in self.reservations and self.pooled() >= self.limit - sum(self.reservations.values()):
            return ACCOUNT
        return ""


@pytest.mark.parametrize("seed", range(3))
def test_random_admissions_are_those_of_the_model(seed: int) -> None:
    chance = random.Random(seed)
    limit, names = 30, "abcdef"
    one, model = admission(limit), Model(limit)
    held: list[tuple[str, Permit]] = []
    for _ in range(10_000):
        dice = chance.random()
        name = chance.choice(names)
        if dice < 0.02:
            rest = limit - sum(places for other, places in model.reservations.items() if other != name)
            places = None if chance.random() < 0.3 else chance.randint(0, rest)
            one.reserve("1", "r", name, places)
            if places is None:
                model.reservations.pop(name, None)
            else:
                model.reservations[name] = places
        elif dice < 0.6:
            answer = attempt(one, name)
            assert reason_of(answer) == model.reason(name)
            if isinstance(answer, Permit):
                held.append((name, answer))
                model.running.append(name)
        elif held:
            name, permit = held.pop(chance.randrange(len(held)))
            permit.__exit__(None, None, None)
            model.running.remove(name)
        assert one.running("1", "r") == len(model.running) <= limit
        assert all(one.running("1", "r", other) == model.running.count(other) for other in names)
    for _, permit in held:
        permit.__exit__(None, None, None)
    assert one.running("1", "r") == 0
