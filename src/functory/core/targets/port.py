"""What senders and receivers of notices see.

A *target* is something with an ARN that takes a payload from another service: a function, a queue, later a topic, an event
bus, a bucket. Its service says how: it turns ARN and notice into a `NewDelivery`, which the sender makes durable in the very
transaction that makes the notice necessary. So nothing is handed over here; nothing can be lost here either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from functory.core.deliveries.port import NewDelivery
from functory.kernel.errors import FunctoryError


class TargetError(FunctoryError):
    """Nothing can be handed over to this ARN; the text says why."""


class NoticeAttribute(NamedTuple):
    """A message attribute.

    Attributes:
        name: as the receiver sees it.
        kind: AWS's ``DataType``: ``String`` or ``Number``.
        value: not empty.
    """

    name: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to hand over.

    Attributes:
        payload: JSON bytes.
        source_arn: who sends it.
        trace_id: trace header value of what led to it, or ``""``.
        attributes: for targets whose messages have some; others leave them out.
    """

    payload: bytes
    source_arn: str
    trace_id: str = ""
    attributes: tuple[NoticeAttribute, ...] = ()


class Target(Protocol):
    """Receives what is sent to the ARNs of one service."""

    def check(self, arn: str, source_arn: str) -> None:
        """Whether ``source_arn`` could send to ``arn``.

        Raises:
            TargetError: it could not.
        """

    def delivery(self, arn: str, notice: Notice) -> NewDelivery:
        """The delivery that hands a notice over.

        Raises:
            TargetError: there cannot be one.
        """
