"""Time as an injected value.

Rooms never read the system clock themselves: they receive a `Clock`. Waiting is done with ``asyncio`` on the running
loop; tests run on a loop with virtual time whose `LoopClock` jumps, so they wait for nothing.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def epoch_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""


class SystemClock:
    """The machine's clock."""

    def epoch_s(self) -> float:
        """See `Clock`."""
        return time.time()

    def monotonic_s(self) -> float:
        """See `Clock`."""
        return time.monotonic()


class LoopClock:
    """The running event loop's time, counted from a fixed instant: virtual when the loop's time is."""

    def __init__(self, origin_epoch_s: float = 1_800_000_000.0) -> None:
        self._origin_epoch_s = origin_epoch_s

    def epoch_s(self) -> float:
        """See `Clock`."""
        return self._origin_epoch_s + self.monotonic_s()

    def monotonic_s(self) -> float:
        """See `Clock`."""
        return asyncio.get_running_loop().time()


def epoch_ms(clock: Clock) -> int:
    """Whole milliseconds since 1970-01-01 UTC."""
    return int(clock.epoch_s() * 1000)


def utc(epoch_s: float) -> datetime:
    """An aware UTC datetime of an epoch time."""
    return datetime.fromtimestamp(epoch_s, UTC)


def iso_ms(epoch_s: float, suffix: str = "Z") -> str:
    """``2026-11-23T08:00:00.000`` plus ``suffix`` (Lambda's ``LastModified`` uses ``+0000``)."""
    return utc(epoch_s).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(epoch_s * 1000) % 1000:03d}{suffix}"
