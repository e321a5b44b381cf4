"""How fast a response may flow. Pure.

AWS: the first 6 MB of a streamed response are not limited, the rest has 2 MB/s; its agent does it with a bucket that holds
6 MiB and is refilled with 2 MiB/s, so a response that flows slowly is never held up.
"""

from __future__ import annotations


class Pace:
    """A bucket of bytes.

    Args:
        burst_bytes: what it holds; it is full in the beginning.
        bytes_per_s: what it gains.
        now_s: on the clock that `delay_s` is asked by.
    """

    __slots__ = ("_burst", "_level", "_rate", "_seen_s")

    def __init__(self, burst_bytes: float, bytes_per_s: float, now_s: float) -> None:
        self._burst = burst_bytes
        self._rate = bytes_per_s
        self._level = burst_bytes
        self._seen_s = now_s

    def delay_s(self, size: int, now_s: float) -> float:
        """Take ``size`` bytes out; returns how long they have to wait."""
        self._level = min(self._burst, self._level + (now_s - self._seen_s) * self._rate) - size
        self._seen_s = now_s
        return max(0.0, -self._level / self._rate)
