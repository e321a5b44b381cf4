"""SQS as an event source: receiving, batching, filtering, invoking, deleting.

One poller a mapping. It receives one batch after the other, as many as its allowance lets be under way at once (`scaling`),
and hands each to a task of its own: receive → filter → invoke → delete. A message is deleted only when the function has
answered for its batch without an error and has not reported it as failed; everything else becomes visible again when its
visibility timeout ends, and goes to the dead-letter queue as the queue's redrive policy says. Messages that no filter lets
through are deleted, as on AWS.

A throttled batch is tried again for a while, so that a busy function does not use up the receives of its messages.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from functory.aws.errors import AwsError
from functory.core.calls import CallContext, Calls
from functory.core.mappings.filters import Filters, split
from functory.core.mappings.model import EventSourceMapping
from functory.core.mappings.outcomes import REPORT, failed_items
from functory.core.mappings.port import SourceRoles
from functory.core.mappings.scaling import Allowance, Limits
from functory.kernel import log
from functory.kernel.ids import Ids
from functory.kernel.limits import SYNC_REQUEST_BYTES
from functory.store.port import StoreError

RECEIVE_MAX = 10
WAIT_S = 20
BATCH_DEFAULT = 10
EVENT_BYTES_MAX = SYNC_REQUEST_BYTES
_RECORD_BYTES = 1_024
"""What a record adds to its body, about."""
_TROUBLE_S = 1.0
_TROUBLE_S_MAX = 30.0
_THROTTLE_S = 0.05
_THROTTLE_S_MAX = 2.0
_GROW_S = 0.2
_THROTTLES = frozenset({"TooManyRequestsException", "ServiceException", "ResourceConflictException"})

_LOOP = "RecursiveInvocationException"

_log = log.get("core.mappings.sqs")
_NEEDED = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
"""What a function's role must allow. AWS: AWSLambdaSQSQueueExecutionRole has these three."""


class SqsSource:
    """Event source mappings of queues.

    Args:
        calls: SQS and Lambda.
        ids: request ids.
    """

    def __init__(self, calls: Calls, ids: Ids) -> None:
        self._calls = calls
        self._ids = ids
        self._roles: SourceRoles | None = None

    def ask(self, roles: SourceRoles) -> None:
        """Read queues only as functions' roles allow it, from now on."""
        self._roles = roles

    async def check(self, mapping: EventSourceMapping, timeout_s: int) -> None:
        """See `functory.core.mappings.port.Source`."""
        for operation in _NEEDED:
            if self._roles is not None and not await self._roles.may(mapping, f"sqs:{operation}"):
                text = f"The provided execution role does not have permissions to call {operation} on SQS"
                raise AwsError("InvalidParameterValueException", text)
        try:
            found = await self._call(mapping, "GetQueueAttributes", AttributeNames=["VisibilityTimeout"])
        except AwsError as error:
            code = {"QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue"}.get(error.code, error.code)
            raise AwsError(
                "InvalidParameterValueException",
                f"Error occurred while ReceiveMessage. SQS Error Code: {code}. SQS Error Message: {error.message}",
            ) from error
        visibility_s = int(found["Attributes"]["VisibilityTimeout"])
        if visibility_s < timeout_s:
            raise AwsError(
                "InvalidParameterValueException",
                f"Invalid request provided: Queue visibility timeout: {visibility_s} seconds is less than "
                f"Function timeout: {timeout_s} seconds",
            )

    def poller(self, mapping: EventSourceMapping, stopped: Callable[[], None]) -> SqsPoller:
        """See `functory.core.mappings.port.Source`."""
        return SqsPoller(mapping, self._call, self._invoke, stopped)

    async def _call(self, mapping: EventSourceMapping, operation: str, **params: Any) -> dict[str, Any]:
        """An operation of SQS on the mapping's queue."""
        found = self._calls.find("sqs", operation)
        if found is None:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        action = operation.removesuffix("Batch")
        if self._roles is not None and not await self._roles.may(mapping, f"sqs:{action}"):
            text = f"The function's execution role does not have permissions to call {action} on SQS"
            raise AwsError("AccessDenied", text, status=403)
        name = mapping.source_arn.rpartition(":")[2]
        account_id = mapping.source_arn.split(":")[4]
        context = self._context(mapping)
        return await found(context, {"QueueUrl": f"{context.endpoint}/{account_id}/{name}", **params})

    async def _invoke(self, mapping: EventSourceMapping, payload: bytes, trace_id: str) -> dict[str, Any]:
        found = self._calls.find("lambda", "Invoke")
        if found is None:
            raise AwsError("ServiceException", "Lambda is not here.")
        context = replace(self._context(mapping), trace_id=trace_id)
        return await found(context, {"FunctionName": mapping.function_arn, "Payload": payload})

    def _context(self, mapping: EventSourceMapping) -> CallContext:
        return CallContext(mapping.account_id, mapping.region, self._ids.uuid())


