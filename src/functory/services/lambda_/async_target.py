"""One attempt of an asynchronous invocation, from the queue back to the engine.

What to do after the attempt (again, when, or give up) is the queue's policy; here is only how it ended, in the few kinds
that policy distinguishes. The qualifier is resolved anew each time: an alias that moved since the event was accepted leads
to its new version, as on AWS.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from functory.aws.errors import AwsError
from functory.core.functions.catalogue import Functions
from functory.core.functions.model import LATEST, FunctionVersion
from functory.core.functions.names import FunctionRef
from functory.core.functions.routes import Readiness
from functory.core.functions.terms import DEFAULT_TERMS, AsyncTerms
from functory.core.invocations.lineage import next_trip
from functory.core.invocations.outcome import Invocation, Outcome, OutcomeKind
from functory.core.invocations.port import Invoker
from functory.kernel.ids import Ids
from functory.services.lambda_.invoke import PENDING_WAIT_S
from functory.services.lambda_.ports import AsyncEvent, Reservations
from functory.services.lambda_.tenancy import check_tenant

_THROTTLED = "TooManyRequestsException"


class AttemptKind(Enum):
    """How an attempt ended, as far as the retry policy cares."""

    SUCCEEDED = "succeeded"
    FUNCTION_ERROR = "function_error"
    """The function ran and failed: counts as an attempt."""
    THROTTLED = "throttled"
    """No concurrency: nothing ran, retried until the event is too old."""
    SYSTEM_ERROR = "system_error"
    """Our fault or not ready: nothing ran, retried until the event is too old."""
    STOPPED = "stopped"
    """The function has reserved no concurrency at all: nothing ran, and nothing will; the event is dropped."""
    RECURSIVE = "recursive"
    """The event goes round in a loop: nothing ran, and nothing will; the event is dropped."""
    REFUSED = "refused"
    """It names no tenant and must, or names one and must not: nothing ran, and nothing will; the event is dropped."""
    GONE = "gone"
    """Function, version or alias no longer exists: the event is dropped."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended.

    Attributes:
        kind: see `AttemptKind`.
        error: what went wrong, for people; ``""`` for success.
        status: HTTP status that a synchronous caller would have got.
        function_arn: the version that was tried, qualified with its number or ``$LATEST``; ``""`` when there was none.
        outcome: of the function when it ran, for destinations.
        trace_id: trace header value that the function had when it ran.
    """

    kind: AttemptKind
    error: str = ""
    function_arn: str = ""
    outcome: Outcome | None = None
    trace_id: str = ""
    status: int = 200


class AsyncTarget:
    """Delivers accepted events to functions."""

    def __init__(
        self,
        *,
        functions: Functions,
        invoker: Invoker,
        reservations: Reservations,
        ids: Ids,
        pending_wait_s: float = PENDING_WAIT_S,
    ) -> None:
        self._functions = functions
        self._reservations = reservations
        self._invoker = invoker
        self._ids = ids
        self._pending_wait_s = pending_wait_s

    async def terms(self, event: AsyncEvent) -> AsyncTerms:
        """What holds for an event now: of the qualifier it was sent to, AWS's defaults where nothing was set."""
        route = await self._functions.resolve(event.account_id, event.region, event.name, event.qualifier or LATEST)
        return route.terms if route is not None else DEFAULT_TERMS

    async def facts(self, event: AsyncEvent) -> FunctionVersion | None:
        """The version an event is for, as far as there is one that runs."""
        route = await self._functions.resolve(event.account_id, event.region, event.name, event.qualifier or LATEST)
        return route.primary.facts if route is not None else None

    async def attempt(self, event: AsyncEvent) -> Attempt:
        """Invoke the function once with the event."""
        ref = FunctionRef(event.account_id, event.region, event.name, event.qualifier)
        route = await self._functions.settled(
            ref.account_id, ref.region, ref.name, ref.qualifier or LATEST, timeout_s=self._pending_wait_s
        )
        if route is None:
            return Attempt(AttemptKind.GONE, f"Function not found: {ref.qualified_arn}")
        candidate = route.choose(self._ids.fraction())
        arn = f"{ref.arn}:{candidate.version}"
        if candidate.facts is None:
            state = "being created" if candidate.readiness is Readiness.PREPARING else candidate.reason
            return Attempt(AttemptKind.SYSTEM_ERROR, f"The function cannot run: {state}", arn, status=500)
        if self._reservations.reserved(event.account_id, event.region, event.name) == 0:
            return Attempt(AttemptKind.STOPPED, "The function has no reserved concurrency.", arn, status=429)
        try:
            check_tenant(is_tenanted=route.is_tenanted, tenant_id=event.tenant_id)
        except AwsError as error:
            return Attempt(AttemptKind.REFUSED, error.message, arn, status=400)
        trip = next_trip(event.trace_id, route.lineage)
        if trip.is_loop and not route.may_loop:
            return Attempt(AttemptKind.RECURSIVE, "The function is part of a recursive loop.", arn, status=400)
        invocation = Invocation(
            event.request_id,
            event.payload,
            ref.qualified_arn,
            trip.header,
            is_synchronous=False,
            tenant_id=event.tenant_id,
        )
        try:
            outcome = await self._invoker.invoke(candidate.facts, invocation)
        except AwsError as error:
            return _refused(error, arn)
        if outcome.kind is OutcomeKind.SUCCEEDED:
            return Attempt(AttemptKind.SUCCEEDED, "", arn, outcome, trip.header)
        return Attempt(AttemptKind.FUNCTION_ERROR, outcome.error_type, arn, outcome, trip.header)


def _refused(error: AwsError, arn: str) -> Attempt:
    """An attempt in which the function did not run."""
    if error.code == _THROTTLED:
        return Attempt(AttemptKind.THROTTLED, error.message, arn, status=429)
    return Attempt(AttemptKind.SYSTEM_ERROR, error.message, arn, status=error.status or 500)
