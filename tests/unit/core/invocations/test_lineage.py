from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from functory.core.invocations.lineage import RESOURCES_MAX, TRIPS_MAX, next_trip, resource_id

ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
F, G = resource_id("arn:f"), resource_id("arn:g")


def test_a_chain_counts_its_trips_and_sixteen_are_allowed() -> None:
    header, ran = ROOT, 0
    while not (trip := next_trip(header, F)).is_loop:
        header, ran = trip.header, ran + 1
    assert ran == TRIPS_MAX
    assert header == f"{ROOT};Lineage=1:{F}:15"


def test_every_resource_of_a_chain_has_its_own_count() -> None:
    header = ROOT
    for resource in (F, G, F):
        header = next_trip(header, resource).header
    assert header == f"{ROOT};Lineage=1:{F}:1|{G}:0"
    assert next_trip(header, G).trips == 1


def test_a_header_that_an_sdk_encoded_is_understood() -> None:
    header = next_trip(next_trip(ROOT, F).header, G).header.replace("|", "%7C")
    assert next_trip(header, F).trips == 1
    assert "\r" not in next_trip(header + ";%0D%0Ax", F).header


def test_a_field_that_is_none_counts_as_absent() -> None:
    for field in ("Lineage=", "Lineage=x", "Lineage=1:zz:3", "Lineage=1:%zz"):
        assert next_trip(f"{ROOT};{field}", F).trips == 0


@given(st.text(max_size=200), st.integers(0, 300))
def test_a_header_stays_small_whatever_comes(garbage: str, length: int) -> None:
    header = f"{garbage};Lineage=1:" + "|".join(f"{resource_id(str(each))}:1" for each in range(length))
    trip = next_trip(header, F)
    assert trip.header.rpartition("Lineage=")[2].count("|") < RESOURCES_MAX
    assert next_trip(trip.header, F).trips == 1
