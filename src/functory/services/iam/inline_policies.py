"""Inline policies of users, groups and roles: Put, Get, List, Delete, made once for the three kinds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection, delete, select

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.identity.policy_grammar import policy_size
from functory.services.iam import entities, paging, quotas
from functory.services.iam.documents import check_identity_policy
from functory.services.iam.errors import no_such_entity
from functory.services.iam.naming import url_encoded
from functory.services.iam.roles import refuse_if_linked
from functory.services.iam.room import Room
from functory.services.iam.tables import INLINE_POLICIES
from functory.store.port import upsert

_Operation = Callable[[Room, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]


def _missing(kind: str, name: str) -> AwsError:
    return no_such_entity(f"The {kind} policy with name {name} cannot be found.")


def put(kind: str, member: str) -> _Operation:
    """PutUserPolicy, PutGroupPolicy, PutRolePolicy: add or replace."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        name, document = params["PolicyName"], params["PolicyDocument"]
        check_identity_policy(document)

        def work(connection: Connection) -> None:
            owner = entities.find(connection, context.account_id, kind, params[member])
            refuse_if_linked(owner)
            row = {"owner_id": owner.id, "name": name, "document": document}
            upsert(connection, INLINE_POLICIES, row, ["owner_id", "name"], ["document"])
            of_owner = select(INLINE_POLICIES.c.document).where(INLINE_POLICIES.c.owner_id == owner.id)
            if sum(policy_size(text) for text in connection.execute(of_owner).scalars()) > quotas.INLINE_SIZE[kind]:
                raise AwsError(
                    "LimitExceeded",
                    f"Maximum policy size of {quotas.INLINE_SIZE[kind]} bytes exceeded for {kind} {owner.name}",
                )

        await room.change(work)
        return {}

    return operation


def get(kind: str, member: str) -> _Operation:
    """GetUserPolicy, GetGroupPolicy, GetRolePolicy."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        name = params["PolicyName"]

        def work(connection: Connection) -> tuple[str, str]:
            owner = entities.find(connection, context.account_id, kind, params[member])
            statement = select(INLINE_POLICIES.c.document).where(
                INLINE_POLICIES.c.owner_id == owner.id, INLINE_POLICIES.c.name == name
            )
            document = connection.execute(statement).scalar_one_or_none()
            if document is None:
                raise _missing(kind, name)
            return owner.name, document

        owner_name, document = await room.read(work)
        return {member: owner_name, "PolicyName": name, "PolicyDocument": url_encoded(document)}

    return operation


def list_names(kind: str, member: str) -> _Operation:
    """ListUserPolicies, ListGroupPolicies, ListRolePolicies."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        def work(connection: Connection) -> list[str]:
            owner = entities.find(connection, context.account_id, kind, params[member])
            statement = select(INLINE_POLICIES.c.name).where(INLINE_POLICIES.c.owner_id == owner.id)
            return list(connection.execute(statement).scalars().all())

        names, more = paging.page(await room.read(work), params, str)
        return {"PolicyNames": names} | more

    return operation


def remove(kind: str, member: str) -> _Operation:
    """DeleteUserPolicy, DeleteGroupPolicy, DeleteRolePolicy."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        name = params["PolicyName"]

        def work(connection: Connection) -> None:
            owner = entities.find(connection, context.account_id, kind, params[member])
            refuse_if_linked(owner)
            gone = delete(INLINE_POLICIES).where(INLINE_POLICIES.c.owner_id == owner.id, INLINE_POLICIES.c.name == name)
            if connection.execute(gone).rowcount == 0:
                raise _missing(kind, name)

        await room.change(work)
        return {}

    return operation
