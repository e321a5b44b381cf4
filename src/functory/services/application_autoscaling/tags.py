"""TagResource, UntagResource, ListTagsForResource: tags of scalable targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.application_autoscaling import rows, rules
from functory.services.application_autoscaling.records import Target
from functory.services.application_autoscaling.room import Room


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags that AWS has not.

    Raises:
        AwsError: there are too many, or one is AWS's own.
    """
    if len(tags) > rules.TAGS_MAX:
        raise AwsError("TooManyTagsException", f"The number of tags exceeds the limit of {rules.TAGS_MAX}.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise rules.invalid("Tag keys that begin with aws: are reserved")


async def tag_resource(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Add tags."""
    return await _change(room, ctx, params, lambda tags: tags | params["Tags"])


async def untag_resource(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Remove tags."""
    gone = set(params["TagKeys"])
    return await _change(room, ctx, params, lambda tags: {key: value for key, value in tags.items() if key not in gone})


async def list_tags_for_resource(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The tags."""
    target = await room.store.read(lambda conn: _find(conn, ctx, params))
    return {"Tags": target.tags}


async def _change(
    room: Room, ctx: CallContext, params: dict[str, Any], change: Callable[[dict[str, str]], dict[str, str]]
) -> dict[str, Any]:
    def work(conn: Connection) -> None:
        target = _find(conn, ctx, params)
        tags = change(target.tags)
        check_tags(tags)
        rows.put_target(conn, msgspec.structs.replace(target, tags=tags))

    await room.store.write(work)
    return {}


def _find(conn: Connection, ctx: CallContext, params: dict[str, Any]) -> Target:
    arn = params["ResourceARN"]
    target = rows.find_target(conn, ctx.account_id, ctx.region, arn.rpartition("/")[2])
    if target is None or rules.target_arn(target) != arn:
        raise AwsError("ResourceNotFoundException", f"The specified resource doesn't exist: {arn}")
    return target
