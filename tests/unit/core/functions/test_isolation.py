"""Which isolation a function gets."""

from __future__ import annotations

import pytest

from functory.core.functions.isolation import asked_for, effective, epoch_of, weakens


@pytest.mark.parametrize(
    ("asked", "floor", "gets"),
    [
        ("", "none", "none"),
        ("", "container", "container"),
        ("", "gvisor", "gvisor"),
        ("container", "container", "container"),
        ("gvisor", "container", "gvisor"),
        ("container", "gvisor", "gvisor"),
        ("container", "none", "container"),
    ],
)
def test_the_stronger_of_two_wishes_holds(asked: str, floor: str, gets: str) -> None:
    assert effective(asked, floor) == gets


def test_container_is_less_than_gvisor() -> None:
    assert weakens("container", "gvisor")
    assert not weakens("gvisor", "gvisor")
    assert not weakens("gvisor", "container")


def test_an_isolation_is_part_of_the_epoch() -> None:
    assert epoch_of("e", asked_for({"other": "gvisor"})) == "e"
    assert epoch_of("e", asked_for({"functory:isolation": "gvisor"})) not in {"e", epoch_of("e", "container")}
