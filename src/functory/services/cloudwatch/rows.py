"""The statements of this service: values in, values out, always inside somebody's unit of work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, and_, delete, select, tuple_

from functory.core.levels import Dimensions
from functory.kernel.distribution import Distribution
from functory.services.cloudwatch.series import Point
from functory.services.cloudwatch.tables import METRICS, POINTS
from functory.store.port import upsert

T = TypeVar("T")
_CHUNK = 200
"""Rows in one statement: far below what any store allows in parameters."""


@dataclass(frozen=True, slots=True)
class MetricKey:
    """What identifies a metric."""

    account_id: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions

    @property
    def digest(self) -> str:
        """Of all but account and region."""
        return hashlib.sha256(msgspec.json.encode((self.namespace, self.name, self.dimensions))).hexdigest()


@dataclass(frozen=True, slots=True)
class NewPoint:
    """Values of a metric that are to be kept."""

    metric: MetricKey
    at: int
    period_s: int
    unit: str
    values: Distribution


def _chunks(entries: Iterable[T]) -> Iterator[list[T]]:
    left = iter(entries)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk


def keep(conn: Connection, points: Sequence[NewPoint]) -> None:
    """Add values to what is kept of their periods; metrics that are new are made."""
    for chunk in _chunks(points):
        ids = _metric_ids(conn, chunk)
        merged: dict[tuple[int, int, int, str], Distribution] = {}
        for point in chunk:
            key = (ids[point.metric], point.at, point.period_s, point.unit)
            merged.setdefault(key, Distribution()).merge(point.values)
        _merge(conn, merged)


def _merge(conn: Connection, points: dict[tuple[int, int, int, str], Distribution]) -> None:
    """Add distributions to the points of (metric, at, period, unit)."""
    keys = (POINTS.c.metric_id, POINTS.c.at, POINTS.c.period_s, POINTS.c.unit)
    query = select(*keys, POINTS.c.body).where(tuple_(*keys).in_(list(points)))
    for row in conn.execute(query):
        points[row.metric_id, row.at, row.period_s, row.unit].merge(Distribution.decode(row.body))
    written = [
        {"metric_id": metric_id, "at": at, "period_s": period_s, "unit": unit, "body": values.encode()}
        for (metric_id, at, period_s, unit), values in points.items()
    ]
    upsert(conn, POINTS, written, ("metric_id", "at", "period_s", "unit"), ("body",))


def _metric_ids(conn: Connection, points: Sequence[NewPoint]) -> dict[MetricKey, int]:
    newest: dict[MetricKey, int] = {}
    for point in points:
        newest[point.metric] = max(point.at, newest.get(point.metric, 0))
    digests = {(metric.account_id, metric.region, metric.digest): metric for metric in newest}
    columns = (METRICS.c.account_id, METRICS.c.region, METRICS.c.digest)
    query = select(*columns, METRICS.c.last_at).where(tuple_(*columns).in_(list(digests)))
    known = {(row.account_id, row.region, row.digest): row.last_at for row in conn.execute(query)}
    written = [
        {
            "account_id": metric.account_id,
            "region": metric.region,
            "digest": key[2],
            "namespace": metric.namespace,
            "name": metric.name,
            "dimensions": msgspec.json.encode(metric.dimensions).decode(),
            "last_at": max(newest[metric], known.get(key, 0)),
        }
        for key, metric in digests.items()
    ]
    upsert(conn, METRICS, written, ("account_id", "region", "digest"), ("last_at",))
    found = conn.execute(select(METRICS.c.id, *columns).where(tuple_(*columns).in_(list(digests))))
    return {digests[row.account_id, row.region, row.digest]: row.id for row in found}


def points_of(conn: Connection, metric: MetricKey, start: int, end: float, unit: str | None) -> list[Point]:
    """The points of a metric that begin from ``start`` and before ``end``, of one unit or of all (None)."""
    query = select(POINTS).join(METRICS, METRICS.c.id == POINTS.c.metric_id)
    query = query.where(
        METRICS.c.account_id == metric.account_id,
        METRICS.c.region == metric.region,
        METRICS.c.digest == metric.digest,
        POINTS.c.at >= start,
        POINTS.c.at < end,
    )
    if unit is not None:
        query = query.where(POINTS.c.unit == unit)
    return [Point(row.at, row.unit, Distribution.decode(row.body)) for row in conn.execute(query)]


def metrics_after(
    conn: Connection, account_id: str, region: str, *, namespace: str, name: str, active_since: float, after: int, limit: int
) -> list[Row[Any]]:
    """Metrics by age from behind an id; ``""`` for any namespace or name."""
    query = select(METRICS).where(
        METRICS.c.account_id == account_id,
        METRICS.c.region == region,
        METRICS.c.last_at >= active_since,
        METRICS.c.id > after,
    )
    if namespace:
        query = query.where(METRICS.c.namespace == namespace)
    if name:
        query = query.where(METRICS.c.name == name)
    return list(conn.execute(query.order_by(METRICS.c.id).limit(limit)).all())


def roll_up(conn: Connection, period_s: int, to_period_s: int, before: int, limit: int) -> int:
    """Merge points of a period that begin before a time into points of a longer one; how many there were."""
    query = select(POINTS).where(POINTS.c.period_s == period_s, POINTS.c.at < before).order_by(POINTS.c.at).limit(limit)
    found = list(conn.execute(query).all())
    for chunk in _chunks(found):
        merged: dict[tuple[int, int, int, str], Distribution] = {}
        for row in chunk:
            key = (row.metric_id, row.at // to_period_s * to_period_s, to_period_s, row.unit)
            merged.setdefault(key, Distribution()).merge(Distribution.decode(row.body))
        _merge(conn, merged)
        _remove(conn, period_s, chunk)
    return len(found)


def expire(conn: Connection, period_s: int, before: int, limit: int) -> int:
    """Delete points of a period that begin before a time; how many there were."""
    query = select(POINTS).where(POINTS.c.period_s == period_s, POINTS.c.at < before).limit(limit)
    found = list(conn.execute(query).all())
    for chunk in _chunks(found):
        _remove(conn, period_s, chunk)
    return len(found)


def _remove(conn: Connection, period_s: int, points: Sequence[Row[Any]]) -> None:
    keys = [(row.metric_id, row.at, row.unit) for row in points]
    columns = tuple_(POINTS.c.metric_id, POINTS.c.at, POINTS.c.unit)
    conn.execute(delete(POINTS).where(and_(POINTS.c.period_s == period_s, columns.in_(keys))))


def forget_metrics(conn: Connection, before: int) -> None:
    """Delete metrics whose last point is gone for good."""
    conn.execute(delete(METRICS).where(METRICS.c.last_at < before))
