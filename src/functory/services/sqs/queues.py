"""CreateQueue, DeleteQueue, GetQueueUrl, ListQueues, PurgeQueue."""

from __future__ import annotations

import base64
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.sqs import attribute_rules, lookup
from functory.services.sqs.addresses import QueueKey, check_name, of_arn, of_url
from functory.services.sqs.errors import invalid_value
from functory.services.sqs.room import Room
from functory.services.sqs.tables import DELETED, MESSAGES, QUEUES
from functory.services.sqs.tags import check_tags
from functory.store.port import upsert

LIST_MAX = 1_000
PURGE_PAUSE_MS = 60_000
ROWS_PER_UNIT = 500
EVERYBODY = 1_000_000


async def create_queue(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: a queue that exists already with the same attributes is answered as if it had just been made."""
    asked, name = params.get("Attributes", {}), params["QueueName"]
    check_name(name, is_fifo=asked.get("FifoQueue") == "true" or name.endswith(".fifo"))
    key = QueueKey(context.account_id, context.region, name)
    if key.is_fifo and asked.get("FifoQueue") != "true":
        check_name(name, is_fifo=False)
    kept, tags = attribute_rules.checked(key, asked), params.get("tags", {})
    attribute_rules.check_together(kept)
    check_tags(tags)
    now_ms = room.now_ms()

    def work(connection: Connection) -> None:
        found = lookup.find(connection, key)
        if found is not None:
            _refuse_another(found, kept)
            return
        _refuse_too_soon(connection, key, now_ms - round(room.settings.name_reuse_after_s * 1000))
        check_redrive(connection, key, kept)
        connection.execute(
            insert(QUEUES).values(
                account_id=key.account_id, region=key.region, name=key.name, created_s=now_ms // 1000,
                modified_s=now_ms // 1000, purged_ms=0, attributes=attribute_rules.merged({}, kept), tags=tags,
            )
        )  # fmt: skip

    await room.store.write(work)
    return {"QueueUrl": key.url(context.endpoint)}


def _refuse_another(found: lookup.Queue, asked: dict[str, str]) -> None:
    name = attribute_rules.difference(found.key, found.kept, asked)
    if name is not None:
        text = f"A queue already exists with the same name and a different value for attribute {name}"
        raise AwsError("QueueNameExists", text)


def _refuse_too_soon(connection: Connection, key: QueueKey, since_ms: int) -> None:
    condition = (DELETED.c.account_id == key.account_id, DELETED.c.region == key.region, DELETED.c.name == key.name)
    deleted_ms = connection.execute(select(DELETED.c.deleted_ms).where(*condition)).scalar_one_or_none()
    if deleted_ms is not None and deleted_ms > since_ms:
        text = "You must wait 60 seconds after deleting a queue before you can create another with the same name."
        raise AwsError("QueueDeletedRecently", text)


def check_redrive(connection: Connection, key: QueueKey, kept: dict[str, str]) -> None:
    """Whether the dead-letter queue exists and takes messages of this one.

    Raises:
        AwsError: InvalidParameterValue.
    """
    redrive = attribute_rules.redrive_of({name: value for name, value in kept.items() if value})
    if redrive is None:
        return
    target = of_arn(redrive[0])
    found = lookup.find(connection, target) if target is not None else None
    if found is None:
        raise invalid_value("RedrivePolicy", kept["RedrivePolicy"], "Dead letter target does not exist.")
    if not attribute_rules.allows_source(found.kept, key.arn):
        raise invalid_value("RedrivePolicy", kept["RedrivePolicy"], "Queue is not allowed to use this dead-letter queue.")


async def delete_queue(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Its messages are out of reach at once and removed in the background."""
    key, now_ms = of_url(context, params["QueueUrl"]), room.now_ms()

    def work(connection: Connection) -> int:
        queue = lookup.require(connection, key)
        connection.execute(delete(QUEUES).where(QUEUES.c.id == queue.id))
        names = {"account_id": key.account_id, "region": key.region, "name": key.name}
        upsert(connection, DELETED, {**names, "deleted_ms": now_ms}, list(names), ["deleted_ms"])
        return queue.id

    room.bells.ring(await room.store.write(work), EVERYBODY)
    room.nudge.set()
    return {}


async def get_queue_url(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """By name, and by the account it belongs to."""
    key = QueueKey(params.get("QueueOwnerAWSAccountId", context.account_id), context.region, params["QueueName"])
    await room.store.read(lambda connection: lookup.require(connection, key))
    return {"QueueUrl": key.url(context.endpoint)}


async def list_queues(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: without MaxResults at most 1,000 and no token; names are sorted."""
    most, prefix, after = params.get("MaxResults"), params.get("QueueNamePrefix", ""), decoded(params.get("NextToken"))
    if most is not None and not 1 <= most <= LIST_MAX:
        raise invalid_value("MaxResults", most, f"Must be between 1 and {LIST_MAX}, if provided.")
    query = select(QUEUES.c.name).where(QUEUES.c.account_id == context.account_id, QUEUES.c.region == context.region)
    query = query.where(func.substr(QUEUES.c.name, 1, len(prefix)) == prefix, QUEUES.c.name > after)
    query = query.order_by(QUEUES.c.name).limit((most or LIST_MAX) + 1)
    names = await room.store.read(lambda connection: connection.execute(query).scalars().all())
    shown = names[: most or LIST_MAX]
    if not shown:
        return {}
    urls = [QueueKey(context.account_id, context.region, name).url(context.endpoint) for name in shown]
    more = {"NextToken": encoded(shown[-1])} if most is not None and len(names) > most else {}
    return {"QueueUrls": urls, **more}


def encoded(name: str) -> str:
    """A NextToken that goes on behind ``name``."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def decoded(token: str | None) -> str:
    """The name that a NextToken goes on behind; `""` without one.

    Raises:
        AwsError: InvalidParameterValue.
    """
    if token is None:
        return ""
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError as error:
        raise invalid_value("NextToken", token, "Invalid token.") from error


async def purge_queue(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS takes up to 60 s; here the messages are gone when it answers. One purge a minute, as on AWS."""
    key, now_ms = of_url(context, params["QueueUrl"]), room.now_ms()

    def begin(connection: Connection) -> tuple[int, int]:
        queue = lookup.require(connection, key)
        if now_ms - queue.purged_ms < PURGE_PAUSE_MS:
            text = f"Only one PurgeQueue operation on {key.name} is allowed every 60 seconds."
            raise AwsError("PurgeQueueInProgress", text)
        connection.execute(update(QUEUES).where(QUEUES.c.id == queue.id).values(purged_ms=now_ms))
        newest = select(func.coalesce(func.max(MESSAGES.c.id), 0)).where(MESSAGES.c.queue_id == queue.id)
        return queue.id, connection.execute(newest).scalar_one()

    queue_id, newest = await room.store.write(begin)

    def remove(connection: Connection) -> int:
        some = select(MESSAGES.c.id).where(MESSAGES.c.queue_id == queue_id, MESSAGES.c.id <= newest).limit(ROWS_PER_UNIT)
        return connection.execute(delete(MESSAGES).where(MESSAGES.c.id.in_(some.scalar_subquery()))).rowcount

    while await room.store.write(remove):
        pass
    return {}
