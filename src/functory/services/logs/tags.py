"""Tags of log groups, under both generations of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, update

from functory.core.calls import CallContext
from functory.services.logs import rules
from functory.services.logs.lookup import find_group, key_of
from functory.services.logs.room import Room
from functory.services.logs.tables import GROUPS

_Change = Callable[[Mapping[str, str]], dict[str, str]]


async def tag_resource(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Add or replace tags by ARN."""
    return await _add(room, context, rules.group_of_arn(context, params["resourceArn"]), params["tags"])


async def untag_resource(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Remove tags by ARN; absent ones are no error."""
    return await _remove(room, context, rules.group_of_arn(context, params["resourceArn"]), params["tagKeys"])


async def list_tags_for_resource(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The tags by ARN."""
    return await _list(room, context, rules.group_of_arn(context, params["resourceArn"]))


async def tag_log_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: deprecated, works."""
    return await _add(room, context, params["logGroupName"], params["tags"])


async def untag_log_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: deprecated, works."""
    return await _remove(room, context, params["logGroupName"], params["tags"])


async def list_tags_log_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: deprecated, works."""
    return await _list(room, context, params["logGroupName"])


async def _add(room: Room, context: CallContext, group: str, tags: Mapping[str, str]) -> dict[str, Any]:
    arn = rules.group_arn(context, group)
    return await _change(room, context, group, lambda old: rules.merge_tags(old, tags, arn))


async def _remove(room: Room, context: CallContext, group: str, keys: list[str]) -> dict[str, Any]:
    return await _change(room, context, group, lambda old: {key: old[key] for key in old if key not in keys})


async def _change(room: Room, context: CallContext, group: str, change: _Change) -> dict[str, Any]:
    key = key_of(context, group)
    await room.settle(context, group)

    def work(connection: Connection) -> None:
        row = find_group(connection, key)
        connection.execute(update(GROUPS).where(GROUPS.c.id == row.id).values(tags=change(row.tags)))

    await room.store.write(work)
    return {}


async def _list(room: Room, context: CallContext, group: str) -> dict[str, Any]:
    key = key_of(context, group)
    await room.settle(context, group)
    row = await room.store.read(lambda connection: find_group(connection, key))
    return {"tags": row.tags}
