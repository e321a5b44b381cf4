"""GetMetricStatistics and GetMetricData."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.kernel.distribution import Distribution
from functory.services.cloudwatch import rows, rules, series
from functory.services.cloudwatch.room import Room
from functory.services.cloudwatch.rows import MetricKey
from functory.services.cloudwatch.tokens import parse_token, render_token

QUERIES_MAX = 500
DATAPOINTS_MAX = 100_800


async def get_metric_statistics(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Statistics of one metric. Ours: by time. Differs: of percentiles and plain statistics only."""
    period_s, start, end = params["Period"], rules.epoch(params["StartTime"]), rules.epoch(params["EndTime"])
    rules.check_period(period_s)
    rules.check_range(start, end, period_s)
    names, extended = params.get("Statistics", []), params.get("ExtendedStatistics", [])
    if not names and not extended:
        raise AwsError("MissingRequiredParameterException", "The parameter Statistics is required.")
    percentiles = {name: rules.statistic(name) for name in extended}
    for name, statistic in percentiles.items():
        if statistic is None or not name.startswith("p"):
            raise rules.invalid(f"The value {name} for parameter ExtendedStatistics is not supported.")
    found = await _read(room, context, params, start, end, period_s, params.get("Unit"))
    datapoints = []
    for (at, unit), values in found.items():
        shown: dict[str, Any] = {"Timestamp": float(at)}
        shown |= {name: rules.STATISTICS[name](values) for name in names}
        shown["Unit"] = unit
        if percentiles and values.has_percentiles:
            shown["ExtendedStatistics"] = {name: of(values) for name, of in percentiles.items() if of is not None}
        if names or "ExtendedStatistics" in shown:
            datapoints.append(shown)
    return {"Label": params["MetricName"], "Datapoints": datapoints}


@dataclass(frozen=True, slots=True)
class _Query:
    """One checked MetricDataQuery."""

    id: str
    label: str
    metric: Mapping[str, Any]
    period_s: int
    stat: rules.Statistic
    is_percentile: bool
    unit: str | None


async def get_metric_data(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Differs: metric math (``Expression``) and other accounts are refused."""
    start, end = rules.epoch(params["StartTime"]), rules.epoch(params["EndTime"])
    if start >= end:
        raise _refused("The parameter StartTime must be less than the parameter EndTime.")
    queries = _checked(params["MetricDataQueries"], context)
    most = params.get("MaxDatapoints", DATAPOINTS_MAX)
    if not 0 < most <= DATAPOINTS_MAX:
        raise _refused(f"The parameter MaxDatapoints must be between 1 and {DATAPOINTS_MAX}.")
    token = params.get("NextToken")
    (begin,) = parse_token(token, tuple[int], "InvalidNextToken") if token else (0,)
    is_ascending = params.get("ScanBy") == "TimestampAscending"
    found = [(query, await _series(room, context, query, start, end, is_ascending=is_ascending)) for query in queries]
    results, position = [], 0
    for query, points in found:
        page = points[max(0, begin - position) : max(0, begin + most - position)]
        position += len(points)
        results.append(
            {
                "Id": query.id,
                "Label": query.label,
                "Timestamps": [at for at, _ in page],
                "Values": [value for _, value in page],
                "StatusCode": "Complete",
            }
        )
    result: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    return result | {"NextToken": render_token([begin + most])} if position > begin + most else result


async def _series(
    room: Room, context: CallContext, query: _Query, start: float, end: float, *, is_ascending: bool
) -> list[tuple[float, float]]:
    found = await _read(room, context, query.metric, start, end, query.period_s, query.unit)
    merged: dict[int, Distribution] = {}
    for (at, _), values in found.items():
        merged.setdefault(at, Distribution()).merge(values)
    usable = [(at, values) for at, values in merged.items() if values.has_percentiles or not query.is_percentile]
    points = [(float(at), query.stat(values)) for at, values in usable]
    return points if is_ascending else points[::-1]


async def _read(
    room: Room,
    context: CallContext,
    metric: Mapping[str, Any],
    start: float,
    end: float,
    period_s: int,
    unit: str | None,
) -> dict[tuple[int, str], Distribution]:
    begin = series.aligned_start(start, room.clock.epoch_s(), period_s)
    key = MetricKey(
        context.account_id,
        context.region,
        metric["Namespace"],
        metric["MetricName"],
        rules.dimensions(metric.get("Dimensions")),
    )
    points = await room.store.read(lambda conn: rows.points_of(conn, key, begin, end, unit))
    return series.in_periods(points, begin, period_s)


def _checked(given: list[Mapping[str, Any]], context: CallContext) -> list[_Query]:
    if len(given) > QUERIES_MAX:
        raise _refused(f"The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}.")
    ids = [query["Id"] for query in given]
    if len(set(ids)) != len(ids):
        raise _refused("The values for parameter id in MetricDataQueries are not unique.")
    queries = []
    for place, query in enumerate(given, start=1):
        where = f"MetricDataQueries.member.{place}"
        if not query["Id"][0].islower():
            raise _refused(f"The value {query['Id']} for parameter {where}.Id is not matching the expected pattern.")
        if "Expression" in query:
            raise _refused(f"{where}.Expression: metric math is not supported by Functory.")
        if query.get("AccountId", context.account_id) != context.account_id:
            raise _refused(f"{where}.AccountId: metrics of other accounts are not supported by Functory.")
        if "MetricStat" not in query:
            raise _refused(f"Exactly one of the parameters {where}.MetricStat and {where}.Expression must be specified.")
        checked = _query(query, where)
        if query.get("ReturnData", True):
            queries.append(checked)
    if not queries:
        raise _refused("At least one query of MetricDataQueries must have ReturnData set to true.")
    return queries


def _query(query: Mapping[str, Any], where: str) -> _Query:
    stat, metric = query["MetricStat"], query["MetricStat"]["Metric"]
    for member in ("Namespace", "MetricName"):
        if member not in metric:
            raise _refused(f"The parameter {where}.MetricStat.Metric.{member} is required.")
    statistic = rules.statistic(stat["Stat"])
    if statistic is None:
        raise _refused(f"The value {stat['Stat']} for parameter {where}.MetricStat.Stat is not supported.")
    if stat["Period"] % 60 and stat["Period"] not in (1, 5, 10, 20, 30):
        raise _refused(f"The parameter {where}.MetricStat.Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    label = query.get("Label") or metric["MetricName"]
    return _Query(query["Id"], label, metric, stat["Period"], statistic, stat["Stat"][0] == "p", stat.get("Unit"))


def _refused(text: str) -> AwsError:
    """AWS: this operation has no modelled errors but that of its token."""
    return AwsError("ValidationError", text, status=400)
