"""The account's limit is a limit."""

from __future__ import annotations

import random

import pytest

from functory.aws.errors import AwsError
from functory.core.admission.permits import Admission
from functory.kernel.settings import LambdaSettings


def test_a_call_beyond_the_limit_is_throttled_and_a_returned_permit_is_free_again() -> None:
    admission = Admission(LambdaSettings(account_concurrency=1))
    with admission.permit("1", "r"):
        with pytest.raises(AwsError) as throttled:
            admission.permit("1", "r")
        assert throttled.value.code == "TooManyRequestsException"
        assert throttled.value.members == {"Reason": "ConcurrentInvocationLimitExceeded", "retryAfterSeconds": "1"}
        with admission.permit("2", "r"), admission.permit("1", "other"):
            pass
    with admission.permit("1", "r"):
        assert admission.running("1", "r") == 1
    assert admission.running("1", "r") == 0


def test_random_admissions_never_exceed_the_limit_and_lose_no_permit() -> None:
    chance = random.Random(7)
    admission = Admission(LambdaSettings(account_concurrency=20))
    held = []
    for _ in range(10_000):
        if chance.random() < 0.55:
            try:
                permit = admission.permit("1", "r")
            except AwsError:
                assert len(held) == 20
            else:
                held.append(permit)
                assert len(held) <= 20
        elif held:
            held.pop(chance.randrange(len(held))).__exit__(None, None, None)
        assert admission.running("1", "r") == len(held)
