"""The outcomes of invocations whose environment did not come to be, with the log lines that AWS writes for them."""

from __future__ import annotations

from functory.core.environments import failures, platform_events
from functory.core.environments.environment import InitFailure
from functory.core.environments.log_stream import LogStream
from functory.core.environments.starter import StartRefused
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation, Outcome, OutcomeKind


def failed_init(invocation: Invocation, version: FunctionVersion, failure: InitFailure, took_s: float) -> Outcome:
    """The outcome of an invocation whose environment could not be initialised."""
    request_id = invocation.request_id
    extras = f"Status: error\tError Type: {failures.reported_type(failure.error_type)}"
    failure.log.begin_tail()
    failure.log.platform(failures.start_line(request_id, version.version, invocation.tenant_id))
    if failure.status == "timeout":
        kind, extras = OutcomeKind.TIMED_OUT, "Status: timeout"
        document = failures.timeout_document(request_id, float(version.timeout_s))
        failure.log.timed_out(request_id, failures.timeout_text(float(version.timeout_s)))
    elif failure.answer:
        kind, document = OutcomeKind.FUNCTION_FAILED, failure.answer
    elif failure.ended is not None:
        kind, document = OutcomeKind.RUNTIME_EXITED, failures.exit_document(request_id, failure.ended)
        failure.log.platform(f"RequestId: {request_id} Error: {failures.exit_text(failure.ended)}", failure.error_type)
    elif failure.text:
        message = f"RequestId: {request_id} Error: {failure.text}"
        kind, document = OutcomeKind.RUNTIME_EXITED, failures.document(failure.error_type, message)
        failure.log.platform(message, failure.error_type)
    else:
        kind, document = OutcomeKind.FUNCTION_FAILED, failures.document(failure.error_type, "")
    used_mib, trace_id = failure.memory_mib_used, invocation.trace_id
    report = failures.report_line(request_id, took_s * 1000, None, version.memory_mib, used_mib, extras, trace_id=trace_id)
    failure.log.platform(f"END RequestId: {request_id}", report)
    if failure.log.takes_records:
        usage = platform_events.Usage(took_s * 1000, None, version.memory_mib, failure.memory_mib_used)
        _record_failure(failure.log, invocation, version, failure.error_type, failure.status, usage)
    return Outcome(
        kind,
        request_id,
        document,
        "Unhandled",
        failure.error_type,
        log_tail=failure.log.end_tail() if invocation.want_tail else b"",
        duration_ms=took_s * 1000,
        billed_ms=failures.billed_ms(took_s * 1000, None),
        memory_mib_used=failure.memory_mib_used,
    )


def refused_start(invocation: Invocation, version: FunctionVersion, refused: StartRefused) -> Outcome:
    """The outcome of an invocation whose function cannot be run as it is."""
    request_id, kind = invocation.request_id, refused.error_type
    text = f"RequestId: {request_id} Error: {refused}"
    refused.log.begin_tail()
    refused.log.platform(
        failures.start_line(request_id, version.version, invocation.tenant_id),
        text,
        kind,
        f"END RequestId: {request_id}",
        failures.report_line(request_id, 0.0, None, version.memory_mib, 0, f"Status: error\tError Type: {kind}"),
    )
    if refused.log.takes_records:
        _record_failure(
            refused.log, invocation, version, kind, "error", platform_events.Usage(0.0, None, version.memory_mib, 0)
        )
    log_tail = refused.log.end_tail() if invocation.want_tail else b""
    return Outcome(
        OutcomeKind.RUNTIME_EXITED, request_id, failures.document(kind, text), "Unhandled", kind, log_tail=log_tail
    )


def _record_failure(
    log: LogStream,
    invocation: Invocation,
    version: FunctionVersion,
    error_type: str,
    status: str,
    usage: platform_events.Usage,
) -> None:
    """START and REPORT of an invocation that never reached its function, for those who read records."""
    now_s = log.now_s()
    times = platform_events.Times(now_s - usage.duration_ms / 1000, None, None, now_s)
    request_id, trace_id = invocation.request_id, invocation.trace_id
    log.record(platform_events.start(invocation, version.version))
    log.record(platform_events.report(request_id, status, error_type, usage, times, trace_id))
