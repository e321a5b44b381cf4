"""Queues themselves: names, attributes, permissions, tags, dead-letter queues and move tasks."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.sqs_service import ACCOUNT, REGION, START_S, Sqs, run_sqs

ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"


def redrive(name: str = "grave", count: int = 1) -> str:
    return json.dumps({"deadLetterTargetArn": ARN + name, "maxReceiveCount": count})


def test_a_new_queue_has_awss_defaults() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue("q")
        assert url == f"http://localhost:4566/{ACCOUNT}/q"
        assert (await sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"]))["Attributes"] == {
            "ApproximateNumberOfMessages": "0",
            "ApproximateNumberOfMessagesDelayed": "0",
            "ApproximateNumberOfMessagesNotVisible": "0",
            "CreatedTimestamp": str(int(START_S)),
            "DelaySeconds": "0",
            "LastModifiedTimestamp": str(int(START_S)),
            "MaximumMessageSize": "1048576",
            "MessageRetentionPeriod": "345600",
            "QueueArn": f"{ARN}q",
            "ReceiveMessageWaitTimeSeconds": "0",
            "SqsManagedSseEnabled": "true",
            "VisibilityTimeout": "30",
        }
        assert await sqs("GetQueueAttributes", QueueUrl=url) == {}
        fifo = await sqs.queue("q.fifo")
        found = await sqs("GetQueueAttributes", QueueUrl=fifo, AttributeNames=["FifoQueue", "DeduplicationScope"])
        assert found == {"Attributes": {"FifoQueue": "true", "DeduplicationScope": "queue"}}

    run_sqs(test)


def test_creating_it_again_is_no_error_unless_it_should_differ() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue("q", DelaySeconds=5)
        assert await sqs.queue("q", DelaySeconds=5) == url
        assert await sqs.queue("q") == url
        expected = "A queue already exists with the same name and a different value for attribute DelaySeconds"
        refusal = await sqs.refused("CreateQueue", QueueName="q", Attributes={"DelaySeconds": "6"})
        assert refusal == ("QueueNameExists", expected)

    run_sqs(test)


@pytest.mark.parametrize(
    ("name", "attributes", "code"),
    [
        ("not a name", {}, "InvalidParameterValue"),
        ("x" * 81, {}, "InvalidParameterValue"),
        ("q.fifo", {}, "InvalidParameterValue"),
        ("q", {"FifoQueue": "true"}, "InvalidParameterValue"),
        ("q", {"FifoQueue": "false"}, "InvalidAttributeName"),
        ("q", {"Wrong": "1"}, "InvalidAttributeName"),
        ("q", {"QueueArn": "x"}, "InvalidAttributeName"),
        ("q", {"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
        ("q", {"DelaySeconds": "-1"}, "InvalidAttributeValue"),
        ("q", {"ContentBasedDeduplication": "true"}, "InvalidAttributeName"),
        ("q", {"Policy": "{}x"}, "InvalidAttributeValue"),
        ("q", {"KmsMasterKeyId": "alias/mine"}, "UnsupportedOperation"),
        ("q", {"RedrivePolicy": redrive("nowhere")}, "InvalidParameterValue"),
        ("q", {"RedrivePolicy": redrive(count=0)}, "InvalidParameterValue"),
        ("q.fifo", {"FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "queue"},
         "InvalidAttributeValue"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_queue_is_refused(name: str, attributes: dict[str, str], code: str) -> None:
    async def test(sqs: Sqs) -> None:
        assert (await sqs.refused("CreateQueue", QueueName=name, Attributes=attributes))[0] == code
        assert await sqs("ListQueues") == {}

    run_sqs(test)


def test_high_throughput_needs_deduplication_by_group_whatever_is_set_first() -> None:
    async def test(sqs: Sqs) -> None:
        high, by_group = {"FifoThroughputLimit": "perMessageGroupId"}, {"DeduplicationScope": "messageGroup"}
        attributes = {"FifoQueue": "true", **high}
        assert (await sqs.refused("CreateQueue", QueueName="q.fifo", Attributes=attributes))[0] == "InvalidAttributeValue"
        url = await sqs.queue("q.fifo")
        assert (await sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes=high))[0] == "InvalidAttributeValue"
        await sqs("SetQueueAttributes", QueueUrl=url, Attributes={**high, **by_group})
        back = {"DeduplicationScope": "queue"}
        assert (await sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes=back))[0] == "InvalidAttributeValue"
        found = await sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["DeduplicationScope"])
        assert found == {"Attributes": by_group}

    run_sqs(test)


def test_a_deleted_queue_is_gone_with_its_messages_and_its_name_rests_for_a_minute() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue("q")
        await sqs.send(url)
        await sqs("DeleteQueue", QueueUrl=url)
        gone = ("QueueDoesNotExist", "The specified queue does not exist.")
        assert await sqs.refused("SendMessage", QueueUrl=url, MessageBody="x") == gone
        assert await sqs.refused("GetQueueUrl", QueueName="q") == gone
        assert (await sqs.refused("CreateQueue", QueueName="q"))[0] == "QueueDeletedRecently"
        await asyncio.sleep(60)
        assert await sqs.receive(await sqs.queue("q")) == []

    run_sqs(test)


def test_a_receiver_waiting_at_a_queue_that_goes_hears_of_it() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        waiting = asyncio.create_task(sqs.refused("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20))
        await asyncio.sleep(1)
        await sqs("DeleteQueue", QueueUrl=url)
        assert (await waiting)[0] == "QueueDoesNotExist"

    run_sqs(test)


def test_lists_are_sorted_and_paged() -> None:
    async def test(sqs: Sqs) -> None:
        for name in ("b", "a2", "a1"):
            await sqs.queue(name)
        await sqs("CreateQueue", QueueName="other", account="999999999999")
        names = [url.rpartition("/")[2] for url in (await sqs("ListQueues"))["QueueUrls"]]
        assert names == ["a1", "a2", "b"]
        page = await sqs("ListQueues", QueueNamePrefix="a", MaxResults=1)
        assert [url[-2:] for url in page["QueueUrls"]] == ["a1"]
        page = await sqs("ListQueues", QueueNamePrefix="a", MaxResults=1, NextToken=page["NextToken"])
        assert [url[-2:] for url in page["QueueUrls"]] == ["a2"]
        assert "NextToken" not in page

    run_sqs(test)


def test_purging_takes_all_messages_once_a_minute() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        for _ in range(3):
            await sqs.send(url)
        await sqs.receive(url, 1)
        await sqs("PurgeQueue", QueueUrl=url)
        assert await sqs.counts(url) == (0, 0, 0)
        expected = ("PurgeQueueInProgress", "Only one PurgeQueue operation on q is allowed every 60 seconds.")
        assert await sqs.refused("PurgeQueue", QueueUrl=url) == expected

    run_sqs(test)


def test_permissions_are_statements_of_the_policy() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        more = {"AWSAccountIds": ["999999999999"], "Actions": ["SendMessage"]}
        await sqs("AddPermission", QueueUrl=url, Label="l", **more)
        found = (await sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["Policy"]))["Attributes"]["Policy"]
        assert json.loads(found) == {
            "Version": "2012-10-17",
            "Id": f"{ARN}q/SQSDefaultPolicy",
            "Statement": [
                {"Sid": "l", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"},
                 "Action": "SQS:SendMessage", "Resource": f"{ARN}q"},
            ],
        }  # fmt: skip
        assert (await sqs.refused("AddPermission", QueueUrl=url, Label="l", **more))[0] == "InvalidParameterValue"
        await sqs("RemovePermission", QueueUrl=url, Label="l")
        assert await sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["Policy"]) == {}
        assert (await sqs.refused("RemovePermission", QueueUrl=url, Label="l"))[0] == "InvalidParameterValue"

    run_sqs(test)


def test_tags_are_kept() -> None:
    async def test(sqs: Sqs) -> None:
        url = (await sqs("CreateQueue", QueueName="q", tags={"a": "1"}))["QueueUrl"]
        await sqs("TagQueue", QueueUrl=url, Tags={"b": "2"})
        assert await sqs("ListQueueTags", QueueUrl=url) == {"Tags": {"a": "1", "b": "2"}}
        await sqs("UntagQueue", QueueUrl=url, TagKeys=["a", "b", "c"])
        assert await sqs("ListQueueTags", QueueUrl=url) == {}

    run_sqs(test)


def test_a_dead_letter_queue_may_choose_its_sources() -> None:
    async def test(sqs: Sqs) -> None:
        await sqs.queue("grave", RedriveAllowPolicy=json.dumps({"redrivePermission": "denyAll"}))
        refusal = await sqs.refused("CreateQueue", QueueName="q", Attributes={"RedrivePolicy": redrive()})
        assert refusal[0] == "InvalidParameterValue"

    run_sqs(test)


def test_dead_letters_go_back_to_where_they_came_from() -> None:
    async def test(sqs: Sqs) -> None:
        grave = await sqs.queue("grave")
        url = await sqs.queue("q", VisibilityTimeout=0, RedrivePolicy=redrive())
        for number in range(3):
            await sqs.send(url, str(number))
        assert len(await sqs.receive(url)) == 3
        assert await sqs.receive(url) == []
        listed = await sqs("ListDeadLetterSourceQueues", QueueUrl=grave)
        assert listed == {"queueUrls": [url]}
        handle = (await sqs("StartMessageMoveTask", SourceArn=f"{ARN}grave"))["TaskHandle"]
        await asyncio.sleep(5)
        assert await sqs.counts(url) == (3, 0, 0)
        [task] = (await sqs("ListMessageMoveTasks", SourceArn=f"{ARN}grave"))["Results"]
        assert task == {
            "Status": "COMPLETED",
            "SourceArn": f"{ARN}grave",
            "ApproximateNumberOfMessagesMoved": 3,
            "ApproximateNumberOfMessagesToMove": 3,
            "StartedTimestamp": int(START_S * 1000),
        }
        assert (await sqs.refused("CancelMessageMoveTask", TaskHandle=handle))[0] == "UnsupportedOperation"

    run_sqs(test)


def test_a_slow_move_task_can_be_cancelled() -> None:
    async def test(sqs: Sqs) -> None:
        await sqs.queue("grave")
        elsewhere = await sqs.queue("elsewhere")
        await sqs.queue("q", RedrivePolicy=redrive())
        for _ in range(10):
            await sqs.send(f"http://localhost:4566/{ACCOUNT}/grave")
        arns = {"SourceArn": f"{ARN}grave", "DestinationArn": f"{ARN}elsewhere"}
        handle = (await sqs("StartMessageMoveTask", **arns, MaxNumberOfMessagesPerSecond=1))["TaskHandle"]
        assert (await sqs.refused("StartMessageMoveTask", **arns))[0] == "UnsupportedOperation"
        await asyncio.sleep(3.5)
        moved = (await sqs("CancelMessageMoveTask", TaskHandle=handle))["ApproximateNumberOfMessagesMoved"]
        assert 3 <= moved <= 5
        await asyncio.sleep(60)
        assert (await sqs.counts(elsewhere))[0] == moved

    run_sqs(test)


def test_only_a_dead_letter_queue_has_move_tasks() -> None:
    async def test(sqs: Sqs) -> None:
        await sqs.queue("q")
        expected = ("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        assert await sqs.refused("StartMessageMoveTask", SourceArn=f"{ARN}q") == expected
        assert (await sqs.refused("StartMessageMoveTask", SourceArn=f"{ARN}no"))[0] == "ResourceNotFoundException"

    run_sqs(test)
