"""How an invocation ended. A failing function is a value; exceptions are for our faults and the caller's mistakes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum

from functory.core.invocations.response import ResponseSink


class OutcomeKind(Enum):
    """The four ways an invocation can end."""

    SUCCEEDED = "succeeded"
    FUNCTION_FAILED = "function_failed"
    """The runtime reported an error (an exception in the handler, an import error …)."""
    TIMED_OUT = "timed_out"
    RUNTIME_EXITED = "runtime_exited"
    """The runtime's process ended (exit, signal, out of memory)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one invocation.

    Attributes:
        kind: see `OutcomeKind`.
        request_id: of the invocation.
        payload: the function's answer (empty when it went to ``Invocation.sink``), or the JSON error document AWS gives for
            this failure.
        function_error: ``"Unhandled"`` for every failure, ``""`` for success (header ``X-Amz-Function-Error``).
        error_type: ``errorType`` of the failure, else ``""``.
        log_tail: the last 4,096 bytes of this invocation's log, START to REPORT, when a tail was asked for.
        duration_ms: of the invoke phase.
        billed_ms: whole milliseconds, init of a cold start included.
        init_ms: of the init phase when this invocation waited for it, else None.
        memory_mib_used: highest use of the environment.
    """

    kind: OutcomeKind
    request_id: str
    payload: bytes
    function_error: str = ""
    error_type: str = ""
    log_tail: bytes = b""
    duration_ms: float = 0.0
    billed_ms: int = 0
    init_ms: float | None = None
    memory_mib_used: int = 0


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one invocation of a function version is asked to do.

    Attributes:
        request_id: UUID; the same for every retry of an asynchronous invocation.
        payload: JSON bytes, as the runtime will get them.
        invoked_arn: exactly the ARN the caller used, qualifier included when one was given.
        trace_id: value for ``Lambda-Runtime-Trace-Id`` (``Root=…;Parent=…;Sampled=…``).
        client_context: decoded JSON text, or ``""``.
        cognito_identity: JSON text, or ``""``.
        want_tail: whether `Outcome.log_tail` is needed.
        tenant_id: for whom it is, or ``""``; environments serve one tenant for their life.
        is_synchronous: whether a caller waits for the outcome. AWS: only such requests have a rate.
        sink: where a streamed response goes while it comes; None collects it for `Outcome.payload`.
    """

    request_id: str
    payload: bytes
    invoked_arn: str
    trace_id: str = ""
    client_context: str = ""
    cognito_identity: str = ""
    want_tail: bool = False
    is_synchronous: bool = True
    tenant_id: str = ""
    sink: ResponseSink | None = None


class CallerGone(asyncio.CancelledError):
    """The caller went away while the function runs. AWS: the function goes on, and counts until it has ended.

    Attributes:
        outcome: how it will have ended.
    """

    def __init__(self, outcome: asyncio.Future[Outcome]) -> None:
        super().__init__()
        self.outcome = outcome
