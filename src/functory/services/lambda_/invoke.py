"""Invocation as callers see it: Invoke, InvokeAsync.

`InvokeApi.invoke` is the fast path: the HTTP edge calls it with header values and body bytes, without the model's codec; the
operation ``Invoke`` is made from it. For a function that is in memory it touches no store and waits for nothing but the
function itself.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

import msgspec

from functory.aws.errors import AwsError
from functory.aws.validation import validate
from functory.core.calls import CallContext
from functory.core.functions.catalogue import Functions
from functory.core.functions.model import LATEST, FunctionVersion
from functory.core.functions.names import FunctionRef
from functory.core.functions.routes import Candidate, Readiness, Route
from functory.core.invocations.lineage import next_trip
from functory.core.invocations.outcome import Invocation
from functory.core.invocations.port import Invoker
from functory.core.invocations.sampling import Sampler
from functory.core.invocations.trace import decided, is_undecided, new_trace_id
from functory.kernel import log
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.kernel.limits import ASYNC_REQUEST_BYTES, CLIENT_CONTEXT_BYTES, SYNC_REQUEST_BYTES
from functory.services.lambda_ import errors, names, rules, snap_start
from functory.services.lambda_.ports import AsyncEvent, AsyncEvents
from functory.services.lambda_.tenancy import check_tenant

PENDING_WAIT_S = 10.0
"""How long a synchronous call waits for a function that is being created. AWS: documents no figure."""

_INVOKE_ASYNC_BYTES = 262_144  # AWS: the deprecated operation kept its old limit
_TYPES = ("RequestResponse", "Event", "DryRun")
_LOG_TYPES = ("None", "Tail")
_ACTION = "lambda:InvokeFunction"
_log = log.get("services.lambda")
_syntax = msgspec.json.Decoder(type=msgspec.Raw)  # reads through JSON without making objects of it


@dataclass(frozen=True, slots=True)
class InvokeAnswer:
    """The answer to Invoke.

    Attributes:
        status: 200, 202 or 204.
        payload: the body.
        executed_version: the version that ran, ``""`` when none did.
        function_error: ``""`` for success.
        log_result: base64 of the log's tail, ``""`` when not asked for.
        trace_id: trace header value that the answer carries.
    """

    status: int
    payload: bytes = b""
    executed_version: str = ""
    function_error: str = ""
    log_result: str = ""
    trace_id: str = ""

    def headers(self) -> list[tuple[str, str]]:
        """The headers of this operation; request id and trace id are the edge's."""
        result: list[tuple[str, str]] = []
        if self.status == 200:
            result.append(("Content-Type", "application/json"))
        if self.executed_version:
            result.append(("X-Amz-Executed-Version", self.executed_version))
        if self.function_error:
            result.append(("X-Amz-Function-Error", self.function_error))
        if self.log_result:
            result.append(("X-Amz-Log-Result", self.log_result))
        if self.trace_id:
            result.append(("X-Amzn-Trace-Id", self.trace_id))
        return result

    def members(self) -> dict[str, Any]:
        """The result as botocore names it."""
        result: dict[str, Any] = {"StatusCode": self.status, "Payload": self.payload}
        if self.executed_version:
            result["ExecutedVersion"] = self.executed_version
        if self.function_error:
            result["FunctionError"] = self.function_error
        if self.log_result:
            result["LogResult"] = self.log_result
        return result


@dataclass(frozen=True, slots=True)
class Admitted:
    """A synchronous invocation that was checked and has not begun."""

    invocation: Invocation
    _api: InvokeApi
    _ref: FunctionRef
    _route: Route

    async def version(self) -> FunctionVersion:
        """The version that takes it, waiting a while for one that is being made.

        Raises:
            AwsError: there is none that could.
        """
        return await self._api.ready(self._ref, self._route)


