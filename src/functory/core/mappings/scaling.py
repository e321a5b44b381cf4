"""How many batches of a queue a mapping works on at once. Pure: values and the time in, values out.

AWS: a mapping begins with 5 concurrent batches; while messages are waiting it adds up to 300 a minute, up to 1,250. With
MaximumConcurrency it never has more than that; with provisioned pollers it has at once what the least number of pollers can
do (10 invocations each) and at most what the largest can. Errors and throttles make it go back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

START = 5
MOST = 1_250
PER_MINUTE = 300
PER_POLLER = 10
PROVISIONED_PER_MINUTE = 1_000
CALM_S = 60.0
"""Without a backlog for so long, a mapping goes back to where it began."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one mapping."""

    least: int
    most: int
    per_minute: int

    @classmethod
    def of(cls, config: Mapping[str, Any], *, most_of_source: int = MOST) -> Limits:
        """From the members ScalingConfig and ProvisionedPollerConfig."""
        pollers = config.get("ProvisionedPollerConfig")
        if pollers:
            least = pollers.get("MinimumPollers", 2) * PER_POLLER
            return cls(least, max(least, pollers.get("MaximumPollers", 200) * PER_POLLER), PROVISIONED_PER_MINUTE)
        most = config.get("ScalingConfig", {}).get("MaximumConcurrency", most_of_source)
        return cls(min(START, most), most, PER_MINUTE)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many batches may be under way.

    Attributes:
        batches: fractional, so that it grows evenly.
        at: when it was last changed, on the loop's clock.
        busy_at: when there was last a backlog.
    """

    batches: float
    at: float
    busy_at: float

    @classmethod
    def begin(cls, limits: Limits, now: float) -> Allowance:
        """For a mapping that begins to poll."""
        return cls(float(limits.least), now, now)

    def after_backlog(self, limits: Limits, now: float) -> Allowance:
        """All that is allowed is under way and more is waiting."""
        grown = self.batches + (now - self.at) * limits.per_minute / 60
        return Allowance(min(float(limits.most), grown), now, now)

    def after_calm(self, limits: Limits, now: float) -> Allowance:
        """Nothing was waiting."""
        if now - self.busy_at < CALM_S:
            return replace(self, at=now)
        return Allowance(float(limits.least), now, self.busy_at)

    def after_trouble(self, limits: Limits, now: float) -> Allowance:
        """The function was throttled: half as many."""
        return Allowance(max(float(min(limits.least, 1)), self.batches / 2), now, self.busy_at)
