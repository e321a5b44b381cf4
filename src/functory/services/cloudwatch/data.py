"""PutMetricData, and the metrics of this node's own services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.metering import NAMESPACE, PERIOD_S, Sample
from functory.services.cloudwatch import rows, rules
from functory.services.cloudwatch.room import Room
from functory.services.cloudwatch.rows import MetricKey, NewPoint


async def put_metric_data(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Differs: data of entities are refused."""
    namespace = params["Namespace"]
    if "EntityMetricData" in params:
        raise rules.invalid("The parameter EntityMetricData is not supported by Functory.")
    if namespace.startswith("AWS/"):
        raise rules.invalid(f"The value {namespace} for parameter Namespace is invalid.")
    given = params.get("MetricData", [])
    if not given:
        raise AwsError("MissingRequiredParameterException", "The parameter MetricData is required.")
    if len(given) > rules.DATA_MAX:
        raise rules.invalid(f"The collection MetricData must not have a size greater than {rules.DATA_MAX}.")
    now = room.clock.epoch_s()
    data = [rules.datum(entry, f"MetricData.member.{place}", now) for place, entry in enumerate(given, start=1)]
    points = [
        NewPoint(
            MetricKey(context.account_id, context.region, namespace, entry.name, entry.dimensions),
            entry.at,
            entry.period_s,
            entry.unit,
            entry.values,
        )
        for entry in data
    ]
    await room.store.write(lambda conn: rows.keep(conn, points))
    return {}


class MeteringSink:
    """Implements `functory.core.metering.SampleSink`."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def keep(self, samples: Sequence[Sample]) -> None:
        """See `functory.core.metering.SampleSink`."""
        points = [
            NewPoint(
                MetricKey(sample.account_id, sample.region, NAMESPACE, sample.name, sample.dimensions),
                sample.at,
                PERIOD_S,
                sample.unit,
                sample.values,
            )
            for sample in samples
        ]
        await self._room.store.write(lambda conn: rows.keep(conn, points))
