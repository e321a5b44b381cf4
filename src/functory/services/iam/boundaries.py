"""Permissions boundaries of users and roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection, update

from functory.core.calls import CallContext
from functory.services.iam import entities
from functory.services.iam.errors import no_such_entity, not_attachable
from functory.services.iam.managed import look_up
from functory.services.iam.room import Room
from functory.services.iam.tables import ENTITIES

_Operation = Callable[[Room, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]


def check(connection: Connection, account_id: str, arn: str | None) -> None:
    """Refuse a boundary that is no policy of AWS's or of the account.

    Raises:
        AwsError: NoSuchEntity; InvalidInput.
    """
    if arn is not None and look_up(connection, account_id, arn) is None:
        raise not_attachable(arn)


def put(kind: str, member: str) -> _Operation:
    """PutUserPermissionsBoundary, PutRolePermissionsBoundary."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        arn = params["PermissionsBoundary"]

        def work(connection: Connection) -> None:
            row = entities.find(connection, context.account_id, kind, params[member])
            check(connection, context.account_id, arn)
            connection.execute(update(ENTITIES).where(ENTITIES.c.id == row.id).values(boundary_arn=arn))

        await room.change(work)
        return {}

    return operation


def remove(kind: str, member: str) -> _Operation:
    """DeleteUserPermissionsBoundary, DeleteRolePermissionsBoundary."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        def work(connection: Connection) -> None:
            row = entities.find(connection, context.account_id, kind, params[member])
            if row.boundary_arn is None:
                raise no_such_entity(f"The {kind} with name {row.name} does not have a permissions boundary.")
            connection.execute(update(ENTITIES).where(ENTITIES.c.id == row.id).values(boundary_arn=None))

        await room.change(work)
        return {}

    return operation
