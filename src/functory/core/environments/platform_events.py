"""What the platform tells about an environment's life: the events of AWS's Telemetry API. Pure.

The same events are the system log of functions with JSON logs. Their levels and members are AWS's; a member without a value
is left out. Times are epoch seconds, durations milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from functory.core.environments.failures import billed_ms
from functory.core.environments.restoration import Restoration
from functory.core.environments.variables import ON_DEMAND
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation
from functory.kernel.clock import iso_ms
from functory.kernel.limits import MIB

LEVELS = {"TRACE": 0, "DEBUG": 1, "INFO": 2, "WARN": 3, "ERROR": 4, "FATAL": 5}


@dataclass(frozen=True, slots=True)
class PlatformEvent:
    """One event.

    Attributes:
        type: ``platform.start`` …
        record: its members.
        level: of the system log.
    """

    type: str
    record: dict[str, Any]
    level: str = "INFO"


def _ms(value: float) -> float:
    return round(value, 3)


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, "")}


def _init(phase: str, kind: str) -> dict[str, Any]:
    return {"initializationType": kind, "phase": phase}


def init_start(
    version: FunctionVersion, phase: str, runtime_version: str, runtime_arn: str, kind: str = ON_DEMAND
) -> PlatformEvent:
    """Init begins; ``kind`` is its initialization type, as in the others."""
    record = {
        **_init(phase, kind),
        **_present(runtimeVersion=runtime_version, runtimeVersionArn=runtime_arn),
        "functionName": version.name,
        "functionVersion": version.version,
        "instanceMaxMemory": version.memory_mib * MIB,
    }
    return PlatformEvent("platform.initStart", record, "INFO" if runtime_version else "DEBUG")


def init_runtime_done(phase: str, status: str, error_type: str = "", kind: str = ON_DEMAND) -> PlatformEvent:
    """The runtime (and every extension) is ready, or never will be."""
    record = {**_init(phase, kind), "status": status, **_present(errorType=error_type)}
    return PlatformEvent("platform.initRuntimeDone", record, "DEBUG" if status == "success" else "WARN")


def init_report(phase: str, status: str, duration_ms: float, error_type: str = "", kind: str = ON_DEMAND) -> PlatformEvent:
    """How long init took."""
    record = {
        **_init(phase, kind),
        "status": status,
        **_present(errorType=error_type),
        "metrics": {"durationMs": _ms(duration_ms)},
    }
    level = "DEBUG" if kind == ON_DEMAND else "INFO"
    return PlatformEvent("platform.initReport", record, level if status == "success" else "WARN")


def start(invocation: Invocation, version: str) -> PlatformEvent:
    """An invocation begins."""
    record = {"requestId": invocation.request_id, "version": version, **_present(tenantId=invocation.tenant_id)}
    return PlatformEvent("platform.start", {**record, **tracing(invocation.trace_id)})


def restore_start(version: FunctionVersion, runtime_version: str, runtime_arn: str) -> PlatformEvent:
    """An environment begins from a snapshot."""
    record = {
        **_present(runtimeVersion=runtime_version, runtimeVersionArn=runtime_arn),
        "functionName": version.name,
        "functionVersion": version.version,
        "instanceMaxMemory": version.memory_mib * MIB,
    }
    return PlatformEvent("platform.restoreStart", record)


def restore_runtime_done(status: str, error_type: str = "") -> PlatformEvent:
    """The restored runtime is ready, or never will be."""
    record = {"status": status, **_present(errorType=error_type)}
    return PlatformEvent("platform.restoreRuntimeDone", record, "DEBUG" if status == "success" else "WARN")


def restore_report(status: str, duration_ms: float, error_type: str = "") -> PlatformEvent:
    """How long a restore took."""
    record = {"status": status, **_present(errorType=error_type), "metrics": {"durationMs": _ms(duration_ms)}}
    return PlatformEvent("platform.restoreReport", record, "INFO" if status == "success" else "WARN")


@dataclass(frozen=True, slots=True)
class Times:
    """When things happened in an invocation, in epoch seconds.

    Attributes:
        began: the event was sent.
        answered: the response had come completely, or None.
        runtime_done: the runtime asked for the next event, or None.
        over: extensions were done, too.
        responding: a streamed response began, or None.
    """

    began: float
    answered: float | None
    runtime_done: float | None
    over: float
    responding: float | None = None


def runtime_done(
    request_id: str, status: str, error_type: str, times: Times, produced_bytes: int, trace_id: str
) -> PlatformEvent:
    """The runtime is through with an invocation."""
    end = times.runtime_done or times.over
    record = {
        "requestId": request_id,
        "status": status,
        **_present(errorType=error_type),
        **tracing(trace_id),
        "spans": _runtime_spans(times, end),
        "metrics": {"durationMs": _ms((end - times.began) * 1000), "producedBytes": produced_bytes},
    }
    return PlatformEvent("platform.runtimeDone", record, "DEBUG" if status == "success" else "WARN")


def _runtime_spans(times: Times, end: float) -> list[dict[str, Any]]:
    if times.answered is None:
        return []
    # a response that is not streamed arrives whole here, so receiving it takes no time of its own
    responding = times.answered if times.responding is None else times.responding
    spans = [
        ("responseLatency", times.began, responding),
        ("responseDuration", responding, times.answered),
        ("runtimeOverhead", times.answered, end),
    ]
    return [_span(name, begin, until) for name, begin, until in spans]


def _span(name: str, begin: float, until: float) -> dict[str, Any]:
    return {"name": name, "start": iso_ms(begin), "durationMs": _ms((until - begin) * 1000)}


@dataclass(frozen=True, slots=True)
class Usage:
    """What an invocation cost.

    Attributes:
        duration_ms: of the invoke phase.
        init_ms: of an init that is reported with it, or None.
        memory_mib: MemorySize.
        used_mib: the highest use.
        restoration: a restore that is reported with it, or None.
    """

    duration_ms: float
    init_ms: float | None
    memory_mib: int
    used_mib: int
    restoration: Restoration | None = None


def report(request_id: str, status: str, error_type: str, usage: Usage, times: Times, trace_id: str) -> PlatformEvent:
    """An invocation is over."""
    metrics = {
        "durationMs": _ms(usage.duration_ms),
        "billedDurationMs": billed_ms(usage.duration_ms, usage.init_ms, usage.restoration),
        "memorySizeMB": usage.memory_mib,
        "maxMemoryUsedMB": usage.used_mib,
    }
    if usage.init_ms is not None:
        metrics["initDurationMs"] = _ms(usage.init_ms)
    if usage.restoration is not None:
        metrics["restoreDurationMs"] = _ms(usage.restoration.total_ms)
        metrics["billedRestoreDurationMs"] = usage.restoration.billed_ms
    overhead = [_span("extensionOverhead", times.runtime_done, times.over)] if times.runtime_done is not None else []
    record = {
        "requestId": request_id,
        "metrics": metrics,
        "status": status,
        **_present(errorType=error_type),
        **({"spans": overhead} if overhead else {}),
        **tracing(trace_id),
    }
    return PlatformEvent("platform.report", record, "INFO" if status == "success" else "WARN")


def extension(name: str, state: str, events: Sequence[str], error_type: str = "") -> PlatformEvent:
    """The state of an extension at the end of init."""
    record = {"name": name, "state": state, "events": list(events), **_present(errorType=error_type)}
    return PlatformEvent("platform.extension", record)


def telemetry_subscription(name: str, types: Sequence[str]) -> PlatformEvent:
    """An extension has subscribed to the Telemetry API."""
    return PlatformEvent("platform.telemetrySubscription", {"name": name, "state": "Subscribed", "types": list(types)})


def logs_dropped(records: int, size: int, reason: str) -> PlatformEvent:
    """A subscriber was too slow."""
    record = {"droppedBytes": size, "droppedRecords": records, "reason": reason}
    return PlatformEvent("platform.logsDropped", record, "WARN")


def tracing(trace_id: str) -> dict[str, Any]:
    """The member ``tracing``, for a sampled trace."""
    if "Sampled=1" not in trace_id:
        return {}
    parts = dict(part.partition("=")[::2] for part in trace_id.split(";"))
    return {"tracing": {**_present(spanId=parts.get("Parent")), "type": "X-Amzn-Trace-Id", "value": trace_id}}
