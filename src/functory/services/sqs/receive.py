"""ReceiveMessage: choosing messages, hiding them, and waiting for some.

**Choosing.** In a standard queue whatever has been visible longest. In a FIFO queue the oldest of each message group, and of
no group that has a message in flight or one before it that is not visible yet; several of one group only in their order.

**Dead letters.** A message that was received ``maxReceiveCount`` times and is visible again goes to the dead-letter queue
in the unit of work that would have received it once more.

**Waiting.** A sender rings for one waiting receiver a message. What no sender rings for (a delay or a visibility timeout
that ends) is known from the store: the receiver waits until the next such time at the latest. On several nodes a receiver
looks every `LOOK_S` in any case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, func, or_, select, update

from functory.core.calls import CallContext
from functory.kernel.sealing import Sealer
from functory.services.sqs import attribute_rules, lookup
from functory.services.sqs import message_rules as rules
from functory.services.sqs.addresses import of_arn, of_url
from functory.services.sqs.errors import invalid_value
from functory.services.sqs.lookup import Queue
from functory.services.sqs.receipts import Receipt
from functory.services.sqs.room import Room
from functory.services.sqs.send import loaded, sequence_of
from functory.services.sqs.tables import MESSAGES

MESSAGES_MAX = 10
WAIT_S_MAX = 20
VISIBILITY_S_MAX = 43_200
LOOK_S = 1.0
_M = MESSAGES.c
_SYSTEM_NAMES = (
    "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "SequenceNumber",
    "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader", "DeadLetterQueueSourceArn",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Received:
    """One receive's result.

    Attributes:
        rows: of `MESSAGES`, as they are after it.
        next_ms: when the next message becomes visible, or None when nobody knows of any.
        dead: rows of dead-letter queues that got something.
    """

    queue: Queue
    rows: list[dict[str, Any]]
    next_ms: int | None
    dead: tuple[int, ...]


async def receive_message(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Up to ten messages; waits for the first where that is asked for.

    Differs: the number of messages in flight is not limited; ReceiveRequestAttemptId is refused.
    """
    key = of_url(context, params["QueueUrl"])
    most, visibility_s = params.get("MaxNumberOfMessages", 1), params.get("VisibilityTimeout")
    _check(params, most, visibility_s, params.get("WaitTimeSeconds"))
    queue = await room.store.read(lambda connection: lookup.require(connection, key))
    wait_s = params.get("WaitTimeSeconds", queue.number("ReceiveMessageWaitTimeSeconds"))
    give_up_ms = room.now_ms() + wait_s * 1000
    while True:
        now_ms, nonces = room.now_ms(), [room.ids.hex(32) for _ in range(most)]
        found = await room.store.write(
            lambda connection, now_ms=now_ms, nonces=nonces: take(  # type: ignore[misc]
                connection, lookup.require(connection, key), nonces, visibility_s, now_ms
            )
        )
        for dead in found.dead:
            room.bells.ring(dead)
        left_s = (give_up_ms - room.now_ms()) / 1000
        if found.rows or left_s <= 0:
            return {"Messages": [shown(room.sealer, found.queue, row, params) for row in found.rows]} if found.rows else {}
        next_s = LOOK_S if found.next_ms is None else max(0.001, (found.next_ms - room.now_ms()) / 1000)
        await room.bells.wait(found.queue.id, min(left_s, next_s, LOOK_S))


def _check(params: dict[str, Any], most: int, visibility_s: int | None, wait_s: int | None) -> None:
    if not 1 <= most <= MESSAGES_MAX:
        raise invalid_value("MaxNumberOfMessages", most, f"Must be between 1 and {MESSAGES_MAX}, if provided.")
    if visibility_s is not None and not 0 <= visibility_s <= VISIBILITY_S_MAX:
        raise invalid_value("VisibilityTimeout", visibility_s, f"Must be between 0 and {VISIBILITY_S_MAX}, if provided.")
    if wait_s is not None and not 0 <= wait_s <= WAIT_S_MAX:
        raise invalid_value("WaitTimeSeconds", wait_s, f"Must be >= 0 and <= {WAIT_S_MAX}, if provided.")
    for name in [*params.get("AttributeNames", []), *params.get("MessageSystemAttributeNames", [])]:
        if name != "All" and name not in _SYSTEM_NAMES:
            raise attribute_rules.unknown(name)
    if "ReceiveRequestAttemptId" in params:
        raise invalid_value("ReceiveRequestAttemptId", params["ReceiveRequestAttemptId"], "It is not supported.")


