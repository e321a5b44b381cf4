"""RegisterScalableTarget, DeregisterScalableTarget, DescribeScalableTargets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.services.application_autoscaling import rows, rules
from functory.services.application_autoscaling.records import Suspended, Target, TargetKey
from functory.services.application_autoscaling.room import Room
from functory.services.application_autoscaling.tags import check_tags

_SUSPENDED = {
    "DynamicScalingInSuspended": "scale_in",
    "DynamicScalingOutSuspended": "scale_out",
    "ScheduledScalingSuspended": "scheduled",
}


async def register_scalable_target(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Make or change a scalable target; bounds that exclude its present capacity are applied at once."""
    key, now, target_id = rules.target_key(ctx, params), room.clock.epoch_s(), room.ids.hex(32)
    tags = dict(params.get("Tags", {}))
    check_tags(tags)

    def work(conn: Connection) -> Target:
        old = rows.get_target(conn, key)
        if old is not None and tags:
            raise rules.invalid("Tags can only be given when a scalable target is new; use TagResource instead.")
        target = _changed(old, params) if old is not None else _new(key, params, now, target_id, tags)
        rules.check_bounds(target.minimum, target.maximum)
        rows.put_target(conn, target)
        return target

    target = await room.store.write(work)
    room.nudge()
    return {"ScalableTargetARN": rules.target_arn(target)}


def _new(key: TargetKey, params: Mapping[str, Any], now: float, target_id: str, tags: dict[str, str]) -> Target:
    if "MinCapacity" not in params or "MaxCapacity" not in params:
        raise rules.invalid("Minimum and maximum capacity must be given for a new scalable target")
    target = Target(
        key=key,
        target_id=target_id,
        minimum=params["MinCapacity"],
        maximum=params["MaxCapacity"],
        role_arn=rules.service_role(key.account_id),
        created_at=now,
        tags=tags,
    )
    return _changed(target, params)


def _changed(target: Target, params: Mapping[str, Any]) -> Target:
    """A target after the members that were given."""
    changes: dict[str, Any] = {}
    if "MinCapacity" in params:
        changes["minimum"] = params["MinCapacity"]
        changes["cause"] = f"minimum capacity was set to {params['MinCapacity']}"
    if "MaxCapacity" in params:
        changes["maximum"] = params["MaxCapacity"]
        changes.setdefault("cause", f"maximum capacity was set to {params['MaxCapacity']}")
    if "SuspendedState" in params:
        given = {
            field: params["SuspendedState"][name] for name, field in _SUSPENDED.items() if name in params["SuspendedState"]
        }
        changes["suspended"] = msgspec.structs.replace(target.suspended, **given)
    return msgspec.structs.replace(target, **changes)


async def deregister_scalable_target(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Forget a scalable target with its policies and actions; its capacity stays."""
    key = rules.target_key(ctx, params)

    def work(conn: Connection) -> None:
        if rows.get_target(conn, key) is None:
            raise rules.no_target(key)
        rows.remove_target(conn, key)

    await room.store.write(work)
    return {}


async def describe_scalable_targets(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The scalable targets."""
    rules.check_namespace(params)
    size, after = rules.page_size(params), rules.parse_token(params, "")
    found = await room.store.read(
        lambda conn: rows.list_targets(
            conn, ctx.account_id, ctx.region, resource_ids=params.get("ResourceIds", ()), after=after, limit=size + 1
        )
    )
    shown: dict[str, Any] = {"ScalableTargets": [_view(target) for target in found[:size]]}
    return shown | ({"NextToken": rules.next_token(found[size - 1].key.resource_id)} if len(found) > size else {})


def _view(target: Target) -> dict[str, Any]:
    return {
        "ServiceNamespace": target.key.namespace,
        "ResourceId": target.key.resource_id,
        "ScalableDimension": target.key.dimension,
        "MinCapacity": target.minimum,
        "MaxCapacity": target.maximum,
        "RoleARN": target.role_arn,
        "CreationTime": target.created_at,
        "SuspendedState": _suspended(target.suspended),
        "ScalableTargetARN": rules.target_arn(target),
    }


def _suspended(suspended: Suspended) -> dict[str, bool]:
    return {name: getattr(suspended, field) for name, field in _SUSPENDED.items()}
