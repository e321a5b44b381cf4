"""InvokeWithResponseStream: an invocation as events, from the function's first byte on.

What is refused before the function ran is an ordinary error. From then on all is in the stream: ``PayloadChunk`` as the
function writes, one ``InvokeComplete`` at the end, which says how it ended. A function that does not stream is one chunk.

AWS: ``InvokeComplete`` of a failed function has ``ErrorCode`` ``Unhandled`` and in ``ErrorDetails`` the error document.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from typing import Any, Protocol

from functory.core.calls import CallContext
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation, Outcome
from functory.core.invocations.streams import ResponseStream
from functory.services.lambda_.invoke import InvokeApi, as_bytes

_OPERATION = "InvokeWithResponseStream"


class StreamingInvoker(Protocol):
    """The engine, for callers that read while the function writes; see `functory.core.invocations.streams.Streams`."""

    async def invoke(self, version: FunctionVersion, invocation: Invocation) -> ResponseStream:
        """Begin an invocation; returns when the function begins to answer, or has ended."""


class InvokeStreamApi:
    """The operation.

    Args:
        invoke: checks requests and finds the version.
        streams: the engine.
    """

    def __init__(self, invoke: InvokeApi, streams: StreamingInvoker) -> None:
        self._invoke = invoke
        self._streams = streams

    async def invoke_with_response_stream(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Invoke a function; the result's ``EventStream`` must be read or closed."""
        want_tail = params.get("LogType") == "Tail"
        admitted = await self._invoke.admit(
            ctx,
            params["FunctionName"],
            params.get("Qualifier", ""),
            operation=_OPERATION,
            payload=as_bytes(params.get("Payload", b"")),
            client_context_b64=params.get("ClientContext", ""),
            tenant_id=params.get("TenantId", ""),
            want_tail=want_tail,
        )
        if params.get("InvocationType") == "DryRun":
            return {"StatusCode": 204}
        version = await admitted.version()
        stream = await self._streams.invoke(version, admitted.invocation)
        return {"StatusCode": 200, "ExecutedVersion": version.version, "EventStream": _events(stream, want_tail=want_tail)}


async def _events(stream: ResponseStream, *, want_tail: bool) -> AsyncGenerator[dict[str, Any], None]:
    """The events of one response; whoever closes this before its end has gone."""
    try:
        while piece := await stream.next_piece():
            yield {"PayloadChunk": {"Payload": piece}}
        yield {"InvokeComplete": complete(stream.outcome, want_tail=want_tail)}
    finally:
        stream.abandon()


def complete(outcome: Outcome, *, want_tail: bool) -> dict[str, Any]:
    """The members of ``InvokeComplete``."""
    members = {}
    if outcome.function_error:
        members["ErrorCode"] = outcome.function_error
        members["ErrorDetails"] = outcome.payload.decode("utf-8", "replace")
    if want_tail:
        members["LogResult"] = base64.b64encode(outcome.log_tail).decode()
    return members
