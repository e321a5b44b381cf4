"""CreateGroup, GetGroup, ListGroups, UpdateGroup, DeleteGroup; and who is in them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from functory.core.calls import CallContext
from functory.services.iam import entities, paging, quotas, users
from functory.services.iam.creation import new_entity
from functory.services.iam.deletion import refuse_if_in_use
from functory.services.iam.errors import over
from functory.services.iam.listing import list_entities
from functory.services.iam.renaming import rename
from functory.services.iam.room import Room
from functory.services.iam.tables import ENTITIES, MEMBERSHIPS
from functory.store.port import upsert

KIND = "group"


def view(row: Row[Any]) -> dict[str, Any]:
    """What every answer says of a group."""
    return {
        "Path": row.path,
        "GroupName": row.name,
        "GroupId": row.id,
        "Arn": entities.arn(row),
        "CreateDate": row.created_s,
    }


async def create_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """A group of nobody."""
    new = new_entity(room, KIND, params["GroupName"], params)

    def work(connection: Connection) -> Row[Any]:
        entities.add(connection, context.account_id, new)
        return entities.find(connection, context.account_id, KIND, new.name)

    return {"Group": view(await room.change(work))}


async def get_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The group and a page of its users."""

    def work(connection: Connection) -> tuple[Row[Any], list[Row[Any]]]:
        group = entities.find(connection, context.account_id, KIND, params["GroupName"])
        return group, users_of(connection, group.id)

    group, members = await room.read(work)
    shown, more = paging.page(members, params, lambda row: str(row.name_key))
    return {"Group": view(group), "Users": [users.view(row) for row in shown]} | more


async def list_groups(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """By name."""
    rows, more = await list_entities(room, context, KIND, params)
    return {"Groups": [view(row) for row in rows]} | more


async def update_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Another name or path; the id stays."""
    await rename(room, context, KIND, params["GroupName"], params.get("NewGroupName"), params.get("NewPath"))
    return {}


async def delete_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: a group that has users or policies stays."""

    def work(connection: Connection) -> None:
        row = entities.find(connection, context.account_id, KIND, params["GroupName"])
        refuse_if_in_use(connection, row)
        entities.remove(connection, row.id)

    await room.change(work)
    return {}


async def add_user_to_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: who is in it already stays in it, without an error."""

    def work(connection: Connection) -> None:
        group = entities.find(connection, context.account_id, KIND, params["GroupName"])
        user = entities.find(connection, context.account_id, users.KIND, params["UserName"])
        upsert(connection, MEMBERSHIPS, {"user_id": user.id, "group_id": group.id}, ["user_id", "group_id"])
        count = select(func.count()).select_from(MEMBERSHIPS).where(MEMBERSHIPS.c.user_id == user.id)
        if connection.execute(count).scalar_one() > quotas.GROUPS_PER_USER:
            raise over("GroupsPerUser", quotas.GROUPS_PER_USER)

    await room.change(work)
    return {}


async def remove_user_from_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: who is not in it is no error."""

    def work(connection: Connection) -> None:
        group = entities.find(connection, context.account_id, KIND, params["GroupName"])
        user = entities.find(connection, context.account_id, users.KIND, params["UserName"])
        connection.execute(delete(MEMBERSHIPS).where(MEMBERSHIPS.c.user_id == user.id, MEMBERSHIPS.c.group_id == group.id))

    await room.change(work)
    return {}


async def list_groups_for_user(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """By name."""

    def work(connection: Connection) -> list[Row[Any]]:
        user = entities.find(connection, context.account_id, users.KIND, params["UserName"])
        return groups_of(connection, user.id)

    rows, more = paging.page(await room.read(work), params, lambda row: str(row.name_key))
    return {"Groups": [view(row) for row in rows]} | more


def users_of(connection: Connection, group_id: str) -> list[Row[Any]]:
    """The users of a group."""
    joined = select(ENTITIES).join(MEMBERSHIPS, MEMBERSHIPS.c.user_id == ENTITIES.c.id)
    return list(connection.execute(joined.where(MEMBERSHIPS.c.group_id == group_id)).all())


def groups_of(connection: Connection, user_id: str) -> list[Row[Any]]:
    """The groups of a user, by name."""
    joined = select(ENTITIES).join(MEMBERSHIPS, MEMBERSHIPS.c.group_id == ENTITIES.c.id)
    statement = joined.where(MEMBERSHIPS.c.user_id == user_id).order_by(ENTITIES.c.name_key)
    return list(connection.execute(statement).all())
