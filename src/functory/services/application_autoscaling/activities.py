"""DescribeScalingActivities."""

from __future__ import annotations

import math
from typing import Any

from functory.core.calls import CallContext
from functory.services.application_autoscaling import rows, rules
from functory.services.application_autoscaling.records import Activity
from functory.services.application_autoscaling.room import Room

KEPT_S = 42 * 86_400
"""AWS: six weeks."""


async def describe_scaling_activities(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """What was done in the last six weeks, the newest first. Differs: what was not done is not kept."""
    rules.check_namespace(params)
    if params.get("IncludeNotScaledActivities"):
        raise rules.invalid("IncludeNotScaledActivities is not supported by this version of Functory.")
    size, before = rules.page_size(params), rules.parse_token(params, (1e18, ""))
    since = room.clock.epoch_s() - KEPT_S
    found = await room.store.read(
        lambda conn: rows.list_activities(
            conn,
            ctx.account_id,
            ctx.region,
            resource_id=params.get("ResourceId", ""),
            since=since,
            before=before,
            limit=size + 1,
        )
    )
    shown: dict[str, Any] = {"ScalingActivities": [_view(activity) for activity in found[:size]]}
    last = found[size - 1] if len(found) > size else None
    return shown | ({"NextToken": rules.next_token((last.started_at, last.activity_id))} if last else {})


def _view(activity: Activity) -> dict[str, Any]:
    return {
        "ActivityId": activity.activity_id,
        "ServiceNamespace": activity.key.namespace,
        "ResourceId": activity.key.resource_id,
        "ScalableDimension": activity.key.dimension,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": math.floor(activity.started_at * 1000) / 1000,
        "EndTime": math.floor(activity.ended_at * 1000) / 1000,
        "StatusCode": activity.status,
        "StatusMessage": activity.message,
    }