def take(connection: Connection, queue: Queue, nonces: list[str], visibility_s: int | None, now_ms: int) -> Received:
    """Receive up to one message a nonce; inside a unit of work."""
    bury = attribute_rules.redrive_of(queue.kept)
    target = of_arn(bury[0]) if bury is not None else None
    grave = lookup.find(connection, target) if target is not None else None
    rows: list[dict[str, Any]] = []
    buried = 0
    while len(rows) < len(nonces):
        candidates = _candidates(connection, queue, now_ms, len(nonces) - len(rows), [row["id"] for row in rows])
        if not candidates:
            break
        for row in candidates:
            if bury is not None and grave is not None and row.receive_count >= bury[1]:
                _bury(connection, row, queue, grave, now_ms)
                buried += 1
            else:
                seconds = queue.number("VisibilityTimeout") if visibility_s is None else visibility_s
                rows.append(_hide(connection, row, nonces[len(rows)], now_ms, seconds))
        if rows and len(candidates) < len(nonces):
            break
    next_ms = None if rows else _next_visible(connection, queue.id, now_ms)
    return Received(queue, rows, next_ms, (grave.id,) * min(buried, 1) if grave is not None else ())


def _candidates(connection: Connection, queue: Queue, now_ms: int, most: int, taken: list[int]) -> list[Row[Any]]:
    kept_since_ms = now_ms - queue.number("MessageRetentionPeriod") * 1000
    is_there = [_M.queue_id == queue.id, _M.visible_ms <= now_ms, _M.sent_ms > kept_since_ms]
    if taken:
        is_there.append(_M.id.not_in(taken))
    if not queue.key.is_fifo:
        query = select(MESSAGES).where(*is_there).order_by(_M.visible_ms, _M.id).limit(most)
        return list(connection.execute(query.with_for_update(skip_locked=True)))
    other = MESSAGES.alias("other").c
    blocks = exists().where(
        other.queue_id == _M.queue_id,
        other.group_id == _M.group_id,
        other.visible_ms > now_ms,
        or_(other.receive_count > 0, other.id < _M.id),
    )
    query = select(MESSAGES).where(*is_there, ~blocks).order_by(_M.id).limit(most)
    return list(connection.execute(query.with_for_update(of=MESSAGES)))


def _hide(connection: Connection, row: Row[Any], nonce: str, now_ms: int, visibility_s: int) -> dict[str, Any]:
    """Receive one message."""
    changes = {
        "visible_ms": now_ms + visibility_s * 1000,
        "receive_count": row.receive_count + 1,
        "received_ms": row.received_ms or now_ms,
        "receipt": nonce,
    }
    connection.execute(update(MESSAGES).where(_M.id == row.id).values(**changes))
    return {**row._mapping, **changes}


def _bury(connection: Connection, row: Row[Any], queue: Queue, grave: Queue, now_ms: int) -> None:
    """Move a message to the dead-letter queue. AWS: a standard queue keeps the time it was sent, a FIFO queue does not."""
    changes = {"queue_id": grave.id, "visible_ms": now_ms, "receipt": "", "source_arn": queue.key.arn}
    if queue.key.is_fifo:
        changes["sent_ms"] = now_ms
    connection.execute(update(MESSAGES).where(_M.id == row.id).values(**changes))


def _next_visible(connection: Connection, queue_id: int, now_ms: int) -> int | None:
    query = select(func.min(_M.visible_ms)).where(_M.queue_id == queue_id, _M.visible_ms > now_ms)
    found: int | None = connection.execute(query).scalar_one()
    return found


def shown(sealer: Sealer, queue: Queue, row: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """A message as ReceiveMessage answers it."""
    body = sealer.open(row["message_id"], row["body"]) if row["is_sealed"] else bytes(row["body"]).decode()
    message: dict[str, Any] = {
        "MessageId": row["message_id"],
        "ReceiptHandle": str(Receipt(queue.id, row["id"], row["receipt"])),
        "MD5OfBody": rules.md5_of_body(body),
        "Body": body,
    }
    names = {*params.get("AttributeNames", []), *params.get("MessageSystemAttributeNames", [])}
    system = {name: value for name, value in _system(queue, row).items() if "All" in names or name in names}
    if system:
        message["Attributes"] = system
    attributes = rules.chosen(loaded(row["attributes"]), params.get("MessageAttributeNames", []))
    if attributes:
        message["MD5OfMessageAttributes"] = rules.md5_of_attributes(attributes)
        message["MessageAttributes"] = attributes
    return message


def _system(queue: Queue, row: dict[str, Any]) -> dict[str, str]:
    """AWS leaves out what a message does not have."""
    attributes = {
        "SenderId": row["sender_id"],
        "SentTimestamp": str(row["sent_ms"]),
        "ApproximateReceiveCount": str(row["receive_count"]),
        "ApproximateFirstReceiveTimestamp": str(row["received_ms"]),
        "SequenceNumber": sequence_of(row["id"]) if queue.key.is_fifo else "",
        "MessageDeduplicationId": row["deduplication_id"] or "",
        "MessageGroupId": row["group_id"] or "",
        "AWSTraceHeader": row["trace_header"],
        "DeadLetterQueueSourceArn": row["source_arn"],
    }
    return {name: value for name, value in attributes.items() if value}
