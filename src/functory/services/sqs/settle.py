"""DeleteMessage, ChangeMessageVisibility, and their batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, select, update

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.sqs import lookup, receipts
from functory.services.sqs import message_rules as rules
from functory.services.sqs.addresses import of_url
from functory.services.sqs.errors import invalid_value
from functory.services.sqs.lookup import Queue
from functory.services.sqs.receive import VISIBILITY_S_MAX
from functory.services.sqs.room import Room
from functory.services.sqs.send import batch_answer, failure_of
from functory.services.sqs.tables import MESSAGES

_One = Callable[[Connection, Queue, Mapping[str, Any], int], None]
_M = MESSAGES.c


async def delete_message(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: deleting twice is no error, nor is it with a receipt handle of an earlier receive, which deletes nothing."""
    return await _one(room, context, params, _delete)


async def change_message_visibility(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Counted from now; 0 makes it visible at once."""
    queue_id = await _queue_of(room, context, params)
    answer = await _one(room, context, params, _change)
    room.bells.ring(queue_id)
    return answer


async def _queue_of(room: Room, context: CallContext, params: Mapping[str, Any]) -> int:
    key = of_url(context, params["QueueUrl"])
    return (await room.store.read(lambda connection: lookup.require(connection, key))).id


async def _one(room: Room, context: CallContext, params: Mapping[str, Any], work: _One) -> dict[str, Any]:
    key, now_ms = of_url(context, params["QueueUrl"]), room.now_ms()
    await room.store.write(lambda connection: work(connection, lookup.require(connection, key), params, now_ms))
    return {}


def _delete(connection: Connection, queue: Queue, params: Mapping[str, Any], now_ms: int) -> None:
    handle = params["ReceiptHandle"]
    receipt = receipts.parse(handle, queue.id)
    row = _row(connection, receipt)
    if row is None or row.receipt != receipt.nonce:
        return
    if queue.key.is_fifo and row.visible_ms <= now_ms:
        raise invalid_value("ReceiptHandle", handle, "The receipt handle has expired.")
    connection.execute(delete(MESSAGES).where(_M.id == receipt.row_id))


def _change(connection: Connection, queue: Queue, params: Mapping[str, Any], now_ms: int) -> None:
    handle, seconds = params["ReceiptHandle"], params.get("VisibilityTimeout", 0)
    receipt = receipts.parse(handle, queue.id)
    if not 0 <= seconds <= VISIBILITY_S_MAX:
        raise invalid_value(
            "VisibilityTimeout", seconds, f"VisibilityTimeout must be an integer between 0 and {VISIBILITY_S_MAX}."
        )
    row = _row(connection, receipt)
    if row is None or row.receipt != receipt.nonce or row.visible_ms <= now_ms:
        reason = "Message does not exist or is not available for visibility timeout change."
        raise invalid_value("ReceiptHandle", handle, reason)
    connection.execute(update(MESSAGES).where(_M.id == receipt.row_id).values(visible_ms=now_ms + seconds * 1000))


def _row(connection: Connection, receipt: receipts.Receipt) -> Any:
    query = select(_M.receipt, _M.visible_ms).where(_M.id == receipt.row_id, _M.queue_id == receipt.queue_id)
    return connection.execute(query).one_or_none()


async def delete_message_batch(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Up to ten; each succeeds or fails by itself."""
    return (await _batch(room, context, params, _delete, "DeleteMessageBatchRequestEntry"))[1]


async def change_message_visibility_batch(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Up to ten; each succeeds or fails by itself."""
    queue_id, answer = await _batch(room, context, params, _change, "ChangeMessageVisibilityBatchRequestEntry")
    room.bells.ring(queue_id, len(answer.get("Successful", ())))
    return answer


async def _batch(
    room: Room, context: CallContext, params: Mapping[str, Any], one: _One, kind: str
) -> tuple[int, dict[str, Any]]:
    key, now_ms, entries = of_url(context, params["QueueUrl"]), room.now_ms(), params["Entries"]
    rules.check_batch(entries, kind)

    def work(connection: Connection) -> tuple[int, list[AwsError | None]]:
        queue = lookup.require(connection, key)
        return queue.id, [_error_of(lambda each=each: one(connection, queue, each, now_ms)) for each in entries]  # type: ignore[misc]

    queue_id, errors = await room.store.write(work)
    done = [(entry["Id"], error) for entry, error in zip(entries, errors, strict=True)]
    succeeded = [{"Id": id_} for id_, error in done if error is None]
    return queue_id, batch_answer(succeeded, [failure_of(id_, error) for id_, error in done if error is not None])


def _error_of(work: Callable[[], None]) -> AwsError | None:
    """What it raised; raised before anything was changed."""
    try:
        work()
    except AwsError as error:
        return error
    return None
