"""The division of a private range."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.sandbox.addresses import CANDIDATES, Plan, parse_range, plan
from functory.sandbox.port import SandboxError


def nets(*texts: str) -> list[IPv4Network]:
    return [IPv4Network(text) for text in texts]


def test_the_first_candidate_is_taken_when_nothing_is_in_its_way() -> None:
    assert plan("auto", nets("0.0.0.0/0", "0.0.0.0/1", "192.168.1.0/24"), [], 0).range == CANDIDATES[0]


def test_a_range_with_routes_of_the_host_is_passed_over() -> None:
    assert plan("auto", nets("10.0.0.0/8"), [], 0).range == IPv4Network("172.29.0.0/16")
    assert plan("auto", nets("10.213.7.9/32"), [], 0).range == IPv4Network("172.29.0.0/16")


def test_a_named_range_with_routes_of_the_host_is_refused() -> None:
    with pytest.raises(SandboxError, match="name a free private range"):
        plan("10.9.0.0/16", nets("10.9.8.0/24"), [], 0)


@pytest.mark.parametrize("text", ["10.9.0.0/21", "10.9.0.1/16", "fd00::/16", "4.0.0.0/7", "nonsense"])
def test_an_impossible_range_is_refused(text: str) -> None:
    with pytest.raises(SandboxError, match="network_range"):
        parse_range(text)


def test_cables_of_other_nodes_are_passed_over_and_do_not_take_the_range() -> None:
    first = plan("auto", [], [], 7)
    second = plan("auto", [], [first.uplink], 7)
    assert first.range == second.range
    assert not first.uplink.overlaps(second.uplink)


def test_when_all_cable_networks_are_used_it_is_said() -> None:
    with pytest.raises(SandboxError, match="in use"):
        plan("auto", [], [CANDIDATES[0]], 0)


@given(st.integers(0, 2**48), st.sampled_from(["auto", "10.32.0.0/11", "10.9.16.0/20"]), st.integers(0, 2**24))
def test_no_two_users_of_a_range_share_an_address(start: int, setting: str, slot: int) -> None:
    made: Plan = plan(setting, [], [], start)
    own = [made.host_end, made.gateway_end, made.resolver, made.host, made.sandbox(slot % made.slots)]
    assert len(set(own)) == len(own)
    assert all(address in made.range for address in own)
    assert made.range.broadcast_address not in own
    assert not any(address in made.uplink for address in own[2:])
