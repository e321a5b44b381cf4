from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.environments.provisioned import Provisioning
from functory.services.lambda_.provisioned_rules import Standing, share_out, standing
from functory.services.lambda_.records import AliasRecord


def alias(weight: float) -> AliasRecord:
    return AliasRecord("1", "r", "f", "live", "1", "revision", extra_version="2", extra_weight=weight)


@pytest.mark.parametrize(
    ("requested", "weight", "shares"),
    [
        (10, 0.5, {"1": 5, "2": 5}),
        (10, 0.1, {"1": 9, "2": 1}),
        (10, 0.001, {"1": 9, "2": 1}),
        (10, 0.999, {"1": 1, "2": 9}),
        (10, 1.0, {"2": 10}),
        (10, 0.0, {"1": 10}),
        (1, 0.2, {"1": 1}),
        (1, 0.9, {"2": 1}),
    ],
)
def test_an_alias_shares_out_by_weight(requested: int, weight: float, shares: dict[str, int]) -> None:
    assert share_out(requested, alias(weight), "1") == shares


@given(st.integers(1, 3000), st.floats(0, 1))
def test_nothing_is_lost_or_added_by_sharing_out(requested: int, weight: float) -> None:
    shares = share_out(requested, alias(weight), "1")
    assert sum(shares.values()) == requested
    assert all(count > 0 for count in shares.values())


def test_a_configuration_is_ready_when_every_version_is() -> None:
    shares = {"1": 2, "2": 1}
    assert standing(shares, {"1": Provisioning(2), "2": Provisioning(0)}, "g") == Standing("IN_PROGRESS", ready=2)
    assert standing(shares, {"1": Provisioning(9), "2": Provisioning(1)}, "g") == Standing("READY", ready=3)


def test_an_old_failure_says_nothing_about_a_new_request() -> None:
    states = {"1": Provisioning(1, 0, "WHY", "old")}
    assert standing({"1": 2}, states, "old") == Standing("FAILED", "WHY", 1)
    assert standing({"1": 2}, states, "new") == Standing("IN_PROGRESS", ready=1)
