"""What the operations on metrics accept, in AWS's words. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from functory.aws.errors import AwsError
from functory.core.levels import Dimensions
from functory.kernel.distribution import Distribution

VALUES_MAX = 150
DATA_MAX = 1000
PAST_S = 14 * 86_400
FUTURE_S = 2 * 3600
POINTS_MAX = 1440
_MAGNITUDE = 2.0**360
"""AWS: values are within -2^360 and 2^360."""
_SHORT_PERIODS = frozenset({1, 5, 10, 20, 30})
_PERCENTILE = re.compile(r"p(100(?:\.0{1,10})?|[0-9]{1,2}(?:\.[0-9]{1,10})?)")

Statistic = Callable[[Distribution], float]
STATISTICS: Mapping[str, Statistic] = {
    "SampleCount": lambda values: values.count,
    "Average": lambda values: values.total / values.count,
    "Sum": lambda values: values.total,
    "Minimum": lambda values: values.minimum,
    "Maximum": lambda values: values.maximum,
}


def invalid(text: str) -> AwsError:
    """A parameter that cannot be accepted."""
    return AwsError("InvalidParameterValueException", text)


def mismatched(text: str) -> AwsError:
    """Parameters that do not go together."""
    return AwsError("InvalidParameterCombinationException", text)


def epoch(value: Any) -> float:
    """Epoch seconds of a timestamp parameter."""
    return value.timestamp() if isinstance(value, datetime) else float(value)


def dimensions(given: Sequence[Mapping[str, str]] | None) -> Dimensions:
    """Dimensions by name.

    Raises:
        AwsError: one is there twice.
    """
    pairs = sorted((entry["Name"], entry["Value"]) for entry in given or ())
    if len({name for name, _ in pairs}) != len(pairs):
        raise invalid("The parameter Dimensions contains a dimension name more than once.")
    return tuple(pairs)


@dataclass(frozen=True, slots=True)
class Datum:
    """One accepted entry of PutMetricData."""

    name: str
    dimensions: Dimensions
    unit: str
    at: int
    period_s: Literal[1, 60]
    values: Distribution


def datum(given: Mapping[str, Any], where: str, now: float) -> Datum:
    """An entry of PutMetricData.

    Args:
        given: a MetricDatum.
        where: its name for error texts.
        now: epoch seconds.

    Raises:
        AwsError: it cannot be accepted.
    """
    kinds = [kind for kind in ("Value", "StatisticValues", "Values") if kind in given]
    if not kinds:
        raise AwsError(
            "MissingRequiredParameterException", f"At least one of the parameters must be specified: {where}.Value."
        )
    if len(kinds) > 1:
        raise mismatched(f"The parameters {where}.{kinds[0]} and {where}.{kinds[1]} are mutually exclusive.")
    resolution = given.get("StorageResolution", 60)
    if resolution not in (1, 60):
        raise invalid(f"The value {resolution} for parameter {where}.StorageResolution is invalid: use 1 or 60.")
    moment = epoch(given["Timestamp"]) if "Timestamp" in given else now
    if not now - PAST_S <= moment <= now + FUTURE_S:
        raise invalid(
            f"The parameter {where}.Timestamp must specify a time no more than two weeks in the past or two hours in the "
            "future."
        )
    return Datum(
        given["MetricName"],
        dimensions(given.get("Dimensions")),
        given.get("Unit", "None"),
        int(moment) // resolution * resolution,
        resolution,
        _values(given, where),
    )


def _values(given: Mapping[str, Any], where: str) -> Distribution:
    made = Distribution()
    if "StatisticValues" in given:
        summary = given["StatisticValues"]
        count, low, high = summary["SampleCount"], summary["Minimum"], summary["Maximum"]
        for member in ("SampleCount", "Sum", "Minimum", "Maximum"):
            _check(summary[member], f"{where}.StatisticValues.{member}")
        if count <= 0 or low > high:
            raise invalid(f"The parameter {where}.StatisticValues holds no possible statistics.")
        if low == high:
            made.add(low, count)
        else:
            made.add_summary(count, summary["Sum"], low, high)
        return made
    values = given["Values"] if "Values" in given else [given["Value"]]
    counts = given.get("Counts", [1.0] * len(values)) if "Values" in given else [1.0]
    if not values or len(values) > VALUES_MAX or len(counts) != len(values):
        raise invalid(f"The parameters {where}.Values and {where}.Counts must be of the same size, 1 to {VALUES_MAX}.")
    for value, times in zip(values, counts, strict=True):
        _check(value, f"{where}.Value")
        _check(times, f"{where}.Counts")
        if times <= 0:
            raise invalid(f"The value {times} for parameter {where}.Counts is invalid.")
        made.add(value, times)
    return made


def _check(value: float, member: str) -> None:
    if not math.isfinite(value) or abs(value) > _MAGNITUDE:
        raise invalid(f"The value {value} for parameter {member} is invalid.")


def check_period(period_s: int, name: str = "Period") -> None:
    """Refuse a period that AWS has not.

    Raises:
        AwsError: it is such a one.
    """
    if period_s not in _SHORT_PERIODS and period_s % 60:
        raise invalid(f"The parameter {name} must be 1, 5, 10, 20, 30 or a multiple of 60.")


def check_range(start: float, end: float, period_s: int) -> None:
    """Refuse a time range that is empty or has too many periods.

    Raises:
        AwsError: it is such a one.
    """
    if start >= end:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    asked = math.ceil((end - start) / period_s)
    if asked > POINTS_MAX:
        raise mismatched(
            f"You have requested up to {asked:,} datapoints, which exceeds the limit of {POINTS_MAX:,}. You may reduce the "
            "datapoints requested by increasing Period, or decreasing the time range."
        )


def statistic(name: str) -> Statistic | None:
    """The statistic of that name, ``p99.9`` included; None when there is none here."""
    if name in STATISTICS:
        return STATISTICS[name]
    found = _PERCENTILE.fullmatch(name)
    percent = float(found[1]) if found else None
    return (lambda values: values.percentile(percent)) if percent is not None else None
