"""What separates a function from the machine: words, and which of two wishes holds. Pure.

A function may ask for an isolation with the tag `TAG`; an operator may demand one for a whole account. A function gets the
stronger of the two: a tag never weakens what the operator has set.
"""

from __future__ import annotations

from collections.abc import Mapping

TAG = "functory:isolation"
"""Tag of a function; its value is one of `KINDS`."""

NONE = "none"
CONTAINER = "container"
GVISOR = "gvisor"
KINDS = (CONTAINER, GVISOR)
"""What can be asked for, the weakest first."""

_STRENGTH = {NONE: 0, CONTAINER: 1, GVISOR: 2}


def asked_for(tags: Mapping[str, str]) -> str:
    """The isolation that a function's tags ask for, or ``""``."""
    return tags.get(TAG, "")


def weakens(asked: str, floor: str) -> bool:
    """Whether ``asked`` is less than ``floor``."""
    return _STRENGTH[asked] < _STRENGTH[floor]


def effective(asked: str, floor: str) -> str:
    """What a function gets.

    Args:
        asked: one of `KINDS`, or ``""``.
        floor: what its account has at least; one of `KINDS`, or `NONE`.
    """
    return floor if not asked or weakens(asked, floor) else asked


def epoch_of(epoch: str, asked: str) -> str:
    """An epoch of a function version that differs between isolations, so that a change of the tag retires environments."""
    return f"{epoch}/{asked}" if asked else epoch


def plain_epoch(epoch: str) -> str:
    """What `epoch_of` was given."""
    return epoch.partition("/")[0]
