from __future__ import annotations

from functory.core.invocations.sampling import Sampler
from functory.core.invocations.trace import decided, is_undecided, new_trace_id
from functory.kernel.ids import SeededIds
from tests.support.lambda_store import SetClock


def test_the_first_request_of_a_second_is_sampled_and_a_twentieth_of_the_others() -> None:
    clock = SetClock()
    sampler = Sampler(clock, SeededIds(1))
    for _ in range(3):
        assert sampler.decide("f")
        assert sampler.decide("g")
        clock.now += 1
    assert sampler.decide("f")
    share = sum(sampler.decide("f") for _ in range(10_000)) / 10_000
    assert 0.04 < share < 0.06


def test_a_decision_holds_and_a_missing_one_is_made() -> None:
    fresh = new_trace_id(0.0, SeededIds(1))
    assert is_undecided(fresh)
    assert is_undecided("Root=1-2-3;Sampled=?")
    assert not is_undecided("Root=1-2-3;Parent=4;Sampled=0")
    assert decided("Root=1-2-3;Sampled=?;Parent=4", is_sampled=True) == "Root=1-2-3;Parent=4;Sampled=1"
