"""Target tracking: how many environments to provision now. Pure: values in, a value out.

**Theory.** AWS keeps two alarms per policy: the metric was above the target for three minutes, or below nine tenths of it
for fifteen. Then capacity follows the metric in proportion, so that it would have been on target. Only minutes after the
last change count, so that a change is judged by what it did; cooldowns add to that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

OUT_MINUTES = 3
IN_MINUTES = 15
IN_SHARE = 0.9
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Stats:
    """What is known of a target at one moment.

    Attributes:
        capacity: environments that are provisioned, as asked for.
        values: (epoch second of a minute's begin, value of the metric), in order.
        scaled_out_at: epoch seconds of the policy's last change upwards, 0 for never.
        scaled_in_at: the same downwards.
    """

    capacity: int
    values: Sequence[tuple[float, float]]
    scaled_out_at: float = 0.0
    scaled_in_at: float = 0.0


@dataclass(frozen=True, slots=True)
class TrackingPolicy:
    """What is wanted.

    Attributes:
        target: of the metric.
        minimum: least capacity.
        maximum: most capacity.
        out_cooldown_s: how long after a change upwards there is no other.
        in_cooldown_s: how long after a change there is none downwards.
        may_scale_out: False while that is suspended.
        may_scale_in: False while that is suspended or disabled.
    """

    target: float
    minimum: int
    maximum: int
    out_cooldown_s: float = 0.0
    in_cooldown_s: float = 0.0
    may_scale_out: bool = True
    may_scale_in: bool = True


def decide(now: float, stats: Stats, policy: TrackingPolicy) -> int:
    """The capacity to have from now on; the present one when nothing is to be done."""
    changed_at = max(stats.scaled_out_at, stats.scaled_in_at)
    fresh = [value for at, value in stats.values if at >= changed_at and at + MINUTE_S <= now]
    high, low = fresh[-OUT_MINUTES:], fresh[-IN_MINUTES:]
    if len(high) == OUT_MINUTES and min(high) > policy.target:
        wanted = _bounded(math.ceil(stats.capacity * high[-1] / policy.target - 1e-9), policy)
        is_cool = now >= stats.scaled_out_at + policy.out_cooldown_s
        return max(wanted, stats.capacity) if policy.may_scale_out and is_cool else stats.capacity
    if len(low) == IN_MINUTES and max(low) < policy.target * IN_SHARE:
        wanted = _bounded(math.ceil(stats.capacity * max(low) / policy.target - 1e-9), policy)
        is_cool = now >= changed_at + policy.in_cooldown_s
        return min(wanted, stats.capacity) if policy.may_scale_in and is_cool else stats.capacity
    return stats.capacity


def _bounded(wanted: int, policy: TrackingPolicy) -> int:
    return min(max(wanted, policy.minimum), policy.maximum)
