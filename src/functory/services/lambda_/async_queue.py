"""Asynchronous invocations on the durable queue: what is put in, what each attempt means for it, and who hears of its end.

Joins rooms that do not know one another: ``core.deliveries`` keeps and times deliveries of any kind, `async_target` knows
how to invoke, ``core.targets`` how to tell a destination or a dead-letter queue. An event's request id is kept through all
its attempts, as on AWS.

What was agreed about a function's events (`AsyncTerms`) is looked up at each decision, so a change holds for events that
were accepted before it. The record for a destination and the dead letter become deliveries of their own in the transaction
that ends the event's.
"""

from __future__ import annotations

from functory.core.deliveries.port import Decision, Delivery, Done, Drop, ErrorKind, NewDelivery
from functory.core.deliveries.queue import Deliveries
from functory.core.deliveries.retry import EVENT_AGE_EXCEEDED, RETRIES_EXHAUSTED, AsyncPolicy, decide_async_retry
from functory.core.functions.model import LATEST
from functory.core.functions.names import FunctionRef
from functory.core.targets.port import Notice, NoticeAttribute, TargetError
from functory.core.targets.registry import ACTIONS, Targets, service_of
from functory.kernel import log
from functory.kernel.clock import Clock
from functory.services.lambda_ import dead_letter_message, invocation_record
from functory.services.lambda_.async_events import to_delivery, to_event
from functory.services.lambda_.async_target import AsyncTarget, Attempt, AttemptKind
from functory.services.lambda_.ports import AnyRole, AsyncEvent, ExecutionRoles

ZERO_RESERVED = "ZeroReservedConcurrency"
"""AWS: events of a function whose reserved concurrency is 0 are given up at once, whatever retries they have left."""

RECURSIVE = "RecursiveInvocation"
"""An event that goes round in a loop. AWS: documents no word for it."""

_FOR_EVER = {AttemptKind.GONE: "FunctionGone", AttemptKind.REFUSED: "TenantMismatch"}
"""What makes an event impossible: dropped, and nobody is told."""

_log = log.get("services.lambda")


class AsyncQueue:
    """Accepts events; see `ports.AsyncEvents`. Bound to its queue once, by ``wiring``."""

    def __init__(self) -> None:
        self._deliveries: Deliveries | None = None

    def bind(self, deliveries: Deliveries) -> None:
        """Use this queue from now on."""
        self._deliveries = deliveries

    async def accept(self, event: AsyncEvent) -> None:
        """See `ports.AsyncEvents`."""
        if self._deliveries is None:
            raise RuntimeError("the queue of asynchronous invocations is not bound")
        await self._deliveries.accept(to_delivery(event))


