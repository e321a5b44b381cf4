"""From stored points to the datapoints of a query. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from functory.kernel.distribution import Distribution

_MINUTE, _FIVE_MINUTES, _HOUR = 60, 300, 3600
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Point:
    """A stored point; ``at`` is the epoch second at which its period begins."""

    at: int
    unit: str
    values: Distribution


def aligned_start(start: float, now: float, period_s: int) -> int:
    """Where the first period of a query begins.

    AWS: the start is rounded down to a whole minute, for older data to five minutes (15 days) or an hour (63 days); for
    periods under a minute to these.
    """
    age = now - start
    grain = _HOUR if age > 63 * DAY_S else _FIVE_MINUTES if age > 15 * DAY_S else min(period_s, _MINUTE)
    return int(start // grain * grain)


def in_periods(points: Iterable[Point], start: int, period_s: int) -> dict[tuple[int, str], Distribution]:
    """Begin of a period and unit -> everything in it, by time."""
    found: dict[tuple[int, str], Distribution] = {}
    for point in points:
        begin = start + (point.at - start) // period_s * period_s
        found.setdefault((begin, point.unit), Distribution()).merge(point.values)
    return dict(sorted(found.items()))
