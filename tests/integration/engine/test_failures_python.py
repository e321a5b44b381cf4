"""What callers and logs get when a Python function fails: exact documents, headers and lines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.running_node import EXEC, Answer, Function, Node

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("python")]

DIED = "Status: error\tError Type: Runtime.ExitError"
LIMIT = 6 * 1024 * 1024 + 100


def report(extras: str = "", memory: int = 128) -> str:
    return (
        "REPORT RequestId: <id>\tDuration: <n> ms\tBilled Duration: <n> ms\t"
        f"Memory Size: {memory} MB\tMax Memory Used: <n> MB\t{extras}"
    )


def without_init(answer: Answer) -> list[str]:
    return [line.replace("Init Duration: <n> ms\t", "") for line in answer.lines]


def exited(answer: Answer, how: str, kind: str = "Runtime.ExitError") -> None:
    """The answer is that of a runtime that ended."""
    text = f"RequestId: {answer.request_id} Error: {how}"
    assert (answer.status, answer.error, answer.version) == (200, "Unhandled", "$LATEST")
    assert answer.payload.decode() == f'{{"errorType":"{kind}","errorMessage":"{text}"}}'
    lines = without_init(answer)
    assert [line for line in lines if line][-4:] == [
        f"RequestId: <id> Error: {how}",
        kind,
        "END RequestId: <id>",
        report(f"Status: error\tError Type: {kind}"),
    ]


@pytest.fixture(scope="module")
def function(node: Node) -> Function:
    return node.deploy(EXEC, MemorySize=128)


@pytest.fixture(scope="module")
def quick(node: Node) -> Function:
    """A function with a short timeout."""
    return node.deploy(EXEC, MemorySize=512, Timeout=1)


def test_an_exception_of_the_handler(node: Node) -> None:
    function = node.deploy("def handler(event, context):\n    raise ValueError('no ü')\n")
    function.invoke()
    answer = function.invoke()
    assert (answer.status, answer.error, answer.version) == (200, "Unhandled", "$LATEST")
    assert answer.json == {
        "errorMessage": "no ü",
        "errorType": "ValueError",
        "requestId": answer.request_id,
        "stackTrace": ["  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError('no ü')\n"],
    }
    assert answer.lines == [
        "START RequestId: <id> Version: $LATEST",
        "[ERROR] ValueError: no ü",
        "Traceback (most recent call last):",
        '\u00a0\u00a0File "/var/task/app.py", line 2, in handler',
        "\u00a0\u00a0\u00a0\u00a0raise ValueError('no ü')",
        "END RequestId: <id>",
        report(),
        "",
    ]
    events = [event["message"] for event in function.events(f"REPORT RequestId: {answer.request_id}")]
    assert sum(event.startswith("[ERROR] ValueError: no ü\nTraceback (most recent call last):\n") for event in events) == 2


def test_a_result_that_is_not_json(function: Function) -> None:
    answer = function.invoke({"code": "result = {1, 2}"})
    assert answer.error == "Unhandled"
    assert answer.json == {
        "errorMessage": "Unable to marshal response: Object of type set is not JSON serializable",
        "errorType": "Runtime.MarshalError",
        "requestId": answer.request_id,
        "stackTrace": [],
    }


def test_running_out_of_time(quick: Function) -> None:
    warm = quick.invoke({"code": "import app; app.mark = 1"})
    assert warm.error is None
    answer = quick.invoke({"code": "import time; print('before'); time.sleep(60)"})
    text = "Task timed out after 1.00 seconds"
    assert (answer.status, answer.error) == (200, "Unhandled")
    assert answer.payload.decode() == (
        f'{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {answer.request_id} Error: {text}"}}'
    )
    assert answer.lines == [
        "START RequestId: <id> Version: $LATEST",
        "before",
        f"<time> <id> {text}",
        "",
        "END RequestId: <id>",
        report("Status: timeout", 512),
        "",
    ]
    assert 1000 <= float(answer.report["Duration"].split()[0]) < 1500
    assert quick.run("import app; result = hasattr(app, 'mark')") is False


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import os; os._exit(0)", "Runtime exited without providing a reason"),
        ("import os; os._exit(1)", "Runtime exited with error: exit status 1"),
        ("import os; os._exit(77)", "Runtime exited with error: exit status 77"),
        ("import sys; sys.exit(0)", "Runtime exited without providing a reason"),
        ("import sys; sys.exit(1)", "Runtime exited with error: exit status 1"),
        ("import ctypes; ctypes.string_at(0)", "Runtime exited with error: signal: segmentation fault"),
        ("import os; os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("import os; os.kill(os.getpid(), 15)", "Runtime exited with error: signal: terminated"),
        ("import os; os.abort()", "Runtime exited with error: signal: aborted"),
    ],
)
def test_the_end_of_the_process(function: Function, code: str, how: str) -> None:
    exited(function.invoke({"code": f"print('last words'); {code}"}), how)
    assert function.run("result = 1") == 1


def test_running_out_of_memory(function: Function) -> None:
    answer = function.invoke({"code": "held = bytearray(300 * 2**20)"})
    exited(answer, "Runtime exited with error: signal: killed", "Runtime.OutOfMemory")
    assert int(answer.report["Max Memory Used"].split()[0]) >= 120
    assert function.run("result = 1") == 1


INIT_FAILURES: list[Any] = [
    pytest.param("app.handler", "import missing_module", "Runtime.ImportModuleError",
                 "Unable to import module 'app': No module named 'missing_module'", id="import"),
    pytest.param("other.handler", "", "Runtime.ImportModuleError",
                 "Unable to import module 'other': No module named 'other'", id="module"),
    pytest.param("app.absent", "", "Runtime.HandlerNotFound", "Handler 'absent' missing on module 'app'", id="handler"),
    pytest.param("handler", "", "Runtime.MalformedHandlerName",
                 "Bad handler 'handler': not enough values to unpack (expected 2, got 1)", id="malformed"),
    pytest.param("app.handler", "def broken(:", "Runtime.UserCodeSyntaxError", None, id="syntax"),
    pytest.param("app.handler", "raise ValueError('at init')", "ValueError", "at init", id="exception"),
]  # fmt: skip


@pytest.mark.parametrize(("handler", "code", "kind", "message"), INIT_FAILURES)
def test_a_failing_init(node: Node, handler: str, code: str, kind: str, message: str | None) -> None:
    function = node.deploy(code, handler=handler)
    answer = function.invoke()
    document = answer.json
    assert (answer.status, answer.error, answer.version) == (200, "Unhandled", "$LATEST")
    assert document["errorType"] == kind
    assert (document["requestId"], message in {None, document["errorMessage"]}) == ("", True), document
    reported = kind if kind.startswith("Runtime.") else "Runtime.Unknown"
    assert without_init(answer)[-3:-1] == ["END RequestId: <id>", report(f"Status: error\tError Type: {reported}")]
    logged = function.logged("REPORT")
    assert logged.count("INIT_REPORT Init Duration: ") == 2
    assert f" ms\tPhase: init\tStatus: error\tError Type: {reported}\n" in logged
    assert f" ms\tPhase: invoke\tStatus: error\tError Type: {reported}\n" in logged


def test_an_init_that_ends_the_process(node: Node) -> None:
    function = node.deploy("import os; print('starting'); os._exit(5)")
    exited(function.invoke(), "Runtime exited with error: exit status 5")
    assert function.logged("REPORT").count("starting") == 2


def test_an_init_that_takes_too_long_is_repeated_in_the_invocation(hasty_node: Node) -> None:
    function = hasty_node.deploy(f"import time; time.sleep(3)\n{EXEC}", Timeout=10, MemorySize=512)
    answer = function.invoke({"code": "result = context.get_remaining_time_in_millis()"})
    assert answer.error is None, answer.payload
    assert answer.json < 7_000
    assert float(answer.report["Duration"].split()[0]) > 3000
    assert "Init Duration" not in answer.report
    logged = function.logged("REPORT RequestId")
    assert "\tPhase: init\tStatus: timeout\n" in logged
    assert "Phase: invoke" not in logged
    assert function.run("result = 1") == 1


def test_an_init_that_takes_longer_than_the_function_may(hasty_node: Node) -> None:
    function = hasty_node.deploy("import time; time.sleep(60)", Timeout=1)
    answer = function.invoke()
    assert answer.json == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {answer.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert "<time> <id> Task timed out after 1.00 seconds" in answer.lines
    assert without_init(answer)[-2] == report("Status: timeout")


def test_a_response_at_the_limit_and_one_byte_more(node: Node) -> None:
    function = node.deploy(EXEC, MemorySize=512)
    fits = function.invoke({"code": f"result = 'x' * {LIMIT - 2}"})
    assert (fits.error, len(fits.payload)) == (None, LIMIT)
    answer = function.invoke({"code": f"result = 'x' * {LIMIT - 1}"})
    assert answer.error == "Unhandled"
    assert answer.payload == (
        b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        b'"errorType":"Function.ResponseSizeTooLarge"}'
    )
    assert function.run("result = 1") == 1


def test_a_background_process_cannot_survive_a_timeout(node: Node, quick: Function) -> None:
    code = """
import os, threading, time
if os.fork() == 0:
    os.setsid()
    while True:
        print("child lives", flush=True); time.sleep(0.05)
def thread():
    while True:
        print("thread lives", flush=True); time.sleep(0.05)
threading.Thread(target=thread, daemon=True).start()
time.sleep(60)
"""
    answer = quick.invoke({"code": code})
    assert answer.json["errorType"] == "Sandbox.Timedout"
    stream = quick.logged(answer.request_id).partition(answer.request_id)[2]
    assert "child lives" in stream
    # what another environment sees: nobody but itself, and nothing more in the log
    others = "import os; result = {name for name in os.listdir('/proc') if name.isdigit()} - {str(os.getpid())}"
    assert quick.run(f"{others}; result = list(result)") == ["1"]
    tail = quick.logged("REPORT").rpartition("Status: timeout")[2]
    assert "lives" not in tail
