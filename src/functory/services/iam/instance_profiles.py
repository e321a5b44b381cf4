"""Instance profiles: kept for the tools that make them beside a role. No instance ever uses one here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from functory.core.calls import CallContext
from functory.services.iam import entities, paging, roles
from functory.services.iam.creation import new_entity
from functory.services.iam.deletion import refuse_if_in_use
from functory.services.iam.errors import missing, over
from functory.services.iam.listing import list_entities
from functory.services.iam.room import Room
from functory.services.iam.tables import ENTITIES, PROFILE_ROLES

KIND = "instance-profile"


def view(connection: Connection, row: Row[Any], *, with_tags: bool = False) -> dict[str, Any]:
    """What answers say of a profile, with its role."""
    role = role_of(connection, row.id)
    shown = {
        "Path": row.path,
        "InstanceProfileName": row.name,
        "InstanceProfileId": row.id,
        "Arn": entities.arn(row),
        "CreateDate": row.created_s,
        "Roles": [] if role is None else [roles.view(role)],
    }
    return shown | entities.tags_if_any(row) if with_tags else shown


def role_of(connection: Connection, profile_id: str) -> Row[Any] | None:
    """The role in a profile."""
    statement = entities.columns(roles.KIND).join(PROFILE_ROLES, PROFILE_ROLES.c.role_id == ENTITIES.c.id)
    return connection.execute(statement.where(PROFILE_ROLES.c.owner_id == profile_id)).one_or_none()


def profiles_of(connection: Connection, role_id: str) -> list[Row[Any]]:
    """The profiles a role is in."""
    statement = select(ENTITIES).join(PROFILE_ROLES, PROFILE_ROLES.c.owner_id == ENTITIES.c.id)
    return list(connection.execute(statement.where(PROFILE_ROLES.c.role_id == role_id).order_by(ENTITIES.c.name_key)).all())


async def create_instance_profile(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """An empty one."""
    new = new_entity(room, KIND, params["InstanceProfileName"], params)

    def work(connection: Connection) -> dict[str, Any]:
        entities.add(connection, context.account_id, new)
        return view(connection, entities.find(connection, context.account_id, KIND, new.name), with_tags=True)

    return {"InstanceProfile": await room.change(work)}


async def get_instance_profile(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """With its role."""

    def work(connection: Connection) -> dict[str, Any]:
        row = entities.find(connection, context.account_id, KIND, params["InstanceProfileName"])
        return view(connection, row, with_tags=True)

    return {"InstanceProfile": await room.read(work)}


async def list_instance_profiles(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """By name."""
    rows, more = await list_entities(room, context, KIND, params)
    return {"InstanceProfiles": await room.read(lambda connection: [view(connection, row) for row in rows])} | more


async def list_instance_profiles_for_role(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """By name."""

    def work(connection: Connection) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        role = entities.find(connection, context.account_id, roles.KIND, params["RoleName"])
        rows, more = paging.page(profiles_of(connection, role.id), params, lambda row: str(row.name_key))
        return [view(connection, row) for row in rows], more

    shown, more = await room.read(work)
    return {"InstanceProfiles": shown} | more


async def delete_instance_profile(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: one with a role in it stays."""

    def work(connection: Connection) -> None:
        row = entities.find(connection, context.account_id, KIND, params["InstanceProfileName"])
        refuse_if_in_use(connection, row)
        entities.remove(connection, row.id)

    await room.change(work)
    return {}


async def add_role_to_instance_profile(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: one role at most."""

    def work(connection: Connection) -> None:
        profile = entities.find(connection, context.account_id, KIND, params["InstanceProfileName"])
        role = roles.find_changeable(connection, context.account_id, params["RoleName"])
        if role_of(connection, profile.id) is not None:
            raise over("InstanceSessionsPerInstanceProfile", 1)
        connection.execute(insert(PROFILE_ROLES).values(owner_id=profile.id, role_id=role.id))

    await room.change(work)
    return {}


async def remove_role_from_instance_profile(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: a role that is not in it is not found."""

    def work(connection: Connection) -> None:
        profile = entities.find(connection, context.account_id, KIND, params["InstanceProfileName"])
        role = entities.find(connection, context.account_id, roles.KIND, params["RoleName"])
        gone = delete(PROFILE_ROLES).where(PROFILE_ROLES.c.owner_id == profile.id, PROFILE_ROLES.c.role_id == role.id)
        if connection.execute(gone).rowcount == 0:
            raise missing(roles.KIND, params["RoleName"])

    await room.change(work)
    return {}
