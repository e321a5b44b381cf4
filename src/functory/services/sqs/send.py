"""SendMessage, SendMessageBatch.

A message is durable before its sender hears of it. In a FIFO queue a message whose deduplication id was used within five
minutes is acknowledged with the first one's id and sequence number, and not stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.kernel.sealing import Sealer
from functory.services.sqs import lookup
from functory.services.sqs import message_rules as rules
from functory.services.sqs.addresses import QueueKey, of_url
from functory.services.sqs.errors import invalid_value, missing
from functory.services.sqs.lookup import Queue
from functory.services.sqs.room import Room
from functory.services.sqs.tables import DEDUPLICATION, MESSAGES

DEDUPLICATION_MS = 300_000
DELAY_S_MAX = 900
_SEQUENCE_BASE = 18_800_000_000_000_000_000
"""AWS's sequence numbers have 20 digits and ascend; so do the rows' ids behind this."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that was checked as far as that goes without its queue.

    Attributes:
        attributes: as the API has them.
        trace_header: system attribute AWSTraceHeader, or ``""``.
        source_arn: of the queue whose dead letter it is, or ``""``.
        carried_trace: ``X-Amzn-Trace-Id`` of the request: AWSTraceHeader of a message that names none; not in the answer.
    """

    body: str
    attributes: Mapping[str, Any]
    trace_header: str
    delay_s: int | None
    group_id: str | None
    deduplication_id: str | None
    source_arn: str = ""
    carried_trace: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of it."""

    message_id: str
    sequence: str | None


