"""The events of the platform, member for member."""

from __future__ import annotations

from dataclasses import replace

from functory.core.environments import platform_events
from functory.core.environments.platform_events import Times, Usage
from functory.core.invocations.outcome import Invocation
from tests.support.engine import version

TIMES = Times(1_700_000_000.0, 1_700_000_000.1, 1_700_000_000.15, 1_700_000_000.4)


def test_init_events_and_their_levels() -> None:
    begun = platform_events.init_start(version(), "init", "python:3.12.1", "arn:x")
    assert (begun.type, begun.level) == ("platform.initStart", "INFO")
    assert begun.record == {
        "initializationType": "on-demand",
        "phase": "init",
        "runtimeVersion": "python:3.12.1",
        "runtimeVersionArn": "arn:x",
        "functionName": "f",
        "functionVersion": "$LATEST",
        "instanceMaxMemory": 128 * 1024 * 1024,
    }
    assert platform_events.init_start(version(), "init", "", "").level == "DEBUG"
    assert platform_events.init_runtime_done("init", "success").level == "DEBUG"
    failed = platform_events.init_report("invoke", "error", 12.3456, "Runtime.ExitError")
    assert failed.level == "WARN"
    assert failed.record == {
        "initializationType": "on-demand",
        "phase": "invoke",
        "status": "error",
        "errorType": "Runtime.ExitError",
        "metrics": {"durationMs": 12.346},
    }


def test_the_events_of_an_invocation() -> None:
    invocation = Invocation("id", b"", "arn", "Root=1-2;Parent=ab;Sampled=1")
    assert platform_events.start(replace(invocation, tenant_id="t"), "7").record["tenantId"] == "t"
    assert platform_events.start(invocation, "7").record == {
        "requestId": "id",
        "version": "7",
        "tracing": {"spanId": "ab", "type": "X-Amzn-Trace-Id", "value": "Root=1-2;Parent=ab;Sampled=1"},
    }
    done = platform_events.runtime_done("id", "success", "", TIMES, 4, "Root=1-2;Sampled=0")
    assert done.level == "DEBUG"
    assert done.record == {
        "requestId": "id",
        "status": "success",
        "spans": [
            {"name": "responseLatency", "start": "2023-11-14T22:13:20.000Z", "durationMs": 100.0},
            {"name": "responseDuration", "start": "2023-11-14T22:13:20.100Z", "durationMs": 0.0},
            {"name": "runtimeOverhead", "start": "2023-11-14T22:13:20.100Z", "durationMs": 50.0},
        ],
        "metrics": {"durationMs": 150.0, "producedBytes": 4},
    }
    streamed = platform_events.runtime_done("id", "success", "", replace(TIMES, responding=TIMES.began + 0.04), 4, "")
    assert [span["durationMs"] for span in streamed.record["spans"]] == [40.0, 60.0, 50.0]
    report = platform_events.report("id", "timeout", "Sandbox.Timedout", Usage(400.0, 99.5, 128, 36), TIMES, "")
    assert report.level == "WARN"
    assert report.record == {
        "requestId": "id",
        "metrics": {
            "durationMs": 400.0,
            "billedDurationMs": 500,
            "memorySizeMB": 128,
            "maxMemoryUsedMB": 36,
            "initDurationMs": 99.5,
        },
        "status": "timeout",
        "errorType": "Sandbox.Timedout",
        "spans": [{"name": "extensionOverhead", "start": "2023-11-14T22:13:20.150Z", "durationMs": 250.0}],
    }


def test_what_an_extension_and_a_subscriber_are() -> None:
    assert platform_events.extension("x", "Ready", ["INVOKE"]).record == {
        "name": "x",
        "state": "Ready",
        "events": ["INVOKE"],
    }
    assert platform_events.telemetry_subscription("x", ["platform"]).record["types"] == ["platform"]
    assert platform_events.logs_dropped(3, 40, "slow").level == "WARN"
