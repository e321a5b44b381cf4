"""The error documents and log texts AWS gives when an invocation fails outside the handler. Pure.

AWS: texts recorded from the service, see the reference's tables "Error payloads" and "Log lines".
"""

from __future__ import annotations

import math
import re
import signal as signals
from collections.abc import Mapping

import msgspec

from functory.core.environments.restoration import Restoration
from functory.sandbox.port import Exit

TRUNCATED = ("Runtime.TruncatedResponse", "The runtime did not end the response it had begun.")
"""Error type and text of a streamed response that breaks off while its runtime lives on. AWS: the type; the text is ours."""

_PLATFORM_TYPE = re.compile(r"(Runtime|Function|Extension|Sandbox)\.[A-Z][a-zA-Z]+")


def document(error_type: str, message: str) -> bytes:
    """The JSON error document of the platform: ``errorType`` first, as AWS writes it."""
    return msgspec.json.encode({"errorType": error_type, "errorMessage": message})


def timeout_text(timeout_s: float) -> str:
    """``Task timed out after 3.00 seconds``."""
    return f"Task timed out after {timeout_s:.2f} seconds"


def timeout_document(request_id: str, timeout_s: float) -> bytes:
    """What the caller of a function that ran out of time gets."""
    return document("Sandbox.Timedout", f"RequestId: {request_id} Error: {timeout_text(timeout_s)}")


def reported_type(error_type: str) -> str:
    """The error type as the platform's own lines name it. AWS: only its own types; exceptions' names stay out of them."""
    if _PLATFORM_TYPE.match(error_type):
        return error_type
    return "Function.Unknown" if error_type.startswith("Function.") else "Runtime.Unknown"


def exit_type(ended: Exit) -> str:
    """The error type of a runtime that ended."""
    return "Runtime.OutOfMemory" if ended.out_of_memory else "Runtime.ExitError"


def exit_text(ended: Exit) -> str:
    """How AWS words the end of a runtime."""
    if ended.out_of_memory:
        return "Runtime exited with error: signal: killed"
    if ended.signal is not None:
        return f"Runtime exited with error: signal: {signal_name(ended.signal)}"
    if ended.code:
        return f"Runtime exited with error: exit status {ended.code}"
    return "Runtime exited without providing a reason"


def exit_document(request_id: str, ended: Exit) -> bytes:
    """What the caller of a function whose runtime ended gets."""
    return document(exit_type(ended), f"RequestId: {request_id} Error: {exit_text(ended)}")


def start_line(request_id: str, version: str, tenant_id: str) -> str:
    """The START line of an invocation."""
    line = f"START RequestId: {request_id} Version: {version}"
    return f"{line} TenantId: {tenant_id}" if tenant_id else line


def report_line(
    request_id: str,
    duration_ms: float,
    init_ms: float | None,
    memory_mib: int,
    used_mib: int,
    extras: str = "",
    restoration: Restoration | None = None,
    trace_id: str = "",
) -> str:
    """The REPORT line. AWS: since August 2025 the init of a cold start is billed, too."""
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\t"
        f"Billed Duration: {billed_ms(duration_ms, init_ms, restoration)} ms\t"
        f"Memory Size: {memory_mib} MB\tMax Memory Used: {used_mib} MB\t"
    )
    if init_ms is not None:
        report += f"Init Duration: {init_ms:.2f} ms\t"
    if restoration is not None:
        report += restoration.report
    return report + extras + _xray(trace_id)


def _xray(trace_id: str) -> str:
    """What AWS adds to the REPORT line of an invocation that is sampled."""
    fields = dict(field.partition("=")[::2] for field in trace_id.split(";"))
    if fields.get("Sampled") != "1":
        return ""
    return f"\nXRAY TraceId: {fields.get('Root', '')}\tSegmentId: {fields.get('Parent', '')}\tSampled: true\t"


def billed_ms(duration_ms: float, init_ms: float | None, restoration: Restoration | None = None) -> int:
    """Whole milliseconds that are billed."""
    restored_ms = restoration.billed_ms if restoration is not None else 0
    return math.ceil(duration_ms + (init_ms or 0.0)) + restored_ms


_SIGNAL_TEXTS: Mapping[signals.Signals, str] = {
    # as the kernel's users of strsignal print them, which is what AWS's agent logs
    signals.SIGKILL: "killed",
    signals.SIGSEGV: "segmentation fault",
    signals.SIGABRT: "aborted",
    signals.SIGTERM: "terminated",
    signals.SIGINT: "interrupt",
    signals.SIGBUS: "bus error",
    signals.SIGFPE: "floating point exception",
    signals.SIGILL: "illegal instruction",
    signals.SIGPIPE: "broken pipe",
    signals.SIGHUP: "hangup",
    signals.SIGQUIT: "quit",
    signals.SIGTRAP: "trace/breakpoint trap",
}


def signal_name(number: int) -> str:
    """How the kernel's users print a signal."""
    try:
        return _SIGNAL_TEXTS[signals.Signals(number)]
    except (ValueError, KeyError):
        return f"signal {number}"