class SqsPoller:
    """See the module.

    Args:
        call: an operation of SQS on the mapping's queue.
        invoke: the mapping's function, with a payload and a trace header or ``""``.
        stopped: see `functory.core.mappings.port.Source`.
    """

    def __init__(
        self,
        mapping: EventSourceMapping,
        call: Callable[..., Any],
        invoke: Callable[[EventSourceMapping, bytes, str], Any],
        stopped: Callable[[], None],
    ) -> None:
        config = mapping.config
        self._mapping = mapping
        self._call = call
        self._invoke = invoke
        self._stopped = stopped
        self._size = config.get("BatchSize", BATCH_DEFAULT)
        self._window_s = config.get("MaximumBatchingWindowInSeconds", 0)
        self._reports = REPORT in config.get("FunctionResponseTypes", [])
        self._filters = Filters(config.get("FilterCriteria", {}), "body")
        self._limits = Limits.of(config)
        self._allowance = Allowance(0.0, 0.0, 0.0)
        self._under_way = 0
        self._freed = asyncio.Event()
        self._receiving: asyncio.Task[None] | None = None
        self._stopping = False
        self.has_stopped = False

    def stop(self) -> None:
        """See `functory.core.mappings.port.Poller`."""
        self._stopping = True
        if self._receiving is not None:
            self._receiving.cancel()

    async def run(self) -> None:
        """See `functory.core.mappings.port.Poller`."""
        self._allowance = Allowance.begin(self._limits, _now())
        try:
            async with asyncio.TaskGroup() as batches:
                self._receiving = batches.create_task(self._receive(batches), name=f"receive {self._mapping.uuid}")
        finally:
            self.has_stopped = True

    async def _receive(self, batches: asyncio.TaskGroup) -> None:
        pause_s = _TROUBLE_S
        try:
            while not self._stopping:
                await self._room()
                try:
                    batch = await self._gather()
                except (AwsError, StoreError) as error:
                    _log.warning("queue_not_polled", mapping=self._mapping.uuid, reason=str(error))
                    await asyncio.sleep(pause_s)
                    pause_s = min(_TROUBLE_S_MAX, pause_s * 2)
                    continue
                pause_s = _TROUBLE_S
                if not batch:
                    self._allowance = self._allowance.after_calm(self._limits, _now())
                    continue
                self._under_way += 1
                batches.create_task(self._work(batch), name=f"batch {self._mapping.uuid}")
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self.has_stopped = True
            self._stopped()

    async def _room(self) -> None:
        """Wait until one more batch may be under way; a mapping that must wait here has a backlog and grows."""
        while self._under_way >= max(1, int(self._allowance.batches)):
            self._allowance = self._allowance.after_backlog(self._limits, _now())
            if self._under_way < int(self._allowance.batches):
                return
            self._freed.clear()
            try:
                async with asyncio.timeout(_GROW_S):
                    await self._freed.wait()
            except TimeoutError:
                continue

    async def _gather(self) -> list[dict[str, Any]]:
        """One batch: what is there, or what comes within the batching window."""
        batch = await self._take(self._size, WAIT_S)
        if not batch or not self._window_s:
            return batch
        until, size = _now() + self._window_s, _bytes(batch)
        while len(batch) < self._size and size < EVENT_BYTES_MAX and (left_s := until - _now()) > 0:
            if left_s < 1:
                await asyncio.sleep(left_s)
            more = await self._take(self._size - len(batch), min(WAIT_S, math.floor(left_s)))
            batch += more
            size += _bytes(more)
        return batch

    async def _take(self, most: int, wait_s: int) -> list[dict[str, Any]]:
        answer = await self._call(
            self._mapping, "ReceiveMessage", MaxNumberOfMessages=min(RECEIVE_MAX, most), WaitTimeSeconds=wait_s,
            MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"],
        )  # fmt: skip
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    async def _work(self, batch: list[dict[str, Any]]) -> None:
        """One batch to its end; whatever happens, the poller goes on."""
        try:
            records = [record_of(message, self._mapping) for message in batch]
            through, others = split(self._filters, records)
            await self._delete([batch[index] for index in others])
            for part in _parts([(batch[index], records[index]) for index in through]):
                await self._hand_over(part)
        except (AwsError, StoreError) as error:
            _log.warning("batch_failed", mapping=self._mapping.uuid, reason=str(error))
        finally:
            self._under_way -= 1
            self._freed.set()

    async def _hand_over(self, part: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        payload = json.dumps({"Records": [record for _, record in part]}, separators=(",", ":"), ensure_ascii=False).encode()
        trace_id = part[0][0].get("Attributes", {}).get("AWSTraceHeader", "") if len(part) == 1 else ""
        try:
            answer = await self._answer(payload, trace_id)
        except AwsError as error:
            _log.warning("recursive_loop_ended", mapping=self._mapping.uuid, reason=str(error))
            await self._end_loop([message for message, _ in part])
            return
        if answer is None or "FunctionError" in answer:
            return
        ids = [record["messageId"] for _, record in part]
        failed = failed_items(bytes(answer["Payload"]), ids) if self._reports else set()
        await self._delete([message for message, record in part if record["messageId"] not in failed])

    async def _end_loop(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """AWS: messages that go round in a loop go to the queue's dead-letter queue; without one they are discarded."""
        found = await self._call(self._mapping, "GetQueueAttributes", AttributeNames=["RedrivePolicy"])
        if not found.get("Attributes", {}).get("RedrivePolicy"):
            await self._delete(messages)

    async def _answer(self, payload: bytes, trace_id: str) -> dict[str, Any] | None:
        """The function's answer; None when it could not be invoked.

        Raises:
            AwsError: it is in a recursive loop.
        """
        pause_s, give_up_at = _THROTTLE_S, _now() + WAIT_S
        while True:
            try:
                answer: dict[str, Any] = await self._invoke(self._mapping, payload, trace_id)
            except AwsError as error:
                if error.code == _LOOP:
                    raise
                if error.code not in _THROTTLES or _now() >= give_up_at or self._stopping:
                    _log.warning("function_not_invoked", mapping=self._mapping.uuid, reason=str(error))
                    return None
                self._allowance = self._allowance.after_trouble(self._limits, _now())
                await asyncio.sleep(pause_s)
                pause_s = min(_THROTTLE_S_MAX, pause_s * 2)
            else:
                return answer

    async def _delete(self, messages: Sequence[Mapping[str, Any]]) -> None:
        for first in range(0, len(messages), RECEIVE_MAX):
            some = messages[first : first + RECEIVE_MAX]
            entries = [{"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]} for number, each in enumerate(some)]
            await self._call(self._mapping, "DeleteMessageBatch", Entries=entries)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _bytes(messages: Sequence[Mapping[str, Any]]) -> int:
    return sum(len(message["Body"].encode()) + _RECORD_BYTES for message in messages)


def _parts(
    batch: Sequence[tuple[dict[str, Any], dict[str, Any]]],
) -> list[list[tuple[dict[str, Any], dict[str, Any]]]]:
    """A batch in parts that each make an event of AWS's size at most."""
    parts: list[list[tuple[dict[str, Any], dict[str, Any]]]] = []
    left = 0
    for item in batch:
        size = len(json.dumps(item[1], ensure_ascii=False).encode()) + 1
        if not parts or size > left:
            parts.append([])
            left = EVENT_BYTES_MAX - 64
        parts[-1].append(item)
        left -= size
    return parts


def record_of(message: Mapping[str, Any], mapping: EventSourceMapping) -> dict[str, Any]:
    """A message as functions get it. AWS: the shape of its documentation's example event."""
    attributes = message.get("MessageAttributes", {})
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.source_arn,
        "awsRegion": mapping.region,
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    content = (
        {"binaryValue": base64.b64encode(value["BinaryValue"]).decode()}
        if "BinaryValue" in value
        else {"stringValue": value["StringValue"]}
    )
    return {**content, "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