class AsyncDeliveryTarget:
    """Receives deliveries of `async_events.KIND`.

    Args:
        target: makes one attempt.
        targets: who receives what destinations and dead-letter queues are sent.
        clock: time.
        retry_base_s: the wait before the first retry after a function error.
        roles: say whether a function's role lets it tell somebody; None where nobody is asked.
    """

    def __init__(
        self,
        target: AsyncTarget,
        targets: Targets,
        clock: Clock,
        retry_base_s: float,
        roles: ExecutionRoles | None = None,
    ) -> None:
        self._roles = roles or AnyRole()
        self._target = target
        self._targets = targets
        self._clock = clock
        self._retry_base_s = retry_base_s

    async def deliver(self, delivery: Delivery) -> Decision:
        """See `functory.core.deliveries.port.DeliveryTarget`."""
        event = to_event(delivery)
        before = await self._target.terms(event)
        if self._clock.epoch_s() >= event.accepted_at + before.age_s_max:
            return await self._given_up(delivery, event, EVENT_AGE_EXCEEDED)
        attempt = await self._target.attempt(event)
        if attempt.kind is AttemptKind.SUCCEEDED:
            terms = await self._target.terms(event)
            return Done(await self._told(terms.on_success, delivery, event, invocation_record.SUCCESS, attempt))
        if attempt.kind in _FOR_EVER:
            return _dropped(event, Drop(_FOR_EVER[attempt.kind]))
        if attempt.kind is AttemptKind.STOPPED:
            return await self._given_up(delivery, event, ZERO_RESERVED, attempt)
        if attempt.kind is AttemptKind.RECURSIVE:
            return await self._given_up(delivery, event, RECURSIVE, attempt)
        terms = await self._target.terms(event)
        decision = decide_async_retry(
            self._clock.epoch_s(),
            event.accepted_at,
            delivery.tally,
            ErrorKind.FUNCTION if attempt.kind is AttemptKind.FUNCTION_ERROR else ErrorKind.SYSTEM,
            AsyncPolicy(terms.retries_max, terms.age_s_max, self._retry_base_s),
            dead_letter_message.remembered(attempt),
        )
        if isinstance(decision, Drop):
            return await self._given_up(delivery, event, decision.reason, attempt)
        return decision

    async def expire(self, delivery: Delivery) -> Drop:
        """See `functory.core.deliveries.port.DeliveryTarget`."""
        return await self._given_up(delivery, to_event(delivery), EVENT_AGE_EXCEEDED)

    async def _given_up(self, delivery: Delivery, event: AsyncEvent, reason: str, attempt: Attempt | None = None) -> Drop:
        terms = await self._target.terms(event)
        told = await self._told(terms.on_failure, delivery, event, reason, attempt)
        return _dropped(event, Drop(reason, (*told, *await self._buried(delivery, event, reason, attempt))))

    async def _buried(
        self, delivery: Delivery, event: AsyncEvent, reason: str, attempt: Attempt | None
    ) -> tuple[NewDelivery, ...]:
        """The delivery that puts an event into the dead-letter queue; none without one."""
        facts = await self._target.facts(event)
        if facts is None or not facts.dead_letter_arn:
            return ()
        attributes = dead_letter_message.attributes(event.request_id, delivery, reason, attempt)
        return await self._sent(event, facts.dead_letter_arn, event.payload, _trace_of(event, attempt), attributes)

    async def _told(
        self, arn: str, delivery: Delivery, event: AsyncEvent, condition: str, attempt: Attempt | None
    ) -> tuple[NewDelivery, ...]:
        """The delivery that tells a destination how an event ended; none without a destination."""
        if not arn:
            return ()
        ref = FunctionRef(event.account_id, event.region, event.name, event.qualifier or LATEST)
        outcome = attempt.outcome if attempt is not None else None
        record = invocation_record.record(
            event,
            now=self._clock.epoch_s(),
            condition=condition,
            invoke_count=delivery.tally.function_errors + (outcome is not None),
            function_arn=ref.qualified_arn,
            executed_version=attempt.function_arn.rpartition(":")[2] if attempt is not None else "",
            outcome=outcome if condition in (invocation_record.SUCCESS, RETRIES_EXHAUSTED) else None,
        )
        return await self._sent(event, arn, record, _trace_of(event, attempt))

    async def _sent(
        self, event: AsyncEvent, arn: str, payload: bytes, trace_id: str, attributes: tuple[NoticeAttribute, ...] = ()
    ) -> tuple[NewDelivery, ...]:
        """The delivery of a notice; none where it cannot be, with a warning in the node's log."""
        source = FunctionRef(event.account_id, event.region, event.name, "")
        try:
            target = self._targets.find(arn)
            if target is None:
                raise TargetError("this node does not have its service")
            await self._check_role(event, arn)
            return (target.delivery(arn, Notice(payload, source.arn, trace_id, attributes)),)
        except TargetError as error:
            _log.warning("destination_not_told", function=event.name, destination=arn, reason=str(error))
            return ()

    async def _check_role(self, event: AsyncEvent, arn: str) -> None:
        """AWS: a destination is told with the function's role.

        Raises:
            TargetError: the role does not allow it.
        """
        facts, service = await self._target.facts(event), service_of(arn)
        if facts is not None and not await self._roles.allows(facts, f"{service}:{ACTIONS[service]}", arn):
            raise TargetError(f"the function's role does not allow {service}:{ACTIONS[service]}")


def _trace_of(event: AsyncEvent, attempt: Attempt | None) -> str:
    return (attempt.trace_id if attempt is not None else "") or event.trace_id


def _dropped(event: AsyncEvent, drop: Drop) -> Drop:
    _log.info("async_event_dropped", function=event.name, request_id=event.request_id, reason=drop.reason)
    return drop
