"""Sending, receiving, deleting, visibility: what a standard queue promises."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from functory.core.calls import CallContext
from tests.support.sqs_service import ACCOUNT, REGION, Sqs, run_sqs


def attribute(kind: str, value: str) -> dict[str, str]:
    return {"DataType": kind, "StringValue": value}


def test_a_message_comes_back_with_its_md5_and_is_hidden_until_its_timeout() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        sent = await sqs.send(url, "hello")
        assert sent == {"MD5OfMessageBody": hashlib.md5(b"hello").hexdigest(), "MessageId": sent["MessageId"]}
        [message] = await sqs.receive(url)
        assert set(message) == {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"}
        assert message["MessageId"] == sent["MessageId"]
        assert await sqs.receive(url) == []
        assert await sqs.counts(url) == (0, 1, 0)
        await asyncio.sleep(30.001)
        [again] = await sqs.receive(url, MessageSystemAttributeNames=["All"])
        assert again["Attributes"]["ApproximateReceiveCount"] == "2"
        assert again["ReceiptHandle"] != message["ReceiptHandle"]

    run_sqs(test)


def test_an_empty_queue_answers_nothing_at_all() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        assert await sqs("ReceiveMessage", QueueUrl=url) == {}

    run_sqs(test)


def test_a_deleted_message_never_comes_back_and_an_old_handle_deletes_nothing() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue(VisibilityTimeout=1)
        await sqs.send(url)
        [first] = await sqs.receive(url)
        await asyncio.sleep(1.1)
        [second] = await sqs.receive(url)
        await sqs.delete(url, first)
        assert (await sqs.counts(url))[1] == 1
        await sqs.delete(url, second)
        await sqs.delete(url, second)
        assert await sqs.counts(url) == (0, 0, 0)

    run_sqs(test)


def test_handles_are_those_of_their_queue() -> None:
    async def test(sqs: Sqs) -> None:
        one, other = await sqs.queue("one"), await sqs.queue("other")
        await sqs.send(one)
        [message] = await sqs.receive(one)
        handle = message["ReceiptHandle"]
        expected = ("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')
        assert await sqs.refused("DeleteMessage", QueueUrl=other, ReceiptHandle=handle) == expected
        assert (await sqs.refused("DeleteMessage", QueueUrl=one, ReceiptHandle="?"))[0] == "ReceiptHandleIsInvalid"

    run_sqs(test)


def test_a_delayed_message_waits_and_its_own_delay_goes_before_the_queues() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue(DelaySeconds=10)
        await sqs.send(url, "later")
        await sqs.send(url, "now", DelaySeconds=0)
        assert await sqs.counts(url) == (1, 0, 1)
        assert await sqs.bodies(url) == ["now"]
        await asyncio.sleep(10)
        assert await sqs.bodies(url) == ["later"]

    run_sqs(test)


def test_a_waiting_receiver_gets_a_message_at_once_and_a_delayed_one_when_it_is_due() -> None:
    async def test(sqs: Sqs) -> None:
        url, loop = await sqs.queue(), asyncio.get_running_loop()
        waiting = asyncio.create_task(sqs.bodies(url, WaitTimeSeconds=20))
        await asyncio.sleep(3)
        began = loop.time()
        await sqs.send(url, "soon")
        assert await waiting == ["soon"]
        assert loop.time() - began < 0.01
        await sqs.send(url, "due", DelaySeconds=5)
        began = loop.time()
        assert await sqs.bodies(url, WaitTimeSeconds=20) == ["due"]
        assert 5 <= loop.time() - began < 5.1
        began = loop.time()
        assert await sqs.bodies(url, WaitTimeSeconds=2) == []
        assert 2 <= loop.time() - began < 2.1

    run_sqs(test)


def test_every_message_wakes_one_of_those_who_wait() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue(ReceiveMessageWaitTimeSeconds=20)
        waiting = [asyncio.create_task(sqs.bodies(url, 1)) for _ in range(3)]
        await asyncio.sleep(1)
        entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(3)]
        await sqs("SendMessageBatch", QueueUrl=url, Entries=entries)
        bodies = sorted(body for each in await asyncio.gather(*waiting) for body in each)
        assert bodies == ["0", "1", "2"]

    run_sqs(test)


def test_visibility_is_changed_from_now_on() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        await sqs.send(url)
        [message] = await sqs.receive(url)
        handle = message["ReceiptHandle"]
        await sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=100)
        await asyncio.sleep(99)
        assert await sqs.receive(url) == []
        await sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        code, text = await sqs.refused("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=5)
        assert code == "InvalidParameterValue"
        assert text.endswith("Reason: Message does not exist or is not available for visibility timeout change.")
        assert len(await sqs.receive(url)) == 1

    run_sqs(test)


def test_what_was_received_too_often_is_a_dead_letter_of_its_queue() -> None:
    async def test(sqs: Sqs) -> None:
        grave = await sqs.queue("grave")
        redrive = {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:grave", "maxReceiveCount": 2}
        url = await sqs.queue("q", VisibilityTimeout=0, RedrivePolicy=json.dumps(redrive))
        await sqs.send(url, "poison")
        assert await sqs.bodies(url) == ["poison"]
        assert await sqs.bodies(url) == ["poison"]
        assert await sqs.bodies(url) == []
        [dead] = await sqs.receive(
            grave, MessageSystemAttributeNames=["DeadLetterQueueSourceArn", "ApproximateReceiveCount"]
        )
        assert dead["Attributes"]["DeadLetterQueueSourceArn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
        assert dead["Attributes"]["ApproximateReceiveCount"] == "3"

    run_sqs(test)


def test_messages_older_than_the_retention_are_not_given_out_and_are_removed() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue(MessageRetentionPeriod=60)
        await sqs.send(url)
        await asyncio.sleep(60)
        assert await sqs.receive(url) == []
        await asyncio.sleep(31)
        assert await sqs.counts(url) == (0, 0, 0)

    run_sqs(test)


def test_message_attributes_are_given_to_those_who_ask_with_the_md5_that_sdks_check() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        attributes = {
            "color": {"DataType": "String", "StringValue": "red"},
            "order.id": {"DataType": "Number.int", "StringValue": "12"},
            "order.raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        }
        sent = await sqs.send(url, MessageAttributes=attributes)
        [message] = await sqs.receive(url, VisibilityTimeout=0, MessageAttributeNames=["All"])
        assert message["MessageAttributes"] == attributes
        assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
        [message] = await sqs.receive(url, VisibilityTimeout=0, MessageAttributeNames=["order.*"])
        assert set(message["MessageAttributes"]) == {"order.id", "order.raw"}
        [message] = await sqs.receive(url, MessageAttributeNames=["other"])
        assert "MessageAttributes" not in message

    run_sqs(test)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"MessageBody": ""}, "MissingParameter"),
        ({"MessageBody": "\x00"}, "InvalidMessageContents"),
        ({"MessageBody": "x" * 1_048_577}, "InvalidParameterValue"),
        ({"MessageBody": "x", "DelaySeconds": 901}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageDeduplicationId": "d"}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageAttributes": {"a": attribute("Date", "1")}}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageAttributes": {"a": attribute("Number", "x")}}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageAttributes": {"aws.a": attribute("String", "x")}}, "InvalidParameterValue"),
        ({"MessageBody": "x", "MessageSystemAttributes": {"X": attribute("String", "x")}}, "InvalidParameterValue"),
    ],
)
def test_what_cannot_be_a_message_is_refused_and_leaves_nothing(params: dict[str, object], code: str) -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        assert (await sqs.refused("SendMessage", QueueUrl=url, **params))[0] == code
        assert await sqs.counts(url) == (0, 0, 0)

    run_sqs(test)


def test_entries_of_a_batch_fail_by_themselves() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        entries = [{"Id": "good", "MessageBody": "1"}, {"Id": "bad", "MessageBody": "\x00"}]
        answer = await sqs("SendMessageBatch", QueueUrl=url, Entries=entries)
        assert [each["Id"] for each in answer["Successful"]] == ["good"]
        [failure] = answer["Failed"]
        assert (failure["Id"], failure["SenderFault"], failure["Code"]) == ("bad", True, "InvalidMessageContents")
        [message] = await sqs.receive(url)
        entries = [{"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}, {"Id": "2", "ReceiptHandle": "?"}]
        answer = await sqs("DeleteMessageBatch", QueueUrl=url, Entries=entries)
        assert answer["Successful"] == [{"Id": "1"}]
        assert [each["Code"] for each in answer["Failed"]] == ["ReceiptHandleIsInvalid"]

    run_sqs(test)


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([{"Id": str(number), "MessageBody": "x"} for number in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "a", "MessageBody": "x"}] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": "?", "MessageBody": "x"}], "InvalidBatchEntryId"),
        ([{"Id": str(number), "MessageBody": "x" * 600_000} for number in range(2)], "BatchRequestTooLong"),
    ],
)
def test_impossible_batches_are_refused_whole(entries: list[dict[str, str]], code: str) -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        assert (await sqs.refused("SendMessageBatch", QueueUrl=url, Entries=entries))[0] == code
        assert await sqs.counts(url) == (0, 0, 0)

    run_sqs(test)


def test_a_message_has_the_trace_header_of_its_request_unless_it_names_one() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        context = CallContext(ACCOUNT, REGION, "request", trace_id="Root=1-2-3")
        named = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=9"}}
        send = sqs.service.operations["SendMessage"]
        carried = await send(context, {"QueueUrl": url, "MessageBody": "carried"})
        assert "MD5OfMessageSystemAttributes" not in carried
        await send(context, {"QueueUrl": url, "MessageBody": "named", "MessageSystemAttributes": named})
        entries = [{"Id": "1", "MessageBody": "batch"}]
        await sqs.service.operations["SendMessageBatch"](context, {"QueueUrl": url, "Entries": entries})
        messages = await sqs.receive(url, MessageSystemAttributeNames=["AWSTraceHeader"])
        traces = {message["Body"]: message["Attributes"]["AWSTraceHeader"] for message in messages}
        assert traces == {"carried": "Root=1-2-3", "named": "Root=9", "batch": "Root=1-2-3"}

    run_sqs(test)
