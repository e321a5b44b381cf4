"""TagQueue, UntagQueue, ListQueueTags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, update

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.sqs import lookup
from functory.services.sqs.addresses import of_url
from functory.services.sqs.room import Room
from functory.services.sqs.tables import QUEUES

TAGS_MAX = 50


def check_tags(tags: Mapping[str, str]) -> None:
    """Whether a queue may have these.

    Raises:
        AwsError: InvalidParameterValue.
    """
    if len(tags) > TAGS_MAX:
        text = f"Too many tags added for queue. Maximum number of tags allowed is {TAGS_MAX}."
        raise AwsError("InvalidParameterValue", text, status=400)
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise AwsError("InvalidParameterValue", f"Tag {key} is invalid.", status=400)


async def tag_queue(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Adds tags, or replaces their values."""
    return await _change(room, context, params, lambda old: {**old, **params["Tags"]})


async def untag_queue(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Removes tags; absent ones are no error."""
    return await _change(room, context, params, lambda old: {key: old[key] for key in old if key not in params["TagKeys"]})


async def _change(
    room: Room, context: CallContext, params: dict[str, Any], change: Callable[[Mapping[str, str]], dict[str, str]]
) -> dict[str, Any]:
    key = of_url(context, params["QueueUrl"])

    def work(connection: Connection) -> None:
        queue = lookup.require(connection, key)
        tags = change(queue.tags)
        check_tags(tags)
        connection.execute(update(QUEUES).where(QUEUES.c.id == queue.id).values(tags=tags))

    await room.store.write(work)
    return {}


async def list_queue_tags(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """All of them."""
    key = of_url(context, params["QueueUrl"])
    queue = await room.store.read(lambda connection: lookup.require(connection, key))
    return {"Tags": dict(queue.tags)} if queue.tags else {}
