"""CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from functory.core.calls import CallContext
from functory.services.iam import boundaries, entities
from functory.services.iam.accounts import created_s
from functory.services.iam.caller import user_meant
from functory.services.iam.creation import new_entity
from functory.services.iam.deletion import refuse_if_in_use
from functory.services.iam.listing import list_entities
from functory.services.iam.renaming import rename
from functory.services.iam.room import Room
from functory.services.iam.trust import principal_gone

KIND = "user"


def view(row: Row[Any]) -> dict[str, Any]:
    """What every answer says of a user."""
    return {
        "Path": row.path,
        "UserName": row.name,
        "UserId": row.id,
        "Arn": entities.arn(row),
        "CreateDate": row.created_s,
    }


def full_view(row: Row[Any]) -> dict[str, Any]:
    """What CreateUser and GetUser say."""
    return view(row) | entities.boundary(row) | entities.tags_if_any(row)


async def create_user(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """A user with nothing."""
    new = new_entity(room, KIND, params["UserName"], params)

    def work(connection: Connection) -> Row[Any]:
        boundaries.check(connection, context.account_id, new.boundary_arn)
        entities.add(connection, context.account_id, new)
        return entities.find(connection, context.account_id, KIND, new.name)

    return {"User": full_view(await room.change(work))}


async def get_user(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: without a name the caller; of the account's root the answer has no name and no path."""
    name, account_id, now_s = user_meant(context, params), context.account_id, room.now_s()
    if name is not None:
        return {"User": full_view(await room.read(lambda connection: entities.find(connection, account_id, KIND, name)))}
    since_s = await room.store.write(lambda connection: created_s(connection, account_id, now_s))
    root = {"UserId": account_id, "Arn": f"arn:aws:iam::{account_id}:root", "CreateDate": since_s}
    return {"User": root}


async def list_users(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: lists have no tags and no boundaries."""
    rows, more = await list_entities(room, context, KIND, params)
    return {"Users": [view(row) for row in rows]} | more


async def update_user(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Another name or path; the id stays."""
    await rename(room, context, KIND, params["UserName"], params.get("NewUserName"), params.get("NewPath"))
    return {}


async def delete_user(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: a user that has policies, groups or keys stays."""

    def work(connection: Connection) -> None:
        row = entities.find(connection, context.account_id, KIND, params["UserName"])
        refuse_if_in_use(connection, row)
        principal_gone(connection, row.id, entities.arn(row))
        entities.remove(connection, row.id)

    await room.change(work)
    return {}
