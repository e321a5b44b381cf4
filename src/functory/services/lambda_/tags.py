"""Tags: TagResource, UntagResource, ListTags. Only functions have them here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.functions.names import FunctionRef
from functory.services.lambda_ import errors, names, rows, rules
from functory.services.lambda_.configuration import key_of
from functory.services.lambda_.records import FunctionRecord
from functory.services.lambda_.room import Room

_OTHER_RESOURCES = {
    "event-source-mapping": "Event source mapping not found: {arn}",
    "capacity-provider": "Capacity provider not found: {arn}",
    "network-connector": "Network connector not found: {arn}",
    "code-signing-config": "The Lambda code signing configuration ARN can not be found.",
}


class TagsApi:
    """The operations on tags."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def tag_resource(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Add tags, or give them other values."""
        ref = _resolve(ctx, params["Resource"], "lambda:TagResource")
        given: dict[str, str] = params["Tags"]
        await self._change(ref, lambda tags: {**tags, **given})
        return {}

    async def untag_resource(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Remove tags; absent ones are no error."""
        ref = _resolve(ctx, params["Resource"], "lambda:UntagResource")
        gone = set(params["TagKeys"])
        await self._change(ref, lambda tags: {key: value for key, value in tags.items() if key not in gone})
        return {}

    async def list_tags(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """A function's tags."""
        ref = _resolve(ctx, params["Resource"], "lambda:ListTags")
        function = await self._room.store.read(lambda conn: _need(conn, ref))
        return {"Tags": function.tags}

    async def _change(self, ref: FunctionRef, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        def work(conn: Connection) -> None:
            function = _need(conn, ref)
            tags = change(function.tags)
            rules.check_tags(tags)
            rows.put_function(conn, msgspec.structs.replace(function, tags=tags))

        await self._room.commits.commit(key_of(ref), work)


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
