"""One runtime's conversation with its Runtime API, without sockets.

The edge ``edges/runtime_api`` turns HTTP into calls of `RuntimeSession`; the environment listens through `SessionEvents`.
Default-deny: a call that the runtime's state does not allow is answered with the error AWS's agent gives and changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from functory.core.environments.states import RUNTIME, RuntimeState
from functory.core.invocations.response import ResponseSource, ResponseTooLarge
from functory.kernel.errors import FunctoryError
from functory.kernel.limits import SYNC_RESPONSE_BYTES


class RuntimeApiError(FunctoryError):
    """A call of the runtime that is refused: HTTP status and AWS's error type and text."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.status = status
        self.error_type = error_type
        self.message = message


class NextWaiter(Protocol):
    """A runtime's open ``GET /runtime/invocation/next``."""

    def deliver(self, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer it with an event."""

    @property
    def is_gone(self) -> bool:
        """Whether the runtime's connection has ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the runtime said about an invocation or its init.

    Attributes:
        body: bytes as posted.
        error_type: ``Lambda-Runtime-Function-Error-Type`` for an error (may be empty); None for a success.
        is_streamed: it was streamed and is complete; ``body`` is empty.
    """

    body: bytes
    error_type: str | None = None
    is_streamed: bool = False


class SessionEvents(Protocol):
    """What an environment wants to know; called on the event loop, must not raise."""

    def runtime_ready(self) -> None:
        """The runtime waits for an event: init is done, or the last invocation is completely over."""

    def runtime_restorable(self) -> None:
        """The runtime waits to be restored: its state may be kept, or it is what was kept and may go on (`resume`)."""

    def runtime_init_failed(self, answer: Answer) -> None:
        """The runtime reported an error of its init, or of what it does after a restore."""

    def runtime_responding(self, content_type: str, source: ResponseSource) -> None:
        """The runtime streams its response, whose first bytes are to come."""

    def runtime_sent(self, data: bytes) -> None:
        """The next bytes of a streamed response.

        Raises:
            ResponseTooLarge: too many.
        """

    def runtime_cut_response(self) -> None:
        """A streamed response ended without its end; the process may be dying, or go on."""

    def runtime_answered(self, answer: Answer) -> None:
        """The runtime gave the response or the error of the running invocation, or the end of either."""


class RuntimeSession:
    """The state of one runtime; see the module."""

    def __init__(self, events: SessionEvents) -> None:
        self._events = events
        self._state = RuntimeState.STARTED
        self._waiter: NextWaiter | None = None
        self._request_id = ""
        self.restores = False
        """Whether the runtime may wait to be restored (SnapStart)."""

    @property
    def state(self) -> RuntimeState:
        """Where the runtime is."""
        return self._state

    def _move(self, target: RuntimeState) -> None:
        denied = target is RuntimeState.RESTORE_READY and not self.restores
        if denied or not RUNTIME.allows(self._state, target):
            raise RuntimeApiError(
                403,
                "InvalidStateTransition",
                f"State transition from {self._state.value} to {target.value} failed for runtime. "
                "Error: State transition is not allowed",
            )
        self._state = target

    # -- what the runtime calls

    def next(self, waiter: NextWaiter) -> None:
        """``GET /runtime/invocation/next``; ``waiter`` is answered when there is an event.

        A runtime that lost its connection may ask again while it is ready.

        Raises:
            RuntimeApiError: it may not ask now.
        """
        if self._state is RuntimeState.READY and (self._waiter is None or self._waiter.is_gone):
            self._waiter = waiter
            return
        self._move(RuntimeState.READY)
        self._waiter = waiter
        self._events.runtime_ready()

    def restore_next(self, waiter: NextWaiter) -> None:
        """``GET /runtime/restore/next``; ``waiter`` is answered when the runtime has been restored.

        A runtime that lost its connection may ask again.

        Raises:
            RuntimeApiError: it may not ask now.
        """
        if self._state is RuntimeState.RESTORE_READY and (self._waiter is None or self._waiter.is_gone):
            self._waiter = waiter
            return
        self._move(RuntimeState.RESTORE_READY)
        self._waiter = waiter
        self._events.runtime_restorable()

    def restore_error(self, body: bytes, error_type: str) -> None:
        """``POST /runtime/restore/error``.

        Raises:
            RuntimeApiError: nothing is being restored.
        """
        self._move(RuntimeState.RESTORE_ERROR)
        self._events.runtime_init_failed(Answer(body, error_type))

    def response(self, request_id: str, body: bytes, mode: str = "") -> None:
        """``POST /runtime/invocation/{id}/response`` with a whole body.

        Args:
            request_id: of the path.
            body: the payload.
            mode: ``Lambda-Runtime-Function-Response-Mode``.

        Raises:
            RuntimeApiError: wrong id, mode or moment, or a body that is too large.
        """
        self._check_id(request_id)
        _check_mode(mode)
        if len(body) > SYNC_RESPONSE_BYTES:
            self.oversize_response(request_id)
        self._move(RuntimeState.RESPONDING)
        self._move(RuntimeState.RESPONSE_SENT)
        self._events.runtime_answered(Answer(body))

    def oversize_response(self, request_id: str) -> None:
        """A response beyond AWS's limit: the invocation fails, and so does this call.

        Raises:
            RuntimeApiError: always.
        """
        self._check_id(request_id)
        self._move(RuntimeState.RESPONDING)
        self._move(RuntimeState.RESPONSE_SENT)
        raise self._too_large(SYNC_RESPONSE_BYTES)

    def _too_large(self, limit_bytes: int) -> RuntimeApiError:
        """End the invocation with AWS's error; what the runtime is told."""
        text = f"Response payload size exceeded maximum allowed payload size ({limit_bytes} bytes)."
        document = f'{{"errorMessage":"{text}","errorType":"Function.ResponseSizeTooLarge"}}'
        self._events.runtime_answered(Answer(document.encode(), "Function.ResponseSizeTooLarge"))
        return RuntimeApiError(413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({limit_bytes} bytes).")

    def begin_response(self, request_id: str, content_type: str, source: ResponseSource, mode: str = "streaming") -> None:
        """``POST /runtime/invocation/{id}/response`` of a runtime that streams: its headers.

        Raises:
            RuntimeApiError: wrong id, mode or moment.
        """
        self._check_id(request_id)
        _check_mode(mode)
        self._move(RuntimeState.RESPONDING)
        self._events.runtime_responding(content_type, source)

    def send_response(self, data: bytes) -> None:
        """The next bytes of the streamed response.

        Raises:
            RuntimeApiError: too many: the invocation fails.
        """
        try:
            self._events.runtime_sent(data)
        except ResponseTooLarge as error:
            self._move(RuntimeState.RESPONSE_SENT)
            raise self._too_large(error.limit_bytes) from None

    def end_response(self, error_type: str, error_body: bytes) -> None:
        """The end of the streamed response, with the error that its trailers report, or ``""``."""
        self._move(RuntimeState.RESPONSE_SENT)
        self._events.runtime_answered(Answer(error_body, error_type) if error_type else Answer(b"", is_streamed=True))

    def cut_response(self) -> None:
        """The streamed response broke off; a runtime that lives on may ask for the next event."""
        self._move(RuntimeState.RESPONSE_SENT)
        self._events.runtime_cut_response()

    def error(self, request_id: str, body: bytes, error_type: str) -> None:
        """``POST /runtime/invocation/{id}/error``.

        Raises:
            RuntimeApiError: wrong id or moment.
        """
        self._check_id(request_id)
        self._move(RuntimeState.ERROR_SENT)
        self._events.runtime_answered(Answer(body, error_type))

    def init_error(self, body: bytes, error_type: str) -> None:
        """``POST /runtime/init/error``.

        Raises:
            RuntimeApiError: init is over.
        """
        self._move(RuntimeState.INIT_ERROR)
        self._events.runtime_init_failed(Answer(body, error_type))

    def _check_id(self, request_id: str) -> None:
        if request_id != self._request_id or not request_id:
            raise RuntimeApiError(400, "InvalidRequestID", "Invalid request ID")

    # -- what the environment calls

    @property
    def is_ready(self) -> bool:
        """Whether the runtime has asked for an event and has none."""
        return self._state is RuntimeState.READY

    @property
    def is_restorable(self) -> bool:
        """Whether the runtime waits to be restored."""
        return self._state is RuntimeState.RESTORE_READY

    def resume(self) -> None:
        """Tell the waiting runtime that it has been restored; only while `is_restorable`."""
        waiter = self._waiter
        if waiter is None:
            raise RuntimeError("no runtime is waiting")
        self._move(RuntimeState.RESTORING)
        self._waiter = None
        waiter.deliver([("Content-Type", "application/json")], b"{}")

    @property
    def is_waiting(self) -> bool:
        """Whether an event could be sent now over a live connection."""
        return self._state is RuntimeState.READY and self._waiter is not None and not self._waiter.is_gone

    def send(self, request_id: str, headers: list[tuple[str, str]], payload: bytes) -> None:
        """Give the waiting runtime an event; only while `is_waiting`."""
        waiter = self._waiter
        if waiter is None:
            raise RuntimeError("no runtime is waiting")
        self._move(RuntimeState.RUNNING)
        self._waiter = None
        self._request_id = request_id
        waiter.deliver(headers, payload)


def _check_mode(mode: str) -> None:
    if mode and mode.lower() not in {"buffered", "streaming"}:
        raise RuntimeApiError(400, "InvalidFunctionResponseMode", "Invalid function response mode")
