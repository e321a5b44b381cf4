"""Queues as the targets of what other services send."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from functory.core.deliveries.port import Delivery, Done, Drop, NewDelivery, RetryAt, Tally
from functory.core.targets.port import Notice, NoticeAttribute, TargetError
from functory.services.sqs.target import KIND, QueueDeliveries, QueueTarget
from functory.store.port import StoreError
from tests.support.sqs_service import ACCOUNT, REGION, Sqs, run_sqs

ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
SOURCE = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
ATTRIBUTES = (NoticeAttribute("RequestID", "String", "r-1"), NoticeAttribute("ErrorCode", "Number", "200"))


def delivery(notice: Notice) -> Delivery:
    """The delivery as the queue gives it back: through JSON."""
    new: NewDelivery = QueueTarget().delivery(ARN, notice)
    attributes = json.loads(json.dumps(new.attributes))
    return Delivery("1", KIND, new.target, new.payload, attributes, 0.0, 0.0, 1.0)


def deliveries(sqs: Sqs) -> QueueDeliveries:
    return QueueDeliveries(sqs.service.room, sqs.service.room.clock)


def test_a_notice_arrives_as_a_message_with_its_attributes_and_trace() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        assert isinstance(sqs.targets.find(ARN), QueueTarget)
        notice = Notice(b'{"a": 1}', SOURCE, "Root=1-2-3", ATTRIBUTES)
        assert await deliveries(sqs).deliver(delivery(notice)) == Done()
        [message] = await sqs.receive(url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"])
        assert message["Body"] == '{"a": 1}'
        assert message["MessageAttributes"] == {
            "RequestID": {"DataType": "String", "StringValue": "r-1"},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        }
        assert message["Attributes"]["AWSTraceHeader"] == "Root=1-2-3"
        assert message["Attributes"]["SenderId"] == ACCOUNT

    run_sqs(test)


def test_characters_that_sqs_does_not_transport_are_replaced_in_attributes() -> None:
    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        notice = Notice(b"1", SOURCE, "", (NoticeAttribute("ErrorMessage", "String", "\x1b[31mred"),))
        assert await deliveries(sqs).deliver(delivery(notice)) == Done()
        [message] = await sqs.receive(url, MessageAttributeNames=["All"])
        assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "\ufffd[31mred"

    run_sqs(test)


def test_a_queue_that_is_gone_or_takes_less_ends_the_delivery() -> None:
    async def test(sqs: Sqs) -> None:
        due = delivery(Notice(b"1", SOURCE))
        assert await deliveries(sqs).deliver(due) == Drop("QueueDoesNotExist")
        url = await sqs.queue(MaximumMessageSize=1024)
        assert await deliveries(sqs).deliver(replace(due, payload=b"1" * 1025)) == Drop("InvalidParameterValue")
        assert await deliveries(sqs).expire(due) == Drop("EventAgeExceeded")
        assert await sqs.bodies(url) == []

    run_sqs(test)


def test_a_store_that_refuses_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_work: Callable[..., Any]) -> None:
        raise StoreError("disk full")

    async def test(sqs: Sqs) -> None:
        url = await sqs.queue()
        due = replace(delivery(Notice(b"1", SOURCE)), tally=Tally(2, 0, 2))
        with monkeypatch.context() as patched:
            patched.setattr(sqs.store, "write", refuse)
            decision = await deliveries(sqs).deliver(due)
        assert decision == RetryAt(sqs.service.room.clock.epoch_s() + 4, "disk full")
        assert await deliveries(sqs).deliver(due) == Done()
        assert await sqs.bodies(url) == ["1"]

    run_sqs(test)


@pytest.mark.parametrize(
    "arn",
    [
        f"{ARN}.fifo",
        f"arn:aws:sqs:{REGION}:12:q",
        f"arn:aws:sqs::{ACCOUNT}:q",
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:q/x",
        f"arn:aws:sns:{REGION}:{ACCOUNT}:q",
        f"arn:aws:sqs:us-east-1:{ACCOUNT}:q",
    ],
)
def test_only_standard_queues_of_the_region_can_be_told(arn: str) -> None:
    QueueTarget().check(ARN, SOURCE)
    with pytest.raises(TargetError):
        QueueTarget().check(arn, SOURCE)