class InvokeApi:
    """The operations that invoke.

    Args:
        functions: the catalogue.
        invoker: the engine.
        async_events: the queue of asynchronous invocations.
        clock: time.
        ids: the dice of weighted aliases.
        pending_wait_s: see `PENDING_WAIT_S`.
    """

    def __init__(
        self,
        *,
        functions: Functions,
        invoker: Invoker,
        async_events: AsyncEvents,
        clock: Clock,
        ids: Ids,
        pending_wait_s: float = PENDING_WAIT_S,
    ) -> None:
        self._functions = functions
        self._invoker = invoker
        self._async_events = async_events
        self._clock = clock
        self._ids = ids
        self._pending_wait_s = pending_wait_s
        self._sampler = Sampler(clock, ids)

    async def invoke(
        self,
        ctx: CallContext,
        function_name: str,
        qualifier: str = "",
        *,
        invocation_type: str = "RequestResponse",
        log_type: str = "None",
        client_context_b64: str = "",
        payload: bytes = b"",
        trace_id: str = "",
        tenant_id: str = "",
        durable_execution_name: str = "",
    ) -> InvokeAnswer:
        """Invoke a function; every text parameter is a header's or query's value as it came, ``""`` when absent.

        Raises:
            AwsError: nothing ran and nothing was queued.
        """
        _check_words(invocation_type, log_type, durable_execution_name)
        is_event = invocation_type == "Event"
        _check_size(payload, ASYNC_REQUEST_BYTES if is_event else SYNC_REQUEST_BYTES)
        ref = names.resolve(ctx, function_name, qualifier, action=_ACTION)
        route = await self._route(ref)
        if tenant_id or route.is_tenanted:
            check_tenant(is_tenanted=route.is_tenanted, tenant_id=tenant_id)
        payload = _checked_json(payload)
        client_context = _client_context(client_context_b64)
        trace_id = self._begun(route, trace_id)
        if is_event:
            await self._accept(ctx, ref, route, payload, trace_id, tenant_id)
            return InvokeAnswer(202, trace_id=trace_id)
        if invocation_type == "DryRun":
            return InvokeAnswer(204, trace_id=trace_id)
        version = await self.ready(ref, route)
        trace_id = self._traced(ctx, route, trace_id)
        outcome = await self._invoker.invoke(
            version,
            Invocation(
                request_id=ctx.request_id,
                payload=payload,
                invoked_arn=ref.qualified_arn,
                trace_id=trace_id,
                client_context=client_context,
                want_tail=log_type == "Tail",
                tenant_id=tenant_id,
            ),
        )
        tail = base64.b64encode(outcome.log_tail).decode() if log_type == "Tail" else ""
        return InvokeAnswer(200, outcome.payload, version.version, outcome.function_error, tail, trace_id)

    async def admit(
        self,
        ctx: CallContext,
        function_name: str,
        qualifier: str = "",
        *,
        operation: str,
        payload: bytes,
        client_context_b64: str = "",
        tenant_id: str = "",
        want_tail: bool = False,
    ) -> Admitted:
        """Check a synchronous invocation as `invoke` does, for callers that run it themselves.

        Raises:
            AwsError: it is refused.
        """
        _check_size(payload, SYNC_REQUEST_BYTES, operation)
        ref = names.resolve(ctx, function_name, qualifier, action=_ACTION)
        route = await self._route(ref)
        check_tenant(is_tenanted=route.is_tenanted, tenant_id=tenant_id)
        invocation = Invocation(
            request_id=ctx.request_id,
            payload=_checked_json(payload),
            invoked_arn=ref.qualified_arn,
            trace_id=self._traced(ctx, route, self._begun(route, ctx.trace_id)),
            client_context=_client_context(client_context_b64),
            want_tail=want_tail,
            tenant_id=tenant_id,
        )
        return Admitted(invocation, self, ref, route)

    async def invoke_operation(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The operation ``Invoke``."""
        answer = await self.invoke(
            ctx,
            params["FunctionName"],
            params.get("Qualifier", ""),
            invocation_type=params.get("InvocationType", "RequestResponse"),
            log_type=params.get("LogType", "None"),
            client_context_b64=params.get("ClientContext", ""),
            payload=as_bytes(params.get("Payload", b"")),
            trace_id=ctx.trace_id,
            tenant_id=params.get("TenantId", ""),
            durable_execution_name=params.get("DurableExecutionName", ""),
        )
        return answer.members()

    async def invoke_async(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The deprecated operation ``InvokeAsync``: as Invoke with ``Event``."""
        payload = as_bytes(params["InvokeArgs"])
        _check_size(payload, _INVOKE_ASYNC_BYTES)
        ref = names.resolve(ctx, params["FunctionName"], action=_ACTION)
        route = await self._route(ref)
        trace_id = self._begun(route, ctx.trace_id)
        check_tenant(is_tenanted=route.is_tenanted, tenant_id="")
        await self._accept(ctx, ref, route, _checked_json(payload), trace_id)
        return {"Status": 202}

    async def _route(self, ref: FunctionRef) -> Route:
        qualifier = ref.qualifier or LATEST
        route = self._functions.find(ref.account_id, ref.region, ref.name, qualifier)
        if route is None:
            route = await self._functions.resolve(ref.account_id, ref.region, ref.name, qualifier)
        if route is None:
            _check_words_of(ref)
            raise errors.not_found(ref.qualified_arn)
        return route

    async def ready(self, ref: FunctionRef, route: Route) -> FunctionVersion:
        """The version that takes this request, waiting a while for one that is being made."""
        candidate = route.choose(self._ids.fraction())
        if candidate.facts is not None:
            return candidate.facts
        if candidate.readiness is Readiness.PREPARING:
            if candidate.snap_start:  # that may take minutes
                raise snap_start.not_ready()
            settled = await self._functions.settled(
                ref.account_id, ref.region, ref.name, ref.qualifier or LATEST, timeout_s=self._pending_wait_s
            )
            if settled is None:
                raise errors.not_found(ref.qualified_arn)
            candidate = settled.choose(self._ids.fraction())
        return _need_facts(candidate)

    def _begun(self, route: Route, trace_id: str) -> str:
        """The caller's trace header, or a new one, with a decision about sampling."""
        trace_id = trace_id or new_trace_id(self._clock.epoch_s(), self._ids)
        if is_undecided(trace_id):
            facts = route.primary.facts
            is_traced = facts is not None and facts.is_traced
            trace_id = decided(trace_id, is_sampled=is_traced and self._sampler.decide(route.lineage))
        return trace_id

    def _traced(self, ctx: CallContext, route: Route, trace_id: str) -> str:
        """The trace header that the function gets: the caller's after one more trip.

        Raises:
            AwsError: the call would go on with a recursive loop.
        """
        trip = next_trip(trace_id, route.lineage)
        if trip.is_loop and not route.may_loop:
            _log.warning("recursive_invocation_refused", request_id=ctx.request_id)
            raise errors.recursive()
        return trip.header

    async def _accept(
        self, ctx: CallContext, ref: FunctionRef, route: Route, payload: bytes, trace_id: str, tenant_id: str = ""
    ) -> None:
        if route.primary.readiness is Readiness.FAILED:
            raise errors.in_state(route.primary.state)
        await self._async_events.accept(
            AsyncEvent(
                request_id=ctx.request_id,
                account_id=ref.account_id,
                region=ref.region,
                name=ref.name,
                qualifier=ref.qualifier,
                payload=payload,
                trace_id=trace_id,
                accepted_at=self._clock.epoch_s(),
                tenant_id=tenant_id,
            )
        )


def _check_words_of(ref: FunctionRef) -> None:
    """Refuse a name or qualifier that nothing can have. Asked only about what was not found, off the fast path.

    Raises:
        AwsError: the model's constraint, in AWS's words.
    """
    given = {"FunctionName": ref.name, "Qualifier": ref.qualifier}
    validate("lambda", "Invoke", {member: text for member, text in given.items() if text})


def _need_facts(candidate: Candidate) -> FunctionVersion:
    if candidate.facts is None:
        raise errors.in_state(candidate.state)
    return candidate.facts


def _check_words(invocation_type: str, log_type: str, durable_execution_name: str) -> None:
    """What the model would check, for callers that came past it."""
    if invocation_type not in _TYPES:
        rule = "Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
        raise errors.constraint(invocation_type, "invocationType", rule)
    if log_type not in _LOG_TYPES:
        raise errors.constraint(log_type, "logType", "Member must satisfy enum value set: [None, Tail]")
    if durable_execution_name:
        rules.refuse_unsupported("Invoke", {"DurableExecutionName": durable_execution_name})


def _check_size(payload: bytes, limit: int, operation: str = "InvokeFunction") -> None:
    if len(payload) > limit:
        raise AwsError(
            "RequestTooLargeException",
            f"Request must be smaller than {limit} bytes for the {operation} operation",
        )


def _checked_json(payload: bytes) -> bytes:
    """The payload as the function gets it: JSON, and ``{}`` for nothing."""
    if not payload:
        return b"{}"
    try:
        _syntax.decode(payload)
        if not payload.isascii():
            payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if not _is_json_with_lone_surrogates(payload):
            raise AwsError(
                "InvalidRequestContentException",
                f"Could not parse request body into json: Could not parse payload into json: {error}",
            ) from error
    return payload


def _is_json_with_lone_surrogates(payload: bytes) -> bool:
    """A second opinion: escapes of half a surrogate pair are JSON, and our fast parser does not think so."""
    if b"\\ud" not in payload.lower():
        return False
    try:
        json.loads(payload, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _client_context(encoded: str) -> str:
    """The JSON text of the client context header."""
    if not encoded:
        return ""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        is_object = isinstance(json.loads(text), dict)
    except (binascii.Error, ValueError, RecursionError):
        is_object = False
    if not is_object or len(encoded) > CLIENT_CONTEXT_BYTES:
        detail = "" if is_object else "Client context must be a valid Base64-encoded JSON object."
        raise AwsError(
            "InvalidRequestContentException",
            detail or f"Client context must be no more than {CLIENT_CONTEXT_BYTES} bytes.",
        )
    return text


def as_bytes(value: Any) -> bytes:
    """A blob parameter, which in-process callers may give as text or a stream."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return bytes(value.read())
