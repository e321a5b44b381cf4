"""What callers and logs get when a Node.js function fails: exact documents, headers and lines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.running_node import Answer, Function, Node

pytestmark = [
    pytest.mark.root,
    pytest.mark.parametrize("runtime", ["nodejs22.x"], indirect=True, scope="module"),
]

CODE = """
exports.handler = async (event) => {
  switch (event.do) {
    case 'throw': throw new TypeError('no ü');
    case 'circle': { const circle = {}; circle.self = circle; return circle; }
    case 'exit': process.exit(event.code);
    case 'abort': process.abort();
    case 'hang': console.log('before'); return new Promise((done) => setTimeout(done, 60000));
    case 'empty': return new Promise(() => {});
    case 'reject': Promise.reject(new Error('nobody')); return new Promise((done) => setTimeout(done, 500));
    case 'later': setTimeout(() => { throw new Error('later'); }, 10); return new Promise((done) => setTimeout(done, 500));
  }
  return 'fine';
};
"""


@pytest.fixture(scope="module")
def function(node: Node, runtime: str) -> Function:
    return node.deploy(CODE, runtime, MemorySize=256, Timeout=2)


def failed(answer: Answer, kind: str, message: str) -> None:
    assert (answer.status, answer.error) == (200, "Unhandled")
    document = answer.json
    assert (document["errorType"], document["errorMessage"]) == (kind, message)
    assert list(document) == ["errorType", "errorMessage", "trace"]
    assert document["trace"][0] == f"{kind}: {message}"


def test_an_exception_of_the_handler(function: Function) -> None:
    answer = function.invoke({"do": "throw"})
    failed(answer, "TypeError", "no ü")
    assert answer.json["trace"][1].startswith("    at ")
    assert "<time>\t<id>\tERROR\tInvoke Error \t" in "\n".join(answer.lines)
    assert function.invoke({}).json == "fine"


def test_a_result_that_is_not_json(function: Function) -> None:
    answer = function.invoke({"do": "circle"})
    failed(answer, "Error", "Unable to stringify response body")


def test_a_rejection_that_nobody_handles(function: Function) -> None:
    answer = function.invoke({"do": "reject"})
    assert answer.json["errorType"] == "Runtime.UnhandledPromiseRejection"
    assert answer.json["errorMessage"] == "Error: nobody"
    assert function.invoke({}).json == "fine"


def test_an_exception_outside_the_handler(function: Function) -> None:
    answer = function.invoke({"do": "later"})
    assert (answer.json["errorType"], answer.json["errorMessage"]) == ("Error", "later")
    assert function.invoke({}).json == "fine"


@pytest.mark.parametrize(
    ("event", "how"),
    [
        ({"do": "exit", "code": 0}, "Runtime exited without providing a reason"),
        ({"do": "exit", "code": 3}, "Runtime exited with error: exit status 3"),
    ],
)
def test_the_end_of_the_process(function: Function, event: Any, how: str) -> None:
    answer = function.invoke(event)
    assert answer.json == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {answer.request_id} Error: {how}",
    }
    assert "Status: error\tError Type: Runtime.ExitError" in answer.log
    assert function.invoke({}).json == "fine"


def test_running_out_of_time(function: Function) -> None:
    answer = function.invoke({"do": "hang"})
    text = "Task timed out after 2.00 seconds"
    assert answer.json == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {answer.request_id} Error: {text}",
    }
    assert [f"<time> <id> {text}", ""] == answer.lines[2:4]
    assert answer.lines[-2].endswith("Status: timeout")
    assert function.invoke({}).json == "fine"


@pytest.mark.parametrize(
    ("handler", "code", "kind", "message"),
    [
        ("app.handler", "require('missing')", "Runtime.ImportModuleError", "Error: Cannot find module 'missing'"),
        ("other.handler", "", "Runtime.ImportModuleError", "Error: Cannot find module 'other'"),
        ("app.absent", "", "Runtime.HandlerNotFound", "app.absent is undefined or not exported"),
        ("handler", "", "Runtime.MalformedHandlerName", "Bad handler"),
        ("app.handler", "const = 1;", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected token '='"),
        ("app.handler", "throw new RangeError('at init')", "RangeError", "at init"),
    ],
    ids=["import", "module", "handler", "malformed", "syntax", "exception"],
)
def test_a_failing_init(node: Node, runtime: str, handler: str, code: str, kind: str, message: str) -> None:
    answer = node.deploy(code, runtime, handler, MemorySize=512).invoke()
    assert (answer.error, answer.json["errorType"]) == ("Unhandled", kind)
    assert answer.json["errorMessage"].startswith(message)
    reported = kind if kind.startswith("Runtime.") else "Runtime.Unknown"
    assert answer.log.rstrip("\n").endswith(f"Status: error\tError Type: {reported}")
