from __future__ import annotations

from functory.core.functions.routes import Candidate, Readiness, Route
from functory.kernel.ids import SeededIds


def candidate(version: str) -> Candidate:
    return Candidate(version, Readiness.READY, None, "Active")


def test_a_weighted_route_divides_requests_by_its_weight() -> None:
    route = Route(candidate("1"), candidate("2"), 0.25)
    ids = SeededIds(3)
    chosen = [route.choose(ids.fraction()).version for _ in range(10_000)]
    assert 2350 < chosen.count("2") < 2650


def test_weight_nought_never_and_weight_one_always_takes_the_additional_version() -> None:
    for fraction in (0.0, 0.5, 0.999_999):
        assert Route(candidate("1"), candidate("2"), 0.0).choose(fraction).version == "1"
        assert Route(candidate("1"), candidate("2"), 1.0).choose(fraction).version == "2"


def test_a_route_without_additional_version_has_one_answer() -> None:
    assert Route(candidate("1")).choose(0.0).version == "1"
