"""PutScheduledAction, DeleteScheduledAction, DescribeScheduledActions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.services.application_autoscaling import rows, rules
from functory.services.application_autoscaling.records import Action
from functory.services.application_autoscaling.room import Room


async def put_scheduled_action(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Make or change a scheduled action; AWS: what is not given when it is changed is dropped but for the schedule."""
    key, now, action_id = rules.target_key(ctx, params), room.clock.epoch_s(), room.ids.uuid()
    name = params["ScheduledActionName"]

    def work(conn: Connection) -> None:
        if rows.get_target(conn, key) is None:
            raise rules.no_target(key)
        old = rows.get_action(conn, key, name)
        text = params.get("Schedule") or (old.schedule if old else "")
        bounds = params.get("ScalableTargetAction") or _bounds_of(old)
        if not text or not bounds:
            raise rules.invalid("A new scheduled action needs a schedule, and a minimum or maximum capacity")
        action = Action(
            key=key,
            name=name,
            action_id=old.action_id if old else action_id,
            schedule=text,
            created_at=old.created_at if old else now,
            timezone=params.get("Timezone", ""),
            start_at=rules.epoch(params["StartTime"]) if "StartTime" in params else None,
            end_at=rules.epoch(params["EndTime"]) if "EndTime" in params else None,
            minimum=bounds.get("MinCapacity"),
            maximum=bounds.get("MaxCapacity"),
        )
        rows.put_action(conn, _timed(action, now))

    await room.store.write(work)
    room.nudge()
    return {}


def _bounds_of(action: Action | None) -> dict[str, int]:
    if action is None:
        return {}
    bounds = {"MinCapacity": action.minimum, "MaxCapacity": action.maximum}
    return {name: value for name, value in bounds.items() if value is not None}


def _timed(action: Action, now: float) -> Action:
    """A checked action with the time it is due."""
    low, high = action.minimum or 0, action.maximum if action.maximum is not None else action.minimum or 0
    rules.check_bounds(low, high)
    if action.start_at is not None and action.end_at is not None and action.start_at > action.end_at:
        raise rules.invalid("The start time must not be later than the end time")
    due_at = rules.due_after(
        action.schedule,
        action.timezone,
        after=now,
        created_at=action.created_at,
        start_at=action.start_at,
        end_at=action.end_at,
    )
    if due_at is None and action.schedule.startswith("at("):
        raise rules.invalid(f"The schedule {action.schedule} is in the past, or outside start and end time")
    return msgspec.structs.replace(action, due_at=due_at)


async def delete_scheduled_action(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Forget a scheduled action."""
    key, name = rules.target_key(ctx, params), params["ScheduledActionName"]
    if not await room.store.write(lambda conn: rows.remove_action(conn, key, name)):
        raise rules.absent("scheduled action found", key, f", scheduled action name: {name}")
    return {}


async def describe_scheduled_actions(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The scheduled actions."""
    rules.check_namespace(params)
    size, after = rules.page_size(params), rules.parse_token(params, ("", ""))
    found = await room.store.read(
        lambda conn: rows.list_actions(
            conn,
            ctx.account_id,
            ctx.region,
            resource_id=params.get("ResourceId", ""),
            names=params.get("ScheduledActionNames", ()),
            after=after,
            limit=size + 1,
        )
    )
    shown: dict[str, Any] = {"ScheduledActions": [_view(action) for action in found[:size]]}
    last = (found[size - 1].key.resource_id, found[size - 1].name) if len(found) > size else None
    return shown | ({"NextToken": rules.next_token(last)} if last else {})


def _view(action: Action) -> dict[str, Any]:
    optional: Mapping[str, Any] = {
        "Timezone": action.timezone or None,
        "StartTime": action.start_at,
        "EndTime": action.end_at,
    }
    return {
        "ScheduledActionName": action.name,
        "ScheduledActionARN": rules.part_arn(action.key, "scheduledAction", action.action_id, action.name),
        "ServiceNamespace": action.key.namespace,
        "Schedule": action.schedule,
        "ResourceId": action.key.resource_id,
        "ScalableDimension": action.key.dimension,
        "ScalableTargetAction": _bounds_of(action),
        "CreationTime": action.created_at,
        **{name: value for name, value in optional.items() if value is not None},
    }
