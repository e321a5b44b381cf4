"""One execution environment: a sandbox, the runtime in it, and at most one invocation at a time.

Owns what happens between *started* and *ended*: waiting for init, running an invocation to its outcome, the lines START,
END and REPORT, and noticing that the runtime died. It does not decide who gets it (`pool`) nor how it is made
(`starter`).

**Two ends of an invocation.** The caller gets the answer as soon as the runtime posts it. The invocation is over when the
runtime asks for the next event; only then are END and REPORT written and is the environment free. A caller that wants the
log tail waits for that.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functory.core.environments import failures, platform_events
from functory.core.environments.credential_door import CredentialDoor
from functory.core.environments.extensions import INVOKE, Extensions
from functory.core.environments.freezer import Freezer
from functory.core.environments.log_stream import LogStream
from functory.core.environments.port import Close
from functory.core.environments.restoration import Restoration
from functory.core.environments.session import Answer, RuntimeSession
from functory.core.environments.shutdown import ShutdownReason, shut_down
from functory.core.environments.states import ENVIRONMENT, EnvironmentState
from functory.core.environments.telemetry import Telemetry
from functory.core.environments.variables import ON_DEMAND
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import CallerGone, Invocation, Outcome, OutcomeKind
from functory.core.invocations.response import Collected, ResponseSink, ResponseSource
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.kernel.limits import MIB
from functory.sandbox.port import Exit, Sandbox


@dataclass(frozen=True, slots=True)
class InitFailure:
    """Why an environment did not become ready.

    Attributes:
        status: ``error`` or ``timeout``, as INIT_REPORT says it.
        error_type: e.g. ``Runtime.ImportModuleError``, or the type of the exception.
        answer: the runtime's own error document, or None when it gave none.
        text: what the error document shall say when there is neither ``answer`` nor ``ended``.
        ended: how the runtime ended, or None while it was alive.
        init_ms: how long init took.
        log: the environment's log stream, for what is still to be said.
        memory_mib_used: highest use of the environment.
    """

    status: str
    error_type: str
    answer: bytes | None
    ended: Exit | None
    init_ms: float
    log: LogStream
    memory_mib_used: int = 0
    text: str = ""


class _Run:
    """An invocation that is going on."""

    __slots__ = (
        "answer", "answered_at", "began_at", "future", "invocation", "is_cut", "limit_s", "responding_at", "runtime_done_at",
        "sent_bytes", "sink", "started_at", "timer",
    )  # fmt: skip

    def __init__(self, invocation: Invocation, future: asyncio.Future[Outcome], started_at: float, limit_s: float) -> None:
        self.invocation = invocation
        self.future = future
        self.started_at = started_at
        self.limit_s = limit_s
        self.answer: Answer | None = None
        self.began_at = 0.0
        self.sink: ResponseSink | None = None
        self.sent_bytes = 0
        self.is_cut = False
        self.responding_at: float | None = None
        self.answered_at: float | None = None
        self.runtime_done_at: float | None = None
        self.timer: asyncio.TimerHandle | None = None


class Environment:
    """See the module. Made by `starter.Starter`; its methods are called by the pool.

    Args:
        on_idle: called when it is free again.
        on_end: called once when it must be thrown away (`dispose` is then the pool's duty).
    """

    def __init__(
        self,
        version: FunctionVersion,
        sandbox: Sandbox,
        log: LogStream,
        clock: Clock,
        ids: Ids,
        freezer: Freezer,
        telemetry: Telemetry,
        on_idle: Callable[[Environment], None],
        on_end: Callable[[Environment], None],
    ) -> None:
        self.version = version
        self.sandbox = sandbox
        self.log = log
        self.session = RuntimeSession(self)
        self.extensions = Extensions(version, ids, self)
        self.state = EnvironmentState.STARTING
        self.idle_since = 0.0
        self.initialization_type = ON_DEMAND
        self.credentials_until = math.inf
        self.runtime = ""
        """Exactly which runtime it has."""
        self.is_restored = False
        """Whether it begins from a snapshot."""
        self.credentials: CredentialDoor | None = None
        self._clock = clock
        self._freezer = freezer
        self.telemetry = telemetry
        self._loop = asyncio.get_running_loop()
        self._on_idle = on_idle
        self._on_end = on_end
        self._init: asyncio.Future[InitFailure | None] = self._loop.create_future()
        self._init_started_at = clock.monotonic_s()
        self._unreported_init_ms: float | None = None
        self._resumed_at: float | None = None
        self._restoration: Restoration | None = None
        self._run: _Run | None = None
        self._ended: Exit | None = None
        self._reason = ShutdownReason.SPINDOWN
        self._was_initialized = False
        self._processes_ended = False
        self.closers: list[Close] = []
        """Stop serving its listeners; the sandbox's sockets may be closed only afterwards."""
        self.gone = asyncio.Event()
        """Set when `dispose` is through."""

    # -- init

    def launched(self) -> None:
        """The runtime's process was started: init begins to count."""
        self._init_started_at = self._clock.monotonic_s()

    async def initialized(self, limit_s: float) -> InitFailure | None:
        """Wait for the end of init; None when the runtime is ready.

        Args:
            limit_s: after which init counts as timed out. The caller disposes of a failed environment.
        """
        try:
            failure = await asyncio.wait_for(asyncio.shield(self._init), limit_s)
        except TimeoutError:
            failure = self._init_failure("timeout", "Sandbox.Timedout")
        for extension in self.extensions:
            self.log.platform(extension.log_line)
            if self.log.takes_records:
                self.log.record(extension.platform_event)
        if failure is None:
            self._was_initialized = True
            if self.is_restored:
                running_s = self._clock.monotonic_s() - (self._resumed_at or self._init_started_at)
                self._restoration = Restoration(self._init_ms(), running_s * 1000)
            else:
                self._unreported_init_ms = self._init_ms()
        else:
            self._leave(ShutdownReason.TIMEOUT if failure.status == "timeout" else ShutdownReason.FAILURE)
        return failure

    @property
    def init_ms(self) -> float:
        """How long init took, once it is over."""
        return self._unreported_init_ms or 0.0

    @property
    def restore_ms(self) -> float:
        """How long the restore took, once it is over."""
        return self._restoration.total_ms if self._restoration is not None else 0.0

    def leave_init_out(self) -> None:
        """No invocation's REPORT shall have its init: it was not on anybody's time."""
        self._unreported_init_ms = None

    def _init_ms(self) -> float:
        return (self._clock.monotonic_s() - self._init_started_at) * 1000

    def _used_mib(self) -> int:
        return math.ceil(self.sandbox.memory_peak_bytes() / MIB)

    def _init_failure(
        self, status: str, error_type: str, *, answer: bytes | None = None, ended: Exit | None = None, text: str = ""
    ) -> InitFailure:
        return InitFailure(status, error_type, answer, ended, self._init_ms(), self.log, self._used_mib(), text)

    # -- SessionEvents

    def runtime_ready(self) -> None:
        """See `session.SessionEvents`."""
        self.extensions.close_registration()
        if self._run is not None:
            self._run.runtime_done_at = self._clock.epoch_s()
            if self._run.is_cut:
                kind, text = failures.TRUNCATED
                self.runtime_answered(Answer(failures.document(kind, text), kind))
        self._go_on()

    def runtime_restorable(self) -> None:
        """See `session.SessionEvents`."""
        if self.is_restored:
            self._resumed_at = self._clock.monotonic_s()
            self.session.resume()
        elif not self._init.done():
            self._init.set_result(None)

    def runtime_init_failed(self, answer: Answer) -> None:
        """See `session.SessionEvents`."""
        if not self._init.done():
            kind = answer.error_type or "Runtime.Unknown"
            self._init.set_result(self._init_failure("error", kind, answer=answer.body))

    def runtime_responding(self, content_type: str, source: ResponseSource) -> None:
        """See `session.SessionEvents`."""
        run = self._run
        if run is not None:
            run.responding_at = self._clock.epoch_s()
            run.sink = run.invocation.sink or Collected()
            run.sink.begin(content_type, source)

    def runtime_sent(self, data: bytes) -> None:
        """See `session.SessionEvents`."""
        run = self._run
        if run is not None and run.sink is not None:
            run.sink.take(data)
            run.sent_bytes += len(data)

    def runtime_cut_response(self) -> None:
        """See `session.SessionEvents`. How it ended is known when the process has ended or asks for the next event."""
        if self._run is not None:
            self._run.is_cut = True

    def runtime_answered(self, answer: Answer) -> None:
        """See `session.SessionEvents`."""
        run = self._run
        if run is None:
            return
        if answer.is_streamed and run.sink is not None:
            answer = Answer(run.sink.collected())
        run.answer = answer
        run.answered_at = self._clock.epoch_s()
        if not run.invocation.want_tail and not run.future.done():
            run.future.set_result(self._answered(run, answer))

    def runtime_ended(self, ended: Exit) -> None:
        """The main process is gone and its output has been taken."""
        self._ended = ended
        if not self._init.done():
            kind = self.extensions.fatal_error or failures.exit_type(ended)
            self._init.set_result(self._init_failure("error", kind, ended=ended))
            return
        if self._run is not None:
            kind = self.extensions.fatal_error or failures.exit_type(ended)
            self._abort(self._run, kind, failures.exit_text(ended))
        self._leave(ShutdownReason.FAILURE)

    # -- ExtensionEvents

    def extensions_moved(self) -> None:
        """See `extensions.ExtensionEvents`."""
        self._go_on()

    def extension_failed(self, error_type: str, text: str) -> None:
        """See `extensions.ExtensionEvents`. AWS: the environment fails with it, whatever the runtime does."""
        if not self._init.done():
            self._init.set_result(self._init_failure("error", error_type, text=text))
            return
        if self._run is not None:
            self.sandbox.drain()
            self._abort(self._run, error_type, text)
        self._leave(ShutdownReason.FAILURE)

    def _go_on(self) -> None:
        """The runtime or an extension waits for its next event: see whether that ends a phase."""
        if not self.session.is_ready:
            return
        if self.state is EnvironmentState.STARTING:
            if not self._init.done() and self.extensions.are_ready:
                self.state = ENVIRONMENT.check(self.state, EnvironmentState.IDLE)
                self._freezer.idle()
                self._init.set_result(None)
        elif self.state is EnvironmentState.BUSY and self.extensions.are_idle:
            self._finish()

    # -- invoke

    @property
    def is_usable(self) -> bool:
        """Whether an invocation could be sent now."""
        return self.state is EnvironmentState.IDLE and self.session.is_waiting and not self.is_stale

    @property
    def is_stale(self) -> bool:
        """Whether its credentials are too old for another invocation."""
        return self._clock.epoch_s() >= self.credentials_until

    async def invoke(self, invocation: Invocation, spent_s: float = 0.0) -> Outcome:
        """Run one invocation; only while `is_usable`.

        Args:
            spent_s: how much of the function's timeout its init has used up already (suppressed init). AWS: Duration has
                that time, and there is no Init Duration.

        Cancellation: the function goes on; its outcome only reaches the log.

        Raises:
            CallerGone: it was cancelled.
        """
        self.state = ENVIRONMENT.check(self.state, EnvironmentState.BUSY)
        version = self.version
        limit_s = version.timeout_s - spent_s
        run = _Run(invocation, self._loop.create_future(), self._clock.monotonic_s() - spent_s, limit_s)
        if spent_s:
            self._unreported_init_ms = None
        self._run = run
        if invocation.want_tail:
            self.log.begin_tail()
        run.began_at = self._clock.epoch_s()
        self.log.platform(failures.start_line(invocation.request_id, version.version, invocation.tenant_id))
        if self.log.takes_records:
            self.log.record(platform_events.start(invocation, version.version))
        await self._freezer.wake()
        if run.future.done():  # it ended while it was woken
            return run.future.result()
        headers = [
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(int((run.began_at + limit_s) * 1000))),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.invoked_arn),
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
        ]
        if invocation.client_context:
            headers.append(("Lambda-Runtime-Client-Context", invocation.client_context))
        if invocation.tenant_id:
            headers.append(("Lambda-Runtime-Aws-Tenant-Id", invocation.tenant_id))
        if invocation.cognito_identity:
            headers.append(("Lambda-Runtime-Cognito-Identity", invocation.cognito_identity))
        run.timer = self._loop.call_later(limit_s, self._time_out, run)
        if len(self.extensions):
            self.extensions.invoke(_invoke_event(invocation, headers))
        self.session.send(invocation.request_id, headers, invocation.payload)
        try:
            return await asyncio.shield(run.future)
        except asyncio.CancelledError:
            raise CallerGone(run.future) from None

    def _answered(self, run: _Run, answer: Answer) -> Outcome:
        failed = answer.error_type is not None
        body = answer.body
        if failed and not body:
            body = failures.document(answer.error_type or "Unhandled", "")
        return Outcome(
            kind=OutcomeKind.FUNCTION_FAILED if failed else OutcomeKind.SUCCEEDED,
            request_id=run.invocation.request_id,
            payload=body,
            function_error="Unhandled" if failed else "",
            error_type=answer.error_type or "",
            duration_ms=(self._clock.monotonic_s() - run.started_at) * 1000,
        )

    def _finish(self) -> None:
        """The runtime is done with the running invocation."""
        run = self._run
        if run is None or run.answer is None:
            return
        self._run = None
        if run.timer is not None:
            run.timer.cancel()
        self.sandbox.drain()
        self.log.flush()
        outcome = self._answered(run, run.answer)
        self._report(run, outcome, "success")
        if self.state is EnvironmentState.BUSY:
            self.state = ENVIRONMENT.check(self.state, EnvironmentState.IDLE)
            self.idle_since = self._loop.time()
            self._freezer.idle()
            self._on_idle(self)

    def _report(self, run: _Run, outcome: Outcome, status: str) -> None:
        """Write END and REPORT, and answer a caller that has waited for them.

        Args:
            status: ``success``, ``error`` (the process ended) or ``timeout``. AWS: a handler's exception is a success.
        """
        request_id = run.invocation.request_id
        duration_ms = (self._clock.monotonic_s() - run.started_at) * 1000
        init_ms, self._unreported_init_ms = self._unreported_init_ms, None
        restoration, self._restoration = self._restoration, None
        used_mib = self._used_mib()
        extras = {"success": "", "timeout": "Status: timeout"}.get(
            status, f"Status: {status}\tError Type: {outcome.error_type}"
        )
        report = failures.report_line(
            request_id,
            duration_ms,
            init_ms,
            self.version.memory_mib,
            used_mib,
            extras,
            restoration,
            run.invocation.trace_id,
        )
        self.log.platform(f"END RequestId: {request_id}", report)
        if self.log.takes_records:
            usage = platform_events.Usage(duration_ms, init_ms, self.version.memory_mib, used_mib, restoration)
            self._record_end(run, outcome, status, usage)
        if not run.future.done():
            tail = self.log.end_tail() if run.invocation.want_tail else b""
            run.future.set_result(
                Outcome(
                    kind=outcome.kind,
                    request_id=request_id,
                    payload=outcome.payload,
                    function_error=outcome.function_error,
                    error_type=outcome.error_type,
                    log_tail=tail,
                    duration_ms=duration_ms,
                    billed_ms=failures.billed_ms(duration_ms, init_ms, restoration),
                    init_ms=init_ms,
                    memory_mib_used=used_mib,
                )
            )

    def _record_end(self, run: _Run, outcome: Outcome, status: str, usage: platform_events.Usage) -> None:
        """Tell how the invocation ended to those who read records."""
        times = platform_events.Times(
            run.began_at, run.answered_at, run.runtime_done_at, self._clock.epoch_s(), run.responding_at
        )
        request_id, trace_id, kind = run.invocation.request_id, run.invocation.trace_id, outcome.error_type
        produced = run.sent_bytes or (len(run.answer.body) if run.answer is not None else 0)
        self.log.record(platform_events.runtime_done(request_id, status, kind, times, produced, trace_id))
        self.log.record(platform_events.report(request_id, status, kind, usage, times, trace_id))

    def _time_out(self, run: _Run) -> None:
        """The function's time is over: everything in the environment ends."""
        if self._run is not run:
            return
        self._run = None
        self.sandbox.drain()
        self.log.flush()
        request_id = run.invocation.request_id
        limit_s = float(self.version.timeout_s)
        self.log.timed_out(request_id, failures.timeout_text(limit_s))
        outcome = Outcome(
            OutcomeKind.TIMED_OUT,
            request_id,
            failures.timeout_document(request_id, limit_s),
            "Unhandled",
            "Sandbox.Timedout",
        )
        if run.answer is not None:
            outcome = self._answered(run, run.answer)
        self._report(run, outcome, "timeout")
        self._leave(ShutdownReason.TIMEOUT)

    def _abort(self, run: _Run, kind: str, text: str) -> None:
        """The process of the runtime or of an extension ended during an invocation."""
        self._run = None
        if run.timer is not None:
            run.timer.cancel()
        self.log.flush()
        request_id = run.invocation.request_id
        if run.answer is not None:
            self._report(run, self._answered(run, run.answer), "success")
            return
        message = f"RequestId: {request_id} Error: {text}"
        self.log.platform(message, kind)
        outcome = Outcome(OutcomeKind.RUNTIME_EXITED, request_id, failures.document(kind, message), "Unhandled", kind)
        self._report(run, outcome, "error")

    # -- the end

    def _leave(self, reason: ShutdownReason = ShutdownReason.SPINDOWN) -> None:
        """Out of use from now on; tell the pool once."""
        if self.is_ending:
            return
        self._reason = reason
        self.state = ENVIRONMENT.check(self.state, EnvironmentState.ENDING)
        self._freezer.close()
        self._on_end(self)

    @property
    def is_ending(self) -> bool:
        """Whether it is out of use."""
        return self.state in {EnvironmentState.ENDING, EnvironmentState.ENDED}

    def retire(self) -> None:
        """End it now if it is idle; the pool does not release a busy one again."""
        if self.state is EnvironmentState.IDLE:
            self._leave()

    def stop(self) -> None:
        """End it now, whatever it does; a running invocation is cut."""
        if self.state is not EnvironmentState.STARTING:
            self._leave()

    def stop_serving(self) -> None:
        """Close the APIs inside the sandbox. Idempotent."""
        while self.closers:
            self.closers.pop()()

    @property
    def leaves_remains(self) -> bool:
        """Whether it failed in an invocation. AWS: it is then reset; ``/tmp`` and log stream go on, its processes not.

        One that began from a snapshot leaves nothing: the next begins from the snapshot, ``/tmp`` included.
        """
        return self._reason is not ShutdownReason.SPINDOWN and self._was_initialized and not self.is_restored

    async def end_processes(self) -> None:
        """Let extensions end, and kill what still runs. Idempotent.

        Cancellation: what was left is killed by the driver's own end.
        """
        if self.extensions and not self._processes_ended:
            self.telemetry.flush()
            await shut_down(self.sandbox, self.extensions, self._reason, self._clock, has_runtime=self._ended is None)
        self._processes_ended = True
        self.telemetry.close()
        self.stop_serving()
        await self.sandbox.kill()

    async def dispose(self) -> None:
        """End its processes and remove every trace. Idempotent."""
        await self.end_processes()
        await self.sandbox.dispose()
        self.gone.set()
        if self.state is EnvironmentState.ENDING:
            self.state = ENVIRONMENT.check(self.state, EnvironmentState.ENDED)


def _invoke_event(invocation: Invocation, headers: list[tuple[str, str]]) -> dict[str, Any]:
    """What extensions get of an invocation; the payload is not theirs."""
    return {
        "eventType": INVOKE,
        "deadlineMs": int(dict(headers)["Lambda-Runtime-Deadline-Ms"]),
        "requestId": invocation.request_id,
        "invokedFunctionArn": invocation.invoked_arn,
        "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id},
    }