async def send_message(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """One message."""
    key = of_url(context, params["QueueUrl"])
    draft = draft_of(params, context.trace_id)
    queue, sent = await deliver(room, key, draft, sender_of(context))
    room.bells.ring(queue.id)
    return answer_to(draft, sent)


def sender_of(context: CallContext) -> str:
    """SenderId: the caller's unique id, or its account where nobody is authenticated."""
    principal = context.principal
    return principal.user_id if principal is not None and principal.user_id else context.account_id


async def deliver(room: Room, key: QueueKey, draft: Draft, sender_id: str) -> tuple[Queue, Sent]:
    """Store one message durably.

    Raises:
        AwsError: the queue does not exist, or does not take it.
    """
    now_ms, message_id = room.now_ms(), room.ids.uuid()

    def work(connection: Connection) -> tuple[Queue, Sent]:
        queue = lookup.require(connection, key)
        return queue, store(connection, room.sealer, queue, draft, sender_id, message_id, now_ms)

    return await room.store.write(work)


def draft_of(params: Mapping[str, Any], carried_trace: str = "") -> Draft:
    """The message in the parameters of SendMessage or an entry of a batch; see `Draft` for the other.

    Raises:
        AwsError: it cannot be a message.
    """
    body, attributes = params["MessageBody"], params.get("MessageAttributes", {})
    if body == "":
        raise missing("MessageBody")
    rules.check_text(body)
    rules.check_attributes(attributes)
    delay_s = params.get("DelaySeconds")
    if delay_s is not None and not 0 <= delay_s <= DELAY_S_MAX:
        raise invalid_value("DelaySeconds", delay_s, f"DelaySeconds must be >= 0 and <= {DELAY_S_MAX}.")
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        if name in params:
            rules.check_token(name, params[name])
    return Draft(
        body, attributes, _trace_header(params.get("MessageSystemAttributes", {})), delay_s,
        params.get("MessageGroupId"), params.get("MessageDeduplicationId"), carried_trace=carried_trace,
    )  # fmt: skip


def _trace_header(system: Mapping[str, Any]) -> str:
    for name, value in system.items():
        if name != rules.TRACE or value.get("DataType") != "String" or not value.get("StringValue"):
            text = f"Message system attribute name {name} is invalid; the only one is {rules.TRACE} of type String."
            raise AwsError("InvalidParameterValue", text, status=400)
        return str(value["StringValue"])
    return ""


def store(
    connection: Connection, sealer: Sealer, queue: Queue, draft: Draft, sender_id: str, message_id: str, now_ms: int
) -> Sent:
    """Add one message; inside a unit of work.

    Raises:
        AwsError: the queue does not take it.
    """
    size, most = rules.size_of(draft.body, draft.attributes), queue.number("MaximumMessageSize")
    if size > most:
        text = f"One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
        raise AwsError("InvalidParameterValue", text, status=400)
    deduplication_id = _deduplication_id(queue, draft) if queue.key.is_fifo else draft.deduplication_id
    if not queue.key.is_fifo and deduplication_id is not None:
        raise _not_for_this_type("MessageDeduplicationId", deduplication_id)
    delay_s = queue.number("DelaySeconds")
    if draft.delay_s is not None:
        if queue.key.is_fifo and draft.delay_s != 0:
            raise _not_for_this_type("DelaySeconds", draft.delay_s)
        delay_s = delay_s if queue.key.is_fifo else draft.delay_s
    scope = _scope(queue, draft, deduplication_id)
    if scope is not None and (known := _known(connection, queue.id, scope, now_ms)) is not None:
        return known
    is_sealed = queue.attribute("SqsManagedSseEnabled") == "true"
    body = sealer.seal(message_id, draft.body) if is_sealed else draft.body.encode()
    row_id = connection.execute(
        insert(MESSAGES).values(
            queue_id=queue.id, message_id=message_id, body=body, is_sealed=is_sealed, attributes=_stored(draft.attributes),
            trace_header=draft.trace_header or draft.carried_trace,
            sender_id=sender_id, sent_ms=now_ms, visible_ms=now_ms + delay_s * 1000,
            received_ms=0, receive_count=0, receipt="", group_id=draft.group_id, deduplication_id=deduplication_id,
            source_arn=draft.source_arn,
        )
    ).inserted_primary_key[0]  # type: ignore[index]  # fmt: skip
    if not queue.key.is_fifo:
        return Sent(message_id, None)
    sequence = sequence_of(row_id)
    if scope is not None:
        values = {"message_id": message_id, "sequence": sequence, "expires_ms": now_ms + DEDUPLICATION_MS}
        connection.execute(insert(DEDUPLICATION).values(queue_id=queue.id, scope=scope, **values))
    return Sent(message_id, sequence)


def sequence_of(row_id: int) -> str:
    """SequenceNumber of a message in a FIFO queue."""
    return str(_SEQUENCE_BASE + row_id)


def _deduplication_id(queue: Queue, draft: Draft) -> str:
    if draft.group_id is None:
        raise missing("MessageGroupId")
    if draft.deduplication_id is not None:
        return draft.deduplication_id
    if queue.attribute("ContentBasedDeduplication") != "true":
        text = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
        raise AwsError("InvalidParameterValue", text, status=400)
    return hashlib.sha256(draft.body.encode()).hexdigest()


def _scope(queue: Queue, draft: Draft, deduplication_id: str | None) -> str | None:
    """Within what a deduplication id counts; None in a standard queue."""
    if not queue.key.is_fifo:
        return None
    group = draft.group_id if queue.attribute("DeduplicationScope") == "messageGroup" else ""
    return f"{group} {deduplication_id}"


def _known(connection: Connection, queue_id: int, scope: str, now_ms: int) -> Sent | None:
    mine = (DEDUPLICATION.c.queue_id == queue_id, DEDUPLICATION.c.scope == scope)
    row = connection.execute(select(DEDUPLICATION).where(*mine)).one_or_none()
    if row is None:
        return None
    if row.expires_ms > now_ms:
        return Sent(row.message_id, row.sequence)
    connection.execute(delete(DEDUPLICATION).where(*mine))
    return None


def _stored(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON: binary values as hexadecimal digits."""
    kept = {}
    for name, value in attributes.items():
        binary = value["DataType"].startswith("Binary")
        content = {"BinaryValue": bytes(value["BinaryValue"]).hex()} if binary else {"StringValue": value["StringValue"]}
        kept[name] = {"DataType": value["DataType"], **content}
    return kept


def loaded(attributes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What `_stored` was given."""
    return {
        name: {**value, "BinaryValue": bytes.fromhex(value["BinaryValue"])} if "BinaryValue" in value else dict(value)
        for name, value in attributes.items()
    }


def _not_for_this_type(parameter: str, value: object) -> AwsError:
    return invalid_value(parameter, value, "The request include parameter that is not valid for this queue type.")


def answer_to(draft: Draft, sent: Sent) -> dict[str, Any]:
    """The result for one message."""
    result = {"MD5OfMessageBody": rules.md5_of_body(draft.body), "MessageId": sent.message_id}
    if draft.attributes:
        result["MD5OfMessageAttributes"] = rules.md5_of_attributes(draft.attributes)
    if draft.trace_header:
        traced = {rules.TRACE: {"DataType": "String", "StringValue": draft.trace_header}}
        result["MD5OfMessageSystemAttributes"] = rules.md5_of_attributes(traced)
    if sent.sequence is not None:
        result["SequenceNumber"] = sent.sequence
    return result


async def send_message_batch(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Up to ten messages in one commit; each succeeds or fails by itself."""
    key, entries = of_url(context, params["QueueUrl"]), params["Entries"]
    rules.check_batch(entries, "SendMessageBatchRequestEntry")
    total = sum(rules.size_of(entry["MessageBody"], _sized(entry)) for entry in entries)
    if total > rules.BATCH_BYTES_MAX:
        text = f"Batch requests cannot be longer than {rules.BATCH_BYTES_MAX} bytes. You have sent {total} bytes."
        raise AwsError("BatchRequestTooLong", text)
    drafts: dict[str, Draft] = {}
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            drafts[entry["Id"]] = draft_of(entry, context.trace_id)
        except AwsError as error:
            failed.append(failure_of(entry["Id"], error))
    now_ms, sender = room.now_ms(), sender_of(context)
    message_ids = {id_: room.ids.uuid() for id_ in drafts}

    def work(connection: Connection) -> tuple[int, dict[str, Sent | AwsError]]:
        queue = lookup.require(connection, key)
        results: dict[str, Sent | AwsError] = {}
        for id_, draft in drafts.items():
            try:
                results[id_] = store(connection, room.sealer, queue, draft, sender, message_ids[id_], now_ms)
            except AwsError as error:  # raised before anything of this entry was stored
                results[id_] = error
        return queue.id, results

    queue_id, results = await room.store.write(work)
    succeeded = []
    for id_, result in results.items():
        if isinstance(result, AwsError):
            failed.append(failure_of(id_, result))
        else:
            succeeded.append({"Id": id_, **answer_to(drafts[id_], result)})
    room.bells.ring(queue_id, len(succeeded))
    return batch_answer(succeeded, failed)


def _sized(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of an entry whose size can be told; the others are refused by themselves."""
    return {
        name: value
        for name, value in entry.get("MessageAttributes", {}).items()
        if value.get("BinaryValue" if value.get("DataType", "").startswith("Binary") else "StringValue")
    }


def failure_of(entry_id: str, error: AwsError) -> dict[str, Any]:
    """An entry of ``Failed``."""
    return {"Id": entry_id, "SenderFault": True, "Code": error.code, "Message": error.message}


def batch_answer(succeeded: list[dict[str, Any]], failed: list[dict[str, Any]]) -> dict[str, Any]:
    """The result of a batch operation; AWS leaves an empty list out."""
    answer = {"Successful": succeeded, "Failed": failed}
    return {name: entries for name, entries in answer.items() if entries}
