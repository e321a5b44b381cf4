"""How a restore shows in REPORT, RESTORE_REPORT and the platform's events."""

from __future__ import annotations

from functory.core.environments import failures, platform_events
from functory.core.environments.restoration import Restoration, report_line
from tests.support.engine import version

RESTORATION = Restoration(total_ms=452.1, running_ms=98.2)


def test_report_has_the_restore_and_bills_what_ran() -> None:
    line = failures.report_line("id", 2.1, None, 128, 40, restoration=RESTORATION)
    assert line == (
        "REPORT RequestId: id\tDuration: 2.10 ms\tBilled Duration: 102 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t"
        "Restore Duration: 452.10 ms\tBilled Restore Duration: 99 ms\t"
    )


def test_restore_report_has_a_status_only_when_it_failed() -> None:
    assert report_line(452.1) == "RESTORE_REPORT Restore Duration: 452.10 ms"
    assert report_line(10_000, "timeout") == "RESTORE_REPORT Restore Duration: 10000.00 ms\tStatus: timeout"
    failed = report_line(5, "error", "Runtime.AfterRestoreError")
    assert failed == "RESTORE_REPORT Restore Duration: 5.00 ms\tStatus: error\tError Type: Runtime.AfterRestoreError"


def test_events_have_aws_members_and_levels() -> None:
    start = platform_events.restore_start(version("f", version="1"), "python:3.12.1", "arn")
    assert (start.type, start.level) == ("platform.restoreStart", "INFO")
    assert start.record == {
        "runtimeVersion": "python:3.12.1",
        "runtimeVersionArn": "arn",
        "functionName": "f",
        "functionVersion": "1",
        "instanceMaxMemory": 128 * 1024 * 1024,
    }
    done = platform_events.restore_runtime_done("success")
    assert (done.type, done.record, done.level) == ("platform.restoreRuntimeDone", {"status": "success"}, "DEBUG")
    report = platform_events.restore_report("error", 5.0, "Runtime.AfterRestoreError")
    assert (report.type, report.level) == ("platform.restoreReport", "WARN")
    assert report.record == {"status": "error", "errorType": "Runtime.AfterRestoreError", "metrics": {"durationMs": 5.0}}
    usage = platform_events.Usage(2.1, None, 128, 40, RESTORATION)
    times = platform_events.Times(0.0, 0.001, 0.002, 0.0021)
    metrics = platform_events.report("id", "success", "", usage, times, "").record["metrics"]
    assert metrics["restoreDurationMs"] == 452.1
    assert metrics["billedRestoreDurationMs"] == 99
    assert metrics["billedDurationMs"] == 102
