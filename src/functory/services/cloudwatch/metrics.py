"""ListMetrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from functory.core.calls import CallContext
from functory.services.cloudwatch import rows, rules
from functory.services.cloudwatch.room import Room
from functory.services.cloudwatch.tokens import parse_token, render_token

PAGE = 500
LISTED_S = 14 * 86_400
"""AWS: metrics without new data for two weeks are not listed."""
RECENT_S = 3 * 3600


async def list_metrics(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The metrics that have data. Differs: linked accounts do not exist."""
    if params.get("OwningAccount", context.account_id) != context.account_id:
        raise rules.invalid("The parameter OwningAccount is not supported: there are no linked accounts.")
    since = room.clock.epoch_s() - (RECENT_S if "RecentlyActive" in params else LISTED_S)
    token = params.get("NextToken")
    (after,) = parse_token(token, tuple[int], "InvalidParameterValueException") if token else (0,)
    wanted = params.get("Dimensions", [])
    read = partial(
        rows.metrics_after,
        account_id=context.account_id,
        region=context.region,
        namespace=params.get("Namespace", ""),
        name=params.get("MetricName", ""),
        active_since=since,
        limit=PAGE,
    )
    metrics: list[dict[str, Any]] = []
    while True:
        found = await room.store.read(partial(read, after=after))
        for row in found:
            if len(metrics) == PAGE:
                return {"Metrics": metrics, "NextToken": render_token([after])}
            after = row.id
            dimensions = msgspec.json.decode(row.dimensions, type=list[tuple[str, str]])
            if _matches(dict(dimensions), wanted):
                metrics.append(
                    {
                        "Namespace": row.namespace,
                        "MetricName": row.name,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
                    }
                )
        if len(found) < PAGE:
            return {"Metrics": metrics}


def _matches(dimensions: Mapping[str, str], wanted: Sequence[Mapping[str, str]]) -> bool:
    """AWS: a filter without a value wants the dimension to be there."""
    return all(
        entry["Name"] in dimensions and entry.get("Value", dimensions[entry["Name"]]) == dimensions[entry["Name"]]
        for entry in wanted
    )
