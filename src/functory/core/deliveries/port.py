"""What senders and targets of deliveries see.

A *delivery* is one durable hand-over of a payload to a *target*, at least once. Its target decides what an attempt meant:
`Done`, `RetryAt`, or `Drop`. Deliveries that the outcome calls for (a destination, a dead-letter queue) ride along in
``then``: they are made durable in the very transaction that ends this one.

A *tally* counts attempts that came to a decision. One that a crash cut short is not counted: nobody knows how it ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol


class ErrorKind(Enum):
    """Whose fault a failed attempt was; retry policies treat them differently."""

    FUNCTION = "function"
    """The function itself failed: an error it returned, a timeout, an exit."""
    SYSTEM = "system"
    """It did not come to run: a throttle, a lack of room, our fault."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Attempts so far.

    Attributes:
        attempts: that came to a decision.
        function_errors: those that ended with `ErrorKind.FUNCTION`.
        system_errors: those with `ErrorKind.SYSTEM` since the last function error.
    """

    attempts: int = 0
    function_errors: int = 0
    system_errors: int = 0

    def after(self, kind: ErrorKind) -> Tally:
        """The tally when one more attempt has failed."""
        if kind is ErrorKind.FUNCTION:
            return Tally(self.attempts + 1, self.function_errors + 1, 0)
        return Tally(self.attempts + 1, self.function_errors, self.system_errors + 1)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """What a sender asks for.

    Attributes:
        target_kind: which registered `DeliveryTarget` it is for.
        target: which of that kind, e.g. a function's ARN; deliveries share workers fairly by it.
        payload: handed over as it is.
        attributes: anything else the target needs, as JSON can hold it.
        due_at: epoch seconds of the first attempt; None: at once.
        expires_at: epoch seconds; no attempt begins from then on. None: after `DEFAULT_LIFE_S`.
    """

    target_kind: str
    target: str
    payload: bytes
    attributes: Mapping[str, Any] = field(default_factory=dict)
    due_at: float | None = None
    expires_at: float | None = None


DEFAULT_LIFE_S = 21_600.0
"""AWS: an asynchronous event is kept for 6 hours."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery, as its target sees it.

    Attributes:
        id: unique; the same at every attempt.
        target_kind: see `NewDelivery`.
        target: see `NewDelivery`.
        payload: see `NewDelivery`.
        attributes: see `NewDelivery`; not to be changed.
        created_at: epoch seconds when it was accepted.
        due_at: epoch seconds for which this attempt was planned.
        expires_at: epoch seconds.
        tally: the attempts before this one.
        last_error: of the attempt before, else ``""``.
    """

    id: str
    target_kind: str
    target: str
    payload: bytes
    attributes: Mapping[str, Any]
    created_at: float
    due_at: float
    expires_at: float
    tally: Tally = Tally()
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """It arrived; it is over."""

    then: tuple[NewDelivery, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryAt:
    """It did not arrive; attempt again at ``due_at`` (epoch seconds), or expire when that comes first."""

    due_at: float
    error: str
    kind: ErrorKind = ErrorKind.SYSTEM


@dataclass(frozen=True, slots=True)
class Drop:
    """It will not arrive; it is over. ``reason`` uses AWS's words (``RetriesExhausted``, ``EventAgeExceeded``)."""

    reason: str
    then: tuple[NewDelivery, ...] = ()


Decision = Done | RetryAt | Drop


class DeliveryTarget(Protocol):
    """Receives the deliveries of one kind; decides with pure policies (`functory.core.deliveries.retry`).

    May be called more than once for one delivery: after a crash, or when a node lost its lease. An exception that escapes
    is our fault: it is logged, and the delivery retried later.
    """

    async def deliver(self, delivery: Delivery) -> Decision:
        """Make one attempt and say what it meant.

        Cancellation: the node stops; the attempt counts as never made and another will follow.
        """

    async def expire(self, delivery: Delivery) -> Drop:
        """Say what is to follow for a delivery whose time is over; it is not attempted again."""
