"""Tags of functions, mappings and code signing configurations: TagResource, UntagResource, ListTags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.functions.isolation import TAG, asked_for
from functory.core.functions.names import FunctionRef
from functory.services.lambda_ import code_signing_rows, errors, event_source_mappings, names, rows, rules
from functory.services.lambda_.code_signing import need_own
from functory.services.lambda_.configuration import key_of
from functory.services.lambda_.records import FunctionRecord
from functory.services.lambda_.room import Room

_OTHER_RESOURCES = {
    "capacity-provider": "Capacity provider not found: {arn}",
    "network-connector": "Network connector not found: {arn}",
}


class TagsApi:
    """The operations on tags."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def tag_resource(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Add tags, or give them other values."""
        if uuid := event_source_mappings.uuid_of(params["Resource"]):
            given = params["Tags"]
            await event_source_mappings.change_tags(self._room, ctx, uuid, lambda tags: {**tags, **given})
            return {}
        if _is_signing(params):
            await self._change_signing(ctx, params["Resource"], lambda tags: {**tags, **params["Tags"]})
            return {}
        ref = _resolve(ctx, params["Resource"], "lambda:TagResource")
        given = params["Tags"]
        await check_isolation(self._room, ref.account_id, given)
        await self._change(ref, lambda tags: {**tags, **given})
        return {}

    async def untag_resource(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Remove tags; absent ones are no error."""
        gone = set(params["TagKeys"])

        def change(tags: Mapping[str, str]) -> dict[str, str]:
            return {key: value for key, value in tags.items() if key not in gone}

        if uuid := event_source_mappings.uuid_of(params["Resource"]):
            await event_source_mappings.change_tags(self._room, ctx, uuid, change)
            return {}
        if _is_signing(params):
            await self._change_signing(ctx, params["Resource"], change)
            return {}
        await self._change(_resolve(ctx, params["Resource"], "lambda:UntagResource"), change)
        return {}

    async def list_tags(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """All of a resource."""
        if uuid := event_source_mappings.uuid_of(params["Resource"]):
            return {"Tags": await event_source_mappings.tags_of(self._room, ctx, uuid)}
        if _is_signing(params):
            config = await self._room.store.read(lambda conn: need_own(conn, ctx, params["Resource"]))
            return {"Tags": config.tags}
        ref = _resolve(ctx, params["Resource"], "lambda:ListTags")
        function = await self._room.store.read(lambda conn: _need(conn, ref))
        return {"Tags": function.tags}

    async def _change_signing(self, ctx: CallContext, arn: str, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        def work(conn: Connection) -> None:
            config = need_own(conn, ctx, arn)
            tags = change(config.tags)
            rules.check_tags(tags)
            code_signing_rows.put_config(conn, msgspec.structs.replace(config, tags=tags))

        await self._room.store.write(work)

    async def _change(self, ref: FunctionRef, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        def work(conn: Connection) -> str | None:
            """The isolation that holds from now on, when it is another one."""
            function = _need(conn, ref)
            tags = change(function.tags)
            rules.check_tags(tags)
            rows.put_function(conn, msgspec.structs.replace(function, tags=tags))
            return asked_for(tags) if asked_for(tags) != asked_for(function.tags) else None

        isolation = await self._room.commits.commit(key_of(ref), work)
        if isolation is not None:
            await self._room.invoker.isolate(*key_of(ref), isolation)


async def check_isolation(room: Room, account_id: str, tags: Mapping[str, str]) -> None:
    """Refuse tags that ask for an isolation that functions of this account cannot have here.

    Raises:
        AwsError: they do.
    """
    if TAG in tags and (why := await room.isolations.refusal(account_id, tags[TAG])):
        raise errors.invalid(f"The value {tags[TAG]!r} of the tag {TAG} is not possible. {why}")


def _is_signing(params: dict[str, Any]) -> bool:
    return ":code-signing-config:" in params["Resource"]


def _resolve(ctx: CallContext, arn: str, action: str) -> FunctionRef:
    kind = arn.split(":")[5] if arn.count(":") > 5 else ""
    text = _OTHER_RESOURCES.get(kind)
    if text is not None:
        raise AwsError("ResourceNotFoundException", text.format(arn=arn))
    ref = names.resolve(ctx, arn, action=action)
    if ref.qualifier:
        raise errors.invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
    return ref


def _need(conn: Connection, ref: FunctionRef) -> FunctionRecord:
    function = rows.get_function(conn, key_of(ref))
    if function is None:
        raise errors.not_found(ref.arn)
    return function
