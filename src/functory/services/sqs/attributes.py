"""GetQueueAttributes, SetQueueAttributes, AddPermission, RemovePermission."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, func, select, update

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.sqs import attribute_rules, lookup
from functory.services.sqs.addresses import QueueKey, of_url
from functory.services.sqs.errors import invalid_value
from functory.services.sqs.queues import check_redrive
from functory.services.sqs.room import Room
from functory.services.sqs.tables import MESSAGES, QUEUES

ACTIONS = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues",
           "PurgeQueue", "ReceiveMessage", "SendMessage")  # fmt: skip
ACTIONS_MAX = 7
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}")


async def get_queue_attributes(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Those that were asked for and that the queue has."""
    key, now_ms = of_url(context, params["QueueUrl"]), room.now_ms()
    names = params.get("AttributeNames", [])
    asked = attribute_rules.wanted(names)
    known = {*attribute_rules.defaults(is_fifo=True), *attribute_rules.COUNTS, *attribute_rules.FACTS, "Policy",
             "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"}  # fmt: skip
    for name in asked or ():
        if name not in known:
            raise attribute_rules.unknown(name)
    if not names:
        await room.store.read(lambda connection: lookup.require(connection, key))
        return {}
    found = await room.store.read(lambda connection: _attributes(connection, key, now_ms))
    shown = {name: value for name, value in found.items() if asked is None or name in asked}
    return {"Attributes": shown} if shown else {}


def _attributes(connection: Connection, key: QueueKey, now_ms: int) -> dict[str, str]:
    queue = lookup.require(connection, key)
    visible, in_flight, delayed = counts(connection, queue.id, now_ms)
    return {
        **attribute_rules.defaults(is_fifo=key.is_fifo),
        **queue.kept,
        "ApproximateNumberOfMessages": str(visible),
        "ApproximateNumberOfMessagesNotVisible": str(in_flight),
        "ApproximateNumberOfMessagesDelayed": str(delayed),
        "CreatedTimestamp": str(queue.created_s),
        "LastModifiedTimestamp": str(queue.modified_s),
        "QueueArn": key.arn,
    }


def counts(connection: Connection, queue_id: int, now_ms: int) -> tuple[int, int, int]:
    """Messages that are visible, in flight, delayed."""
    mine, hidden = MESSAGES.c.queue_id == queue_id, MESSAGES.c.visible_ms > now_ms
    query = select(func.count()).select_from(MESSAGES).where(mine)
    visible = connection.execute(query.where(~hidden)).scalar_one()
    in_flight = connection.execute(query.where(hidden, MESSAGES.c.receive_count > 0)).scalar_one()
    delayed = connection.execute(query.where(hidden, MESSAGES.c.receive_count == 0)).scalar_one()
    return visible, in_flight, delayed


async def set_queue_attributes(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS takes up to 60 s to follow; here the next request sees it."""
    key, now_s = of_url(context, params["QueueUrl"]), room.now_ms() // 1000
    if "FifoQueue" in params["Attributes"]:
        raise attribute_rules.unknown("FifoQueue")
    changes = attribute_rules.checked(key, params["Attributes"])

    def work(connection: Connection) -> int:
        queue = lookup.require(connection, key)
        check_redrive(connection, key, changes)
        kept = attribute_rules.merged(queue.kept, changes)
        attribute_rules.check_together(kept)
        connection.execute(update(QUEUES).where(QUEUES.c.id == queue.id).values(attributes=kept, modified_s=now_s))
        return queue.id

    await room.store.write(work)
    return {}


async def add_permission(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """A statement of the queue's policy, named by its label."""
    key, label = of_url(context, params["QueueUrl"]), params["Label"]
    if not _LABEL.fullmatch(label):
        raise invalid_value("Label", label, "Can only include alphanumeric characters, hyphens, or underscores.")
    if not params["AWSAccountIds"] or not params["Actions"]:
        raise AwsError("MissingParameter", "The request must contain the parameter Actions.", status=400)
    if len(params["Actions"]) > ACTIONS_MAX:
        text = f"{len(params['Actions'])} Actions were found, maximum allowed is {ACTIONS_MAX}."
        raise AwsError("OverLimit", text)
    for action in params["Actions"]:
        if action != "*" and action not in ACTIONS:
            raise invalid_value(
                "ActionName", f"SQS:{action}", f"Only the queue owner is allowed to invoke this action: {action}"
            )
    principals = [f"arn:aws:iam::{account}:root" for account in params["AWSAccountIds"]]
    actions = [f"SQS:{action}" for action in params["Actions"]]
    statement = {"Sid": label, "Effect": "Allow", "Principal": {"AWS": _one_or_many(principals)},
                 "Action": _one_or_many(actions), "Resource": key.arn}  # fmt: skip

    def change(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if any(each.get("Sid") == label for each in statements):
            raise invalid_value("Label", label, "Already exists.")
        return [*statements, statement]

    return await _change_policy(room, key, change)


async def remove_permission(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Takes the statement with this label out of the policy."""
    key, label = of_url(context, params["QueueUrl"]), params["Label"]

    def change(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        left = [each for each in statements if each.get("Sid") != label]
        if len(left) == len(statements):
            raise invalid_value("Label", label, "can't find label on existing policy.")
        return left

    return await _change_policy(room, key, change)


async def _change_policy(
    room: Room, key: QueueKey, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> dict[str, Any]:
    now_s = room.now_ms() // 1000

    def work(connection: Connection) -> None:
        queue = lookup.require(connection, key)
        policy: Mapping[str, Any] = json.loads(queue.kept.get("Policy", "{}"))
        found = policy.get("Statement", [])
        statements = change([found] if isinstance(found, dict) else list(found))
        kept = {name: value for name, value in queue.kept.items() if name != "Policy"}
        if statements:
            head = {"Version": "2012-10-17", "Id": f"{key.arn}/SQSDefaultPolicy"} | dict(policy)
            kept["Policy"] = json.dumps(head | {"Statement": statements}, separators=(",", ":"))
        connection.execute(update(QUEUES).where(QUEUES.c.id == queue.id).values(attributes=kept, modified_s=now_s))

    await room.store.write(work)
    return {}


def _one_or_many(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
