"""AWS's literal documents and texts for failures outside the handler."""

from __future__ import annotations

import pytest

from functory.core.environments import failures
from functory.sandbox.port import Exit


def test_timeout_document() -> None:
    assert failures.timeout_document("abc", 1) == (
        b'{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: abc Error: Task timed out after 1.00 seconds"}'
    )


@pytest.mark.parametrize(
    ("ended", "kind", "text"),
    [
        (Exit(code=0), "Runtime.ExitError", "Runtime exited without providing a reason"),
        (Exit(code=1), "Runtime.ExitError", "Runtime exited with error: exit status 1"),
        (Exit(signal=9), "Runtime.ExitError", "Runtime exited with error: signal: killed"),
        (Exit(signal=11), "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault"),
        (Exit(signal=64), "Runtime.ExitError", "Runtime exited with error: signal: signal 64"),
        (Exit(signal=9, out_of_memory=True), "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
    ],
)
def test_exit_texts(ended: Exit, kind: str, text: str) -> None:
    assert failures.exit_type(ended) == kind
    assert failures.exit_text(ended) == text


def test_report_line_bills_the_init_of_a_cold_start() -> None:
    assert failures.report_line("r", 3.004, 110.1, 128, 36) == (
        "REPORT RequestId: r\tDuration: 3.00 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 36 MB\tInit Duration: 110.10 ms\t"
    )


def test_the_platforms_lines_name_its_own_error_types_only() -> None:
    assert failures.reported_type("Runtime.ImportModuleError") == "Runtime.ImportModuleError"
    assert failures.reported_type("ValueError") == "Runtime.Unknown"
    assert failures.reported_type("Function.<ValueError>") == "Function.Unknown"
