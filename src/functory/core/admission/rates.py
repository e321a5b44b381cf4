"""Token buckets: how often something may happen. Pure arithmetic; the time is an argument.

A bucket holds up to ``capacity`` tokens and gains ``rate_per_s`` of them every second, continuously; what does not fit is
lost, so nothing is saved up beyond the capacity. Rate and capacity come with every call, because the limits they follow
from may change while the bucket lives.
"""

from __future__ import annotations

REQUESTS_PER_PLACE = 10
"""AWS: synchronous requests per second for every place of concurrency."""

SCALING_INTERVAL_S = 10.0
"""AWS: a function gets 1,000 more environments every 10 s."""


class TokenBucket:
    """See the module. A new one is full."""

    __slots__ = ("__weakref__", "_at", "_spent")

    def __init__(self, now: float) -> None:
        self._at = now
        self._spent = 0.0

    def take(self, now: float, wanted: int, rate_per_s: float, capacity: float) -> int:
        """Take up to ``wanted`` whole tokens; how many there were.

        Args:
            now: seconds on any clock that does not go back.
            wanted: tokens.
            rate_per_s: gained per second.
            capacity: most that the bucket holds.
        """
        spent = self._spent - (now - self._at) * rate_per_s
        self._at = now
        spent = max(spent, 0.0)
        granted = min(wanted, int(capacity - spent + 1e-9))
        if granted <= 0:
            self._spent = spent
            return 0
        self._spent = spent + granted
        return granted

    def is_full(self, now: float, rate_per_s: float) -> bool:
        """Whether a new bucket would be the same."""
        return self._spent <= (now - self._at) * rate_per_s
