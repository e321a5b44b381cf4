from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.node import FUNCTORY, Node

NAME = "by-functory-cli"
SOURCE = "import os\ndef handler(event, context):\n    print('got', event)\n    return [event, os.environ.get('COLOUR')]\n"
FOLLOW_TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("code")
    (path / "app.py").write_text(SOURCE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def deployed(node: Node, folder: Path) -> Iterator[Node]:
    done = node.functory(
        *("deploy", str(folder), "--name", NAME, "--runtime", "python3.11", "--handler", "app.handler"),
        *("--timeout", "9", "--env", "COLOUR=blue"),
    )
    assert NAME in done.stdout
    yield node
    node.client("lambda").delete_function(FunctionName=NAME)


def test_a_deployed_function_is_invoked(deployed: Node) -> None:
    done = deployed.functory("invoke", NAME, "--payload", '{"a": 1}', "--tail")
    assert json.loads(done.stdout) == [{"a": 1}, "blue"]
    assert "got {'a': 1}" in done.stderr
    assert "REPORT RequestId" in done.stderr
    done = deployed.functory("invoke", NAME, "--payload", "-", text_input='"typed"')
    assert json.loads(done.stdout) == ["typed", "blue"]


def test_deploying_again_keeps_what_is_not_given(deployed: Node, folder: Path) -> None:
    deployed.functory("deploy", str(folder), "--name", NAME, "--memory", "256")
    found = deployed.client("lambda").get_function_configuration(FunctionName=NAME)
    assert (found["MemorySize"], found["Timeout"], found["Environment"]) == (256, 9, {"Variables": {"COLOUR": "blue"}})


def test_functions_are_listed(deployed: Node) -> None:
    assert NAME in deployed.functory("ls").stdout
    listed = json.loads(deployed.functory("ls", "--json").stdout)
    assert NAME in [function["FunctionName"] for function in listed]


def test_the_status_is_told(node: Node) -> None:
    assert node.url in node.functory("status").stdout
    assert json.loads(node.functory("status", "--json").stdout)["status"] == "ok"


def test_the_environment_is_told(node: Node) -> None:
    assert json.loads(node.functory("env", "--json").stdout)["AWS_ENDPOINT_URL"] == node.url


def test_an_absent_function_is_told_in_one_line(node: Node) -> None:
    done = node.functory("invoke", "absent", check=False)
    assert done.returncode == 1
    assert "Function not found: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_function_that_fails_gives_an_exit_code(node: Node, deployed: Node, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context):\n    raise ValueError('no')\n", encoding="utf-8")
    node.functory("deploy", str(tmp_path), "--name", "cli-failing", "--runtime", "python3.11", "--handler", "app.handler")
    done = node.functory("invoke", "cli-failing", check=False)
    node.client("lambda").delete_function(FunctionName="cli-failing")
    assert done.returncode != 0
    assert "ValueError" in done.stdout + done.stderr


def test_logs_are_followed(deployed: Node) -> None:
    deployed.functory("invoke", NAME, "--payload", '"before"')
    follower = subprocess.Popen(
        [*FUNCTORY, "logs", NAME, "--follow"],
        env=deployed.aws_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert follower.stdout is not None
        descriptor = follower.stdout.fileno()
        seen = read_until(descriptor, b"got before\n")
        assert b"got after" not in seen
        deployed.functory("invoke", NAME, "--payload", '"after"')
        read_until(descriptor, b"got after\n")
    finally:
        follower.terminate()
        follower.communicate()
    assert "got after" in deployed.functory("logs", NAME, "--since", "5m").stdout


def read_until(descriptor: int, wanted: bytes) -> bytes:
    seen, until = b"", time.monotonic() + FOLLOW_TIMEOUT_S
    while wanted not in seen:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        assert ready, f"{wanted!r} did not come: {seen!r}"
        chunk = os.read(descriptor, 65536)
        assert chunk, f"the log ended: {seen!r}"
        seen += chunk
    return seen
