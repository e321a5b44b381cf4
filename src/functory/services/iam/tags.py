"""Tags of users, roles, policies, instance profiles and OpenID Connect providers: Tag, Untag, List for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, update

from functory.core.calls import CallContext
from functory.services.iam import entities, oidc_providers, paging
from functory.services.iam.policies import find_own
from functory.services.iam.room import Room
from functory.services.iam.tables import ENTITIES, OIDC_PROVIDERS
from functory.services.iam.tag_rules import merge_tags, without_tags

_Operation = Callable[[Room, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]
_Change = Callable[[Mapping[str, str]], dict[str, str]]
_PROVIDER = "OpenIDConnectProviderArn"


def _find(connection: Connection, context: CallContext, kind: str, name: str) -> Row[Any]:
    if kind == _PROVIDER:
        return oidc_providers.find(connection, context.account_id, name)
    if kind == "policy":
        return entities.find_by_id(connection, find_own(connection, context, name).id)
    return entities.find(connection, context.account_id, kind, name)


def _replace(connection: Connection, kind: str, row: Row[Any], tags: dict[str, str]) -> None:
    if kind == _PROVIDER:
        own = (OIDC_PROVIDERS.c.account_id == row.account_id, OIDC_PROVIDERS.c.url == row.url)
        connection.execute(update(OIDC_PROVIDERS).where(*own).values(tags=tags))
    else:
        connection.execute(update(ENTITIES).where(ENTITIES.c.id == row.id).values(tags=tags))


async def _apply(room: Room, context: CallContext, kind: str, name: str, change: _Change) -> dict[str, Any]:
    def work(connection: Connection) -> None:
        row = _find(connection, context, kind, name)
        _replace(connection, kind, row, change(row.tags))

    await room.change(work)
    return {}


def tag(kind: str, member: str) -> _Operation:
    """TagUser and its sisters; ``kind`` of a provider is the name of its member."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        return await _apply(room, context, kind, params[member], lambda old: merge_tags(old, params["Tags"]))

    return operation


def untag(kind: str, member: str) -> _Operation:
    """UntagUser and its sisters."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        return await _apply(room, context, kind, params[member], lambda old: without_tags(old, params["TagKeys"]))

    return operation


def list_tags(kind: str, member: str) -> _Operation:
    """ListUserTags and its sisters."""

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        row = await room.read(lambda connection: _find(connection, context, kind, params[member]))
        shown, more = paging.page(entities.tag_list(row.tags), params, lambda each: each["Key"])
        return {"Tags": shown} | more

    return operation
