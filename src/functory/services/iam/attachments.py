"""Managed policies attached to users, groups and roles; and who a policy is attached to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from functory.core.calls import CallContext
from functory.services.iam import entities, managed, paging, quotas
from functory.services.iam.errors import no_policy, not_attachable, over
from functory.services.iam.naming import parse_arn
from functory.services.iam.roles import refuse_if_linked
from functory.services.iam.room import Room
from functory.services.iam.tables import ATTACHMENTS, ENTITIES
from functory.store.port import upsert

_Operation = Callable[[Room, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]
_FILTERS = {"User": "user", "Group": "group", "Role": "role"}


def attach(kind: str, member: str) -> _Operation:
    """AttachUserPolicy, AttachGroupPolicy, AttachRolePolicy. AWS: attaching twice is attaching once."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        def work(connection: Connection) -> None:
            owner = entities.find(connection, context.account_id, kind, params[member])
            refuse_if_linked(owner)
            attach_policy(connection, owner, params["PolicyArn"])

        await room.change(work)
        return {}

    return operation


def attach_policy(connection: Connection, owner: Row[Any], arn: str) -> None:
    """Attach a managed policy to an entity.

    Raises:
        AwsError: NoSuchEntity; LimitExceeded.
    """
    if managed.look_up(connection, owner.account_id, arn) is None:
        raise not_attachable(arn)
    row = {"owner_id": owner.id, "policy_arn": arn, "account_id": owner.account_id}
    upsert(connection, ATTACHMENTS, row, ["owner_id", "policy_arn"])
    quota, limit = quotas.ATTACHED[owner.kind]
    count = select(func.count()).select_from(ATTACHMENTS).where(ATTACHMENTS.c.owner_id == owner.id)
    if connection.execute(count).scalar_one() > limit:
        raise over(quota, limit)


def detach(kind: str, member: str) -> _Operation:
    """DetachUserPolicy, DetachGroupPolicy, DetachRolePolicy."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        arn = params["PolicyArn"]
        managed.check_arn(arn)

        def work(connection: Connection) -> None:
            owner = entities.find(connection, context.account_id, kind, params[member])
            refuse_if_linked(owner)
            gone = delete(ATTACHMENTS).where(ATTACHMENTS.c.owner_id == owner.id, ATTACHMENTS.c.policy_arn == arn)
            if connection.execute(gone).rowcount == 0:
                raise no_policy(arn)

        await room.change(work)
        return {}

    return operation


def list_attached(kind: str, member: str) -> _Operation:
    """ListAttachedUserPolicies, ListAttachedGroupPolicies, ListAttachedRolePolicies."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        prefix = params.get("PathPrefix", "/")

        def work(connection: Connection) -> list[dict[str, str]]:
            owner = entities.find(connection, context.account_id, kind, params[member])
            return attached_to(connection, owner.id, prefix)

        attached = await room.read(work)
        shown, more = paging.page(attached, params, lambda each: f"{each['PolicyName'].lower()} {each['PolicyArn']}")
        return {"AttachedPolicies": shown} | more

    return operation


def attached_to(connection: Connection, owner_id: str, prefix: str = "/") -> list[dict[str, str]]:
    """``PolicyName`` and ``PolicyArn`` of what is attached to an entity, of policies whose path begins with ``prefix``."""
    statement = select(ATTACHMENTS.c.policy_arn).where(ATTACHMENTS.c.owner_id == owner_id).order_by(ATTACHMENTS.c.policy_arn)
    found = []
    for arn in connection.execute(statement).scalars().all():
        parts = parse_arn(arn)
        if parts is not None and parts[2].startswith(prefix):
            found.append({"PolicyName": parts[3], "PolicyArn": arn})
    return found


async def list_entities_for_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: without a usage filter those that have the policy attached and those that have it as their boundary."""
    arn = params["PolicyArn"]

    def work(connection: Connection) -> list[Row[Any]]:
        managed.find(connection, context.account_id, arn)
        return _users_of(connection, context.account_id, arn, params)

    rows = await room.read(work)
    shown, more = paging.page(rows, params, lambda row: f"{row.kind} {row.name_key}")
    return {
        "PolicyGroups": [{"GroupName": row.name, "GroupId": row.id} for row in shown if row.kind == "group"],
        "PolicyUsers": [{"UserName": row.name, "UserId": row.id} for row in shown if row.kind == "user"],
        "PolicyRoles": [{"RoleName": row.name, "RoleId": row.id} for row in shown if row.kind == "role"],
    } | more


def _users_of(connection: Connection, account_id: str, arn: str, params: dict[str, Any]) -> list[Row[Any]]:
    owners = select(ATTACHMENTS.c.owner_id).where(ATTACHMENTS.c.policy_arn == arn, ATTACHMENTS.c.account_id == account_id)
    attached, bounded = ENTITIES.c.id.in_(owners), ENTITIES.c.boundary_arn == arn
    usage = {"PermissionsPolicy": attached, "PermissionsBoundary": bounded}
    statement = select(ENTITIES).where(
        ENTITIES.c.account_id == account_id, usage.get(params.get("PolicyUsageFilter", ""), attached | bounded)
    )
    wanted = params.get("EntityFilter")
    if wanted is not None:
        statement = statement.where(ENTITIES.c.kind == _FILTERS.get(wanted, ""))
    prefix = params.get("PathPrefix", "/")
    return [row for row in connection.execute(statement).all() if row.path.startswith(prefix)]
