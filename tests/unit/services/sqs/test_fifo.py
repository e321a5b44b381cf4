"""FIFO queues: order within groups, one flight at a time, deduplication."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.support.sqs_service import Sqs, run_sqs


def test_a_group_keeps_its_order_and_is_closed_while_one_of_it_is_in_flight() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue("q.fifo", ContentBasedDeduplication="true")
        for body in ("a1", "a2", "b1", "a3"):
            await sqs.send(url, body, MessageGroupId=body[0])
        first = await sqs.receive(url, 2)
        assert [message["Body"] for message in first] == ["a1", "a2"]
        assert await sqs.bodies(url) == ["b1"]
        assert await sqs.receive(url) == []
        await sqs.delete(url, first[0])
        assert await sqs.receive(url) == []
        await sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=first[1]["ReceiptHandle"], VisibilityTimeout=0)
        assert await sqs.bodies(url) == ["a2", "a3"]

    run_sqs(test)


def test_a_delayed_message_holds_back_its_group() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue("q.fifo", ContentBasedDeduplication="true", DelaySeconds=5)
        await sqs.send(url, "1", MessageGroupId="g")
        await sqs("SetQueueAttributes", QueueUrl=url, Attributes={"DelaySeconds": "0"})
        await sqs.send(url, "2", MessageGroupId="g")
        assert await sqs.receive(url) == []
        await asyncio.sleep(5)
        assert await sqs.bodies(url) == ["1", "2"]

    run_sqs(test)


def test_a_repeated_message_is_acknowledged_with_the_first_ones_id_for_five_minutes() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue("q.fifo")
        first = await sqs.send(url, "1", MessageGroupId="g", MessageDeduplicationId="d")
        again = await sqs.send(url, "other", MessageGroupId="h", MessageDeduplicationId="d")
        assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
        assert await sqs.bodies(url) == ["1"]
        await asyncio.sleep(300)
        later = await sqs.send(url, "2", MessageGroupId="g", MessageDeduplicationId="d")
        assert int(later["SequenceNumber"]) > int(first["SequenceNumber"])
        assert len(later["SequenceNumber"]) == 20

    run_sqs(test)


def test_with_high_throughput_each_group_deduplicates_by_itself() -> None:
    async def test(sqs: Sqs) -> None:
        high = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
        url = await sqs.queue("q.fifo", ContentBasedDeduplication="true", **high)
        for group in ("g", "h", "g"):
            await sqs.send(url, "same", MessageGroupId=group)
        assert await sqs.bodies(url) == ["same", "same"]

    run_sqs(test)


def test_what_a_fifo_queue_needs_is_asked_for() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue("q.fifo")
        expected = ("MissingParameter", "The request must contain the parameter MessageGroupId.")
        assert await sqs.refused("SendMessage", QueueUrl=url, MessageBody="x") == expected
        code, text = await sqs.refused("SendMessage", QueueUrl=url, MessageBody="x", MessageGroupId="g")
        assert code == "InvalidParameterValue"
        assert "ContentBasedDeduplication" in text
        more = {"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 1}
        assert (await sqs.refused("SendMessage", QueueUrl=url, MessageBody="x", **more))[0] == "InvalidParameterValue"

    run_sqs(test)


def test_a_handle_whose_time_is_over_is_refused() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue("q.fifo", ContentBasedDeduplication="true", VisibilityTimeout=1)
        await sqs.send(url, MessageGroupId="g")
        [message] = await sqs.receive(url)
        await asyncio.sleep(1.1)
        code, text = await sqs.refused("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        assert code == "InvalidParameterValue"
        assert text.endswith("Reason: The receipt handle has expired.")

    run_sqs(test)


@pytest.mark.parametrize("seed", range(5))
def test_every_group_is_seen_in_order_whoever_receives_and_fails(seed: int) -> None:
    """Several receivers with batches of any size; some die between two deletes."""

    async def test(sqs: Sqs) -> None:
        choose = random.Random(seed)
        url = await sqs.queue("q.fifo", ContentBasedDeduplication="true")
        sent: dict[str, list[str]] = {"a": [], "b": [], "c": []}
        for number in range(20):
            group = choose.choice("abc")
            await sqs.send(url, f"{group}{number}", MessageGroupId=group)
            sent[group].append(f"{group}{number}")
        done: dict[str, list[str]] = {group: [] for group in sent}
        flying: list[list[dict[str, Any]]] = []
        while flying or any(await sqs.counts(url)):
            batch = await sqs.receive(url, choose.randint(1, 6))
            assert not {each["Body"][0] for batches in flying for each in batches} & {each["Body"][0] for each in batch}
            if batch:
                flying.append(batch)
            if batch and len(flying) < 3:
                continue
            for message in flying.pop(choose.randrange(len(flying))) if flying else ():
                if choose.random() < 0.1:  # it dies; the others are slower than their visibility timeout
                    flying.clear()
                    await asyncio.sleep(31)
                    break
                await sqs.delete(url, message)
                done[message["Body"][0]].append(message["Body"])
        assert done == sent

    run_sqs(test)
