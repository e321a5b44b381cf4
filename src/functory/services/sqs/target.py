"""A queue as the target of what other services send: destinations, dead letters.

A notice becomes a delivery (`QueueTarget`), and the delivery a message (`QueueDeliveries`), at least once as everything on a
standard queue. The sender was asked whether it may before; here nobody is asked again.
"""

from __future__ import annotations

import re

from functory.aws.errors import AwsError
from functory.core.deliveries.port import Decision, Delivery, Done, Drop, NewDelivery
from functory.core.deliveries.retry import EVENT_AGE_EXCEEDED, retry_after_fault
from functory.core.targets.port import Notice, TargetError
from functory.kernel import log
from functory.kernel.clock import Clock
from functory.services.sqs.addresses import QueueKey, check_name, of_arn
from functory.services.sqs.message_rules import without_invalid
from functory.services.sqs.room import Room
from functory.services.sqs.send import Draft, deliver, draft_of
from functory.store.port import StoreError

KIND = "sqs-message"
"""Name of these deliveries in the table; never to be changed."""

_log = log.get("services.sqs")


class QueueTarget:
    """Implements `functory.core.targets.port.Target` for standard queues."""

    def check(self, arn: str, source_arn: str) -> None:
        """See `Target`. A standard queue of the same region can be told; whether it exists is found out then."""
        if _parsed(arn).region != source_arn.split(":")[3]:
            raise TargetError(f"{arn} is not of the region of {source_arn}")

    def delivery(self, arn: str, notice: Notice) -> NewDelivery:
        """See `Target`."""
        _parsed(arn)
        return NewDelivery(
            target_kind=KIND,
            target=arn,
            payload=notice.payload,
            attributes={
                "source_arn": notice.source_arn,
                "trace_id": notice.trace_id,
                "attributes": [list(each) for each in notice.attributes],
            },
        )


class QueueDeliveries:
    """Receives deliveries of `KIND`."""

    def __init__(self, room: Room, clock: Clock) -> None:
        self._room = room
        self._clock = clock

    async def deliver(self, delivery: Delivery) -> Decision:
        """See `functory.core.deliveries.port.DeliveryTarget`."""
        try:
            queue, _ = await deliver(self._room, _parsed(delivery.target), _draft(delivery), _sender_of(delivery))
        except StoreError as error:
            return retry_after_fault(self._clock.epoch_s(), delivery.tally, str(error))
        except AwsError as error:
            return _lost(delivery, error.code, error.message)
        self._room.bells.ring(queue.id)
        return Done()

    async def expire(self, delivery: Delivery) -> Drop:
        """See `functory.core.deliveries.port.DeliveryTarget`."""
        return _lost(delivery, EVENT_AGE_EXCEEDED, delivery.last_error)


def _lost(delivery: Delivery, reason: str, text: str) -> Drop:
    _log.warning(
        "message_not_sent", queue=delivery.target, source=delivery.attributes["source_arn"], reason=reason, error=text
    )
    return Drop(reason)


def _draft(delivery: Delivery) -> Draft:
    """The message. Characters that SQS does not transport are replaced in attributes, whose text nobody chose with care.

    Raises:
        AwsError: the payload has such characters.
    """
    attributes = {
        name: {"DataType": kind, "StringValue": without_invalid(value)}
        for name, kind, value in delivery.attributes["attributes"]
    }
    params = {"MessageBody": delivery.payload.decode(errors="replace"), "MessageAttributes": attributes}
    if trace_id := delivery.attributes["trace_id"]:
        params["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace_id}}
    return draft_of(params)


def _sender_of(delivery: Delivery) -> str:
    """SenderId: the account of the sender."""
    return str(delivery.attributes["source_arn"]).split(":")[4]


def _parsed(arn: str) -> QueueKey:
    key = of_arn(arn)
    if key is None or key.is_fifo or not re.fullmatch(r"\d{12}", key.account_id):
        raise TargetError(f"{arn} is not the ARN of a standard queue")
    try:
        check_name(key.name, is_fifo=False)
    except AwsError:
        raise TargetError(f"{arn} is not the ARN of a standard queue") from None
    return key
