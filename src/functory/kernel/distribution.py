"""Many values as a few numbers: count, sum, extremes, and a histogram for percentiles. Pure.

**Theory.** A value falls into the bucket ``ceil(log(value) / log(GAMMA))``, so that a bucket's middle is within one percent
of every value in it, however large. Adding one costs a logarithm and a dictionary update; two distributions are merged by
adding their buckets, so percentiles of an hour come from those of its minutes.
"""

from __future__ import annotations

import math

import msgspec

GAMMA = 1.02
_LOG_GAMMA = math.log(GAMMA)
_ZERO = -(1 << 31)
"""The bucket of values that have no logarithm: zero."""


class Distribution:
    """See the module; empty when made. Values below zero are counted exactly in sum and extremes only."""

    __slots__ = ("buckets", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self.count = 0.0
        self.total = 0.0
        self.minimum = math.inf
        self.maximum = -math.inf
        self.buckets: dict[int, float] = {}

    def add(self, value: float, times: float = 1.0) -> None:
        """Note a value, so many times."""
        self.count += times
        self.total += value * times
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)
        key = math.ceil(math.log(value) / _LOG_GAMMA) if value > 0 else _ZERO
        self.buckets[key] = self.buckets.get(key, 0.0) + times

    def add_summary(self, count: float, total: float, minimum: float, maximum: float) -> None:
        """Note values of which only this is known; they have no percentiles."""
        self.count += count
        self.total += total
        self.minimum = min(self.minimum, minimum)
        self.maximum = max(self.maximum, maximum)

    def merge(self, other: Distribution) -> None:
        """Note everything that ``other`` has noted."""
        self.add_summary(other.count, other.total, other.minimum, other.maximum)
        for key, times in other.buckets.items():
            self.buckets[key] = self.buckets.get(key, 0.0) + times

    @property
    def has_percentiles(self) -> bool:
        """Whether every value is in the histogram."""
        return self.count > 0 and math.isclose(sum(self.buckets.values()), self.count)

    def percentile(self, percent: float) -> float:
        """The value that ``percent`` (0..100) of all values do not exceed, within one percent."""
        rank, seen = self.count * percent / 100, 0.0
        for key in sorted(self.buckets):
            seen += self.buckets[key]
            if seen >= rank:
                middle = 0.0 if key == _ZERO else 2 * GAMMA**key / (1 + GAMMA)
                return min(max(middle, self.minimum), self.maximum)
        return self.maximum

    def encode(self) -> bytes:
        """As `decode` reads it."""
        rest = {str(key): times for key, times in self.buckets.items()}
        return msgspec.msgpack.encode((self.count, self.total, self.minimum, self.maximum, rest))

    @classmethod
    def decode(cls, raw: bytes) -> Distribution:
        """What `encode` wrote."""
        count, total, minimum, maximum, rest = msgspec.msgpack.decode(raw)
        made = cls()
        made.count, made.total, made.minimum, made.maximum = count, total, minimum, maximum
        made.buckets = {int(key): times for key, times in rest.items()}
        return made
