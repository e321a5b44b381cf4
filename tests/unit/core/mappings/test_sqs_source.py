"""A mapping of a queue on virtual time: the real queue service, a function played by the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import structlog

from functory.aws.errors import AwsError
from functory.core.calls import CallContext, Calls
from functory.core.mappings import rows
from functory.core.mappings.controller import Mappings
from functory.core.mappings.model import EventSourceMapping, MappingState
from functory.core.mappings.sources.sqs import SqsSource
from functory.kernel.ids import SeededIds
from tests.support.sqs_service import ACCOUNT, REGION, Sqs, run_sqs

UUID = "11111111-2222-4333-8444-555555555555"
Answer = Callable[[dict[str, Any]], Awaitable[Any]]


class Function:
    """A Lambda service with one function, whose answers are the test's."""

    name = "lambda"

    def __init__(self, answer: Answer) -> None:
        self.events: list[dict[str, Any]] = []
        self.traces: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self._answer = answer
        self.operations = {"Invoke": self._invoke}

    async def _invoke(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        event = json.loads(params["Payload"])
        self.events.append(event)
        self.traces.append(ctx.trace_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            answer = await self._answer(event)
        finally:
            self.at_once -= 1
        if answer is FAILS:
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": b"{}"}
        return {"StatusCode": 200, "Payload": json.dumps(answer).encode()}

    @property
    def bodies(self) -> list[list[str]]:
        return [[record["body"] for record in event["Records"]] for event in self.events]


FAILS = object()


async def succeeds(_event: dict[str, Any]) -> None:
    return None


def mapping(name: str = "q", **config: Any) -> EventSourceMapping:
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    return EventSourceMapping(UUID, ACCOUNT, REGION, "f", "", arn, True, MappingState.CREATING, 1.0, config)


@asynccontextmanager
async def mapped(sqs: Sqs, function: Function, first: EventSourceMapping):  # type: ignore[no-untyped-def]
    """The controller with one mapping."""
    calls = Calls([sqs.service, function])
    await sqs.store.write(lambda connection: rows.add(connection, first))
    async with Mappings(sqs.store, {"sqs": SqsSource(calls, SeededIds(1))}) as mappings:
        yield mappings


async def state(sqs: Sqs) -> MappingState | None:
    found = await sqs.store.read(lambda connection: rows.find(connection, UUID))
    return found.state if found is not None else None


async def change(sqs: Sqs, mappings: Mappings, **members: Any) -> None:
    def work(connection: Any) -> None:
        old = rows.find(connection, UUID)
        assert old is not None
        rows.put(connection, replace(old, changed_at=old.changed_at + 1, **members))

    await sqs.store.write(work)
    mappings.nudge()


def test_a_message_reaches_the_function_as_awss_event_and_is_deleted() -> None:
    async def test(sqs: Sqs) -> None:
        url, function = await sqs.queue(), Function(succeeds)
        async with mapped(sqs, function, mapping()):
            await asyncio.sleep(1)
            assert await state(sqs) is MappingState.ENABLED
            attributes = {"n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"\1"}}
            began = asyncio.get_running_loop().time()
            sent = await sqs.send(url, "hello", MessageAttributes=attributes)
            await asyncio.sleep(0.01)
            [event] = function.events
            assert asyncio.get_running_loop().time() - began < 0.02
            [record] = event["Records"]
            assert record == {
                "messageId": sent["MessageId"],
                "receiptHandle": record["receiptHandle"],
                "body": "hello",
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": record["attributes"]["SentTimestamp"],
                    "SenderId": ACCOUNT,
                    "ApproximateFirstReceiveTimestamp": record["attributes"]["ApproximateFirstReceiveTimestamp"],
                },
                "messageAttributes": {
                    "n": {"stringValue": "1", "stringListValues": [], "binaryListValues": [], "dataType": "Number"},
                    "b": {"binaryValue": "AQ==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
                },
                "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
                "md5OfBody": sent["MD5OfMessageBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q",
                "awsRegion": REGION,
            }
            assert await sqs.counts(url) == (0, 0, 0)

    run_sqs(test)


def test_a_failed_batch_comes_again_after_the_visibility_timeout() -> None:
    async def test(sqs: Sqs) -> None:
        answers = iter([FAILS, None])

        async def answer(_event: dict[str, Any]) -> Any:
            return next(answers)

        url, function = await sqs.queue(VisibilityTimeout=30), Function(answer)
        async with mapped(sqs, function, mapping()):
            await sqs.send(url)
            await asyncio.sleep(29)
            assert len(function.events) == 1
            await asyncio.sleep(2)
            assert [event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in function.events] == ["1", "2"]
            assert await sqs.counts(url) == (0, 0, 0)

    run_sqs(test)


def test_only_reported_items_stay_where_the_function_reports() -> None:
    async def test(sqs: Sqs) -> None:
        async def answer(event: dict[str, Any]) -> Any:
            failed = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
            return {"batchItemFailures": [{"itemIdentifier": item} for item in failed]}

        url, function = await sqs.queue(), Function(answer)
        for body in ("good", "bad", "fine"):
            await sqs.send(url, body)
        async with mapped(sqs, function, mapping(FunctionResponseTypes=["ReportBatchItemFailures"])):
            await asyncio.sleep(1)
            assert await sqs.counts(url) == (0, 1, 0)
            await asyncio.sleep(30)
            assert function.bodies == [["good", "bad", "fine"], ["bad"]]

    run_sqs(test)


def test_what_no_filter_lets_through_is_deleted_unseen() -> None:
    async def test(sqs: Sqs) -> None:
        url, function = await sqs.queue(), Function(succeeds)
        filters = {"Filters": [{"Pattern": json.dumps({"body": {"take": [True]}})}]}
        async with mapped(sqs, function, mapping(FilterCriteria=filters)):
            await sqs.send(url, '{"take": false}')
            await sqs.send(url, '{"take": true}')
            await sqs.send(url, "text")
            await asyncio.sleep(1)
            assert function.bodies == [['{"take": true}']]
            assert await sqs.counts(url) == (0, 0, 0)

    run_sqs(test)


def test_a_batch_is_gathered_within_its_window() -> None:
    async def test(sqs: Sqs) -> None:
        url, function = await sqs.queue(), Function(succeeds)
        async with mapped(sqs, function, mapping(BatchSize=100, MaximumBatchingWindowInSeconds=5)):
            await asyncio.sleep(1)
            for number in range(30):
                await sqs.send(url, str(number))
                await asyncio.sleep(0.1)
            assert function.events == []
            await asyncio.sleep(3)
            assert function.bodies == [[str(number) for number in range(30)]]

    run_sqs(test)


def test_maximum_concurrency_is_never_exceeded_and_a_backlog_makes_others_grow() -> None:
    async def test(sqs: Sqs) -> None:
        async def answer(_event: dict[str, Any]) -> None:
            await asyncio.sleep(1)

        async def most_at_once(**config: Any) -> int:
            url, function = await sqs.queue(), Function(answer)
            for number in range(200):
                await sqs.send(url, str(number))
            async with mapped(sqs, function, mapping(BatchSize=1, **config)):
                while any(await sqs.counts(url)):
                    await asyncio.sleep(1)
            await sqs.store.write(lambda connection: rows.remove(connection, UUID))
            return function.most_at_once

        assert await most_at_once(ScalingConfig={"MaximumConcurrency": 2}) == 2
        assert 5 < await most_at_once() <= 100

    run_sqs(test)


def test_a_throttled_batch_is_tried_again_without_another_receive() -> None:
    async def test(sqs: Sqs) -> None:
        throttles = iter([True, True, False])

        async def answer(_event: dict[str, Any]) -> None:
            if next(throttles):
                raise AwsError("TooManyRequestsException", "Rate Exceeded.")

        url, function = await sqs.queue(), Function(answer)
        async with mapped(sqs, function, mapping()):
            await sqs.send(url)
            await asyncio.sleep(2)
            counts = [event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in function.events]
            assert counts == ["1", "1", "1"]
            assert await sqs.counts(url) == (0, 0, 0)

    run_sqs(test)


def test_a_disabled_mapping_takes_nothing_and_settles_when_its_batches_are_done() -> None:
    async def test(sqs: Sqs) -> None:
        async def answer(_event: dict[str, Any]) -> None:
            await asyncio.sleep(60)

        url, function = await sqs.queue(VisibilityTimeout=600), Function(answer)
        async with mapped(sqs, function, mapping()) as mappings:
            await sqs.send(url, "first")
            await asyncio.sleep(1)
            await change(sqs, mappings, enabled=False, state=MappingState.DISABLING)
            await asyncio.sleep(1)
            await sqs.send(url, "second")
            await asyncio.sleep(50)
            assert await state(sqs) is MappingState.DISABLING
            await asyncio.sleep(20)
            assert await state(sqs) is MappingState.DISABLED
            assert function.bodies == [["first"]]
            await change(sqs, mappings, enabled=True, state=MappingState.ENABLING)
            await asyncio.sleep(1)
            assert await state(sqs) is MappingState.ENABLED
            assert function.bodies == [["first"], ["second"]]

    run_sqs(test)


def test_a_changed_mapping_goes_on_at_once_beside_its_old_batches() -> None:
    async def test(sqs: Sqs) -> None:
        async def answer(event: dict[str, Any]) -> None:
            await asyncio.sleep(60 if event["Records"][0]["body"] == "slow" else 0)

        url, function = await sqs.queue(VisibilityTimeout=600), Function(answer)
        async with mapped(sqs, function, mapping(BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})) as mappings:
            await sqs.send(url, "slow")
            await asyncio.sleep(1)
            await change(sqs, mappings, config={"BatchSize": 2}, state=MappingState.UPDATING)
            await asyncio.sleep(1)
            assert await state(sqs) is MappingState.ENABLED
            await sqs.send(url, "quick")
            await asyncio.sleep(1)
            assert function.bodies == [["slow"], ["quick"]]

    run_sqs(test)


def test_a_deleted_mapping_is_gone() -> None:
    async def test(sqs: Sqs) -> None:
        await sqs.queue()
        async with mapped(sqs, Function(succeeds), mapping()) as mappings:
            await asyncio.sleep(1)
            await change(sqs, mappings, state=MappingState.DELETING)
            await asyncio.sleep(1)
            assert await state(sqs) is None

    run_sqs(test)


def test_a_queue_that_is_gone_is_asked_for_ever_more_rarely() -> None:
    async def test(sqs: Sqs) -> None:
        function = Function(succeeds)
        async with mapped(sqs, function, mapping("later")):
            await asyncio.sleep(100)
            url = await sqs.queue("later")
            await sqs.send(url)
            await asyncio.sleep(31)
            assert len(function.events) == 1

    with structlog.testing.capture_logs() as said:
        run_sqs(test)
    assert 5 <= sum(1 for entry in said if entry["event"] == "queue_not_polled") <= 12


TRACED = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-2-3"}}


def test_the_trace_header_of_a_lone_message_is_handed_on() -> None:
    async def test(sqs: Sqs) -> None:
        url, function = await sqs.queue(), Function(succeeds)
        await sqs.send(url, MessageSystemAttributes=TRACED)
        async with mapped(sqs, function, mapping()):
            await asyncio.sleep(1)
            assert function.traces == ["Root=1-2-3"]

    run_sqs(test)


def test_many_messages_have_no_trace_header_in_common() -> None:
    async def test(sqs: Sqs) -> None:
        url, function = await sqs.queue(), Function(succeeds)
        for _ in range(2):
            await sqs.send(url, MessageSystemAttributes=TRACED)
        async with mapped(sqs, function, mapping()):
            await asyncio.sleep(1)
            assert function.traces == [""]

    run_sqs(test)


def test_messages_of_a_loop_are_discarded_or_left_to_the_dead_letter_queue() -> None:
    async def test(sqs: Sqs) -> None:
        async def loops(_event: dict[str, Any]) -> None:
            raise AwsError("RecursiveInvocationException", "a loop")

        await sqs.queue("dead")
        redrive = json.dumps({"deadLetterTargetArn": mapping("dead").source_arn, "maxReceiveCount": 1})
        url, function = await sqs.queue(), Function(loops)
        await sqs.send(url)
        async with mapped(sqs, function, mapping()):
            await asyncio.sleep(1)
            assert (len(function.events), await sqs.counts(url)) == (1, (0, 0, 0))
            await sqs("SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": redrive})
            await sqs.send(url)
            await asyncio.sleep(1)
            assert (len(function.events), await sqs.counts(url)) == (2, (0, 1, 0))

    run_sqs(test)
