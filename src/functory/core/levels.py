"""Levels: how much of something runs now, as rooms tell it to whoever meters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Dimensions = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""


@dataclass(frozen=True, slots=True)
class Level:
    """How much of something runs now.

    Attributes:
        account_id: whose.
        region: where.
        metric: AWS's name.
        value: the level.
        dimensions: see `Dimensions`.
        unit: AWS's word.
    """

    account_id: str
    region: str
    metric: str
    value: float
    dimensions: Dimensions = ()
    unit: str = "Count"


Levels = Callable[[], Iterable[Level]]
