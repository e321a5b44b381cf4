"""PutRetentionPolicy, DeleteRetentionPolicy, PutLogGroupDeletionProtection: single settings of a group."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, update

from functory.core.calls import CallContext
from functory.services.logs import rules
from functory.services.logs.ingest import is_group
from functory.services.logs.lookup import key_of
from functory.services.logs.room import Room
from functory.services.logs.tables import GROUPS


async def put_retention_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: deletes expired events within days. Differs: they are out of sight at once and gone soon after."""
    rules.check_retention(params["retentionInDays"])
    return await _set(room, context, params["logGroupName"], retention_days=params["retentionInDays"])


async def delete_retention_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Events never expire from now on."""
    return await _set(room, context, params["logGroupName"], retention_days=None)


async def put_log_group_deletion_protection(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: also blocks the deletion of the group's streams."""
    name = rules.group_of_identifier(context, params["logGroupIdentifier"])
    return await _set(room, context, name, protected=params["deletionProtectionEnabled"])


async def _set(room: Room, context: CallContext, group: str, **values: Any) -> dict[str, Any]:
    key = key_of(context, group)
    await room.settle(context, group)

    def work(connection: Connection) -> None:
        if connection.execute(update(GROUPS).where(is_group(key)).values(values)).rowcount == 0:
            raise rules.no_group()

    await room.store.write(work)
    return {}
