"""Programs of ``provided.*`` functions that cannot be started, and runtimes that are not there."""

from __future__ import annotations

import pytest

from tests.support.running_node import Answer, Node

pytestmark = pytest.mark.root

PLAIN = "#!/bin/sh\nexit 0\n"


def invalid(answer: Answer, text: str) -> None:
    assert (answer.status, answer.error) == (200, "Unhandled")
    assert answer.json == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": f"RequestId: {answer.request_id} Error: {text}",
    }
    assert "Runtime.InvalidEntrypoint" in answer.log
    assert answer.report["RequestId"] == answer.request_id


def test_a_package_without_a_bootstrap(node: Node) -> None:
    function = node.deploy({"readme": "nothing"}, "provided.al2023")
    invalid(function.invoke(), "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")


def test_a_bootstrap_that_may_not_be_executed(node: Node) -> None:
    function = node.deploy({"bootstrap": PLAIN}, "provided.al2023", executable=())
    invalid(function.invoke(), "fork/exec /var/task/bootstrap: permission denied")


def test_a_bootstrap_that_is_no_program(node: Node) -> None:
    function = node.deploy({"bootstrap": b"\x7fELF\x02\x01\x01 broken"}, "provided.al2023")
    invalid(function.invoke(), "fork/exec /var/task/bootstrap: exec format error")


def test_a_bootstrap_of_another_processor(node: Node) -> None:
    header = bytearray(64)
    header[:7] = b"\x7fELF\x02\x01\x01"
    header[16:20] = bytes([2, 0, 0xB7 if node.machine == "x86_64" else 62, 0])
    function = node.deploy({"bootstrap": bytes(header)}, "provided.al2023")
    invalid(function.invoke(), "fork/exec /var/task/bootstrap: exec format error")


def test_a_bootstrap_whose_interpreter_is_missing(node: Node) -> None:
    function = node.deploy({"bootstrap": "#!/usr/bin/nothing\n"}, "provided.al2023")
    invalid(function.invoke(), "fork/exec /var/task/bootstrap: no such file or directory")


def test_a_bootstrap_that_ends_before_it_asks_for_an_event(node: Node) -> None:
    function = node.deploy({"bootstrap": PLAIN}, "provided.al2023")
    answer = function.invoke()
    assert answer.json == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {answer.request_id} Error: Runtime exited without providing a reason",
    }


def test_a_bootstrap_that_reports_a_failing_init(node: Node) -> None:
    script = (
        '#!/bin/sh\ncurl -sS -d \'{"errorType":"My.Error","errorMessage":"no"}\' '
        '-H "Lambda-Runtime-Function-Error-Type: My.Error" '
        '"http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/init/error"; exit 1\n'
    )
    answer = node.deploy({"bootstrap": script}, "provided.al2023").invoke()
    assert (answer.error, answer.payload) == ("Unhandled", b'{"errorType":"My.Error","errorMessage":"no"}')


def test_a_runtime_that_is_not_installed_says_how_to_get_it(node: Node) -> None:
    answer = node.deploy("", "python3.15").invoke()
    assert answer.error == "Unhandled"
    assert answer.json["errorType"] == "Runtime.Unavailable"
    assert "Runtime python3.15 is not installed on this node" in answer.json["errorMessage"]
    assert "functory runtimes install python3.15" in answer.json["errorMessage"]
