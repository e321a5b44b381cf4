"""CreateRole, GetRole, ListRoles, UpdateRole, UpdateRoleDescription, UpdateAssumeRolePolicy, DeleteRole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, update

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.iam import boundaries, entities
from functory.services.iam.creation import new_entity
from functory.services.iam.deletion import refuse_if_in_use
from functory.services.iam.documents import check_trust_policy
from functory.services.iam.listing import list_entities
from functory.services.iam.naming import url_encoded
from functory.services.iam.room import Room
from functory.services.iam.tables import ROLES
from functory.services.iam.trust import keep_trusted, principal_gone

KIND = "role"
SESSION_S_DEFAULT = 3600
LINKED_PATH = "/aws-service-role/"


def view(row: Row[Any]) -> dict[str, Any]:
    """What CreateRole and instance profiles say of a role."""
    return {
        "Path": row.path,
        "RoleName": row.name,
        "RoleId": row.id,
        "Arn": entities.arn(row),
        "CreateDate": row.created_s,
        "AssumeRolePolicyDocument": url_encoded(row.trust_policy),
    }


def listed_view(row: Row[Any]) -> dict[str, Any]:
    """What ListRoles says. AWS: no tags, no boundary, no last use."""
    description = {} if row.description is None else {"Description": row.description}
    return view(row) | description | {"MaxSessionDuration": row.max_session_s}


def full_view(row: Row[Any]) -> dict[str, Any]:
    """What GetRole says."""
    return listed_view(row) | entities.boundary(row) | entities.tags_if_any(row) | {"RoleLastUsed": last_used(row)}


def last_used(row: Row[Any]) -> dict[str, Any]:
    """``RoleLastUsed``: empty for a role that nobody has used."""
    return {} if row.last_used_s is None else {"LastUsedDate": row.last_used_s, "Region": row.last_used_region}


def insert_role(connection: Connection, new: entities.NewEntity, account_id: str, values: Mapping[str, Any]) -> Row[Any]:
    """Add a role; ``values`` are those of the table `ROLES`."""
    entities.add(connection, account_id, new)
    connection.execute(insert(ROLES).values(owner_id=new.id, **values))
    return entities.find(connection, account_id, KIND, new.name)


async def create_role(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: the answer tells neither description nor session duration."""
    if params.get("Path", "/").startswith(LINKED_PATH):
        raise AwsError("ValidationError", f"Role with path {params['Path']} cannot be created.", status=400)
    new = new_entity(room, KIND, params["RoleName"], params)
    trust = params["AssumeRolePolicyDocument"]
    values = {
        "trust_policy": trust,
        "description": params.get("Description"),
        "max_session_s": params.get("MaxSessionDuration", SESSION_S_DEFAULT),
    }

    def work(connection: Connection) -> Row[Any]:
        trusted = check_trust_policy(connection, context.account_id, trust)
        boundaries.check(connection, context.account_id, new.boundary_arn)
        row = insert_role(connection, new, context.account_id, values)
        keep_trusted(connection, row.id, trusted)
        return row

    row = await room.change(work)
    return {"Role": view(row) | entities.boundary(row) | entities.tags_if_any(row)}


async def get_role(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Everything about a role."""
    name = params["RoleName"]
    await room.last_uses.save()
    return {"Role": full_view(await room.read(lambda connection: entities.find(connection, context.account_id, KIND, name)))}


async def list_roles(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """By name."""
    rows, more = await list_entities(room, context, KIND, params)
    return {"Roles": [listed_view(row) for row in rows]} | more


async def update_role(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: what is not given stays."""
    values = {
        column: params[member]
        for column, member in (("description", "Description"), ("max_session_s", "MaxSessionDuration"))
        if member in params
    }
    await _update(room, context, params["RoleName"], values)
    return {}


async def update_role_description(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: superseded by UpdateRole, works."""
    return {"Role": full_view(await _update(room, context, params["RoleName"], {"description": params["Description"]}))}


async def update_assume_role_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Another trust policy."""
    document = params["PolicyDocument"]
    await _update(room, context, params["RoleName"], {"trust_policy": document}, trust=document)
    return {}


async def _update(
    room: Room, context: CallContext, name: str, values: Mapping[str, Any], *, trust: str | None = None
) -> Row[Any]:
    def work(connection: Connection) -> Row[Any]:
        row = find_changeable(connection, context.account_id, name)
        if trust is not None:
            keep_trusted(connection, row.id, check_trust_policy(connection, context.account_id, trust))
        if values:
            connection.execute(update(ROLES).where(ROLES.c.owner_id == row.id).values(dict(values)))
        return entities.find(connection, context.account_id, KIND, name)

    return await room.change(work)


def find_changeable(connection: Connection, account_id: str, name: str) -> Row[Any]:
    """A role that is not linked to a service.

    Raises:
        AwsError: NoSuchEntity; UnmodifiableEntity.
    """
    row = entities.find(connection, account_id, KIND, name)
    refuse_if_linked(row)
    return row


def refuse_if_linked(row: Row[Any]) -> None:
    """Only the service changes a role that is linked to it.

    Raises:
        AwsError: UnmodifiableEntity.
    """
    if row.kind == KIND and row.path.startswith(LINKED_PATH):
        raise AwsError(
            "UnmodifiableEntity",
            f"Cannot perform the operation on the protected role '{row.name}' - this role is only modifiable by AWS",
        )


def remove_role(connection: Connection, row: Row[Any]) -> None:
    """Delete a role that nothing hangs on."""
    principal_gone(connection, row.id, entities.arn(row))
    entities.remove(connection, row.id)


async def delete_role(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: a role that has policies or is in an instance profile stays."""

    def work(connection: Connection) -> None:
        row = find_changeable(connection, context.account_id, params["RoleName"])
        refuse_if_in_use(connection, row)
        remove_role(connection, row)

    await room.change(work)
    return {}
