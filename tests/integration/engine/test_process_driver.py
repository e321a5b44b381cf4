"""The small common part on the driver ``process``: the same answers, errors and lines, without isolation."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import lambda_variables
from tests.support.running_node import EXEC, Function, Node, running, until

pytestmark = pytest.mark.usefixtures("python")

PLACES = {"LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_LAMBDA_RUNTIME_API", "PATH", "LD_LIBRARY_PATH", "NODE_PATH"}
"""Variables that name folders or addresses; without isolation these are the host's."""


@pytest.mark.parametrize("runtime", ["python3.12"], indirect=True)
def test_a_python_function(plain_node: Node, runtime: str) -> None:
    function = plain_node.deploy(EXEC, runtime, MemorySize=256)
    answer = function.invoke({"code": "result = event['value']", "value": {"a": "ü"}})
    assert (answer.error, answer.json, answer.version) == (None, {"a": "ü"}, "$LATEST")
    seen, stream = function.run("import os; result = [dict(os.environ), context.log_stream_name]")
    not_of_the_host = lambda_variables.names(runtime) - {"HOME"}
    assert set(seen) - not_of_the_host <= {"FUNCTORY_SANDBOX", "TMPDIR"}
    assert not_of_the_host <= set(seen)
    known = lambda_variables.values(runtime, function.name, stream)
    same = set(known) - PLACES - {"PYTHONPATH", "PWD"}
    assert {name: seen[name] for name in same} == {name: known[name] for name in same}
    assert function.run("import os; result = os.getcwd() == os.environ['LAMBDA_TASK_ROOT']") is True


@pytest.mark.parametrize("runtime", ["nodejs22.x"], indirect=True)
def test_a_node_function(plain_node: Node, runtime: str) -> None:
    function = plain_node.deploy("exports.handler = async (event) => ({ event });", runtime, MemorySize=256)
    assert function.invoke([1]).json == {"event": [1]}


@pytest.fixture(scope="module")
def function(plain_node: Node) -> Function:
    return plain_node.deploy(EXEC, MemorySize=256, Timeout=2)


@pytest.mark.parametrize(
    ("code", "kind", "how"),
    [
        ("import os; os._exit(0)", "Runtime.ExitError", "Runtime exited without providing a reason"),
        ("import os; os._exit(3)", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
        ("import os; os.abort()", "Runtime.ExitError", "Runtime exited with error: signal: aborted"),
        ("import time; time.sleep(60)", "Sandbox.Timedout", "Task timed out after 2.00 seconds"),
    ],
)
def test_a_failure(function: Function, code: str, kind: str, how: str) -> None:
    answer = function.invoke({"code": code})
    assert answer.error == "Unhandled"
    assert answer.json == {"errorType": kind, "errorMessage": f"RequestId: {answer.request_id} Error: {how}"}
    assert function.run("result = 1") == 1


def test_a_shell_program_that_cannot_be_started(plain_node: Node) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    answer = plain_node.deploy({"bootstrap": "no first line"}, "provided.al2023").invoke()
    assert answer.json["errorType"] == "Runtime.InvalidEntrypoint"


def test_calls_at_once_and_what_is_left(tmp_path: Path) -> None:
    with running(tmp_path / "data", "process") as node:
        function = node.deploy(EXEC, MemorySize=256)
        code = "import os, time; time.sleep(0.5); result = os.getpid()"
        with ThreadPoolExecutor(3) as pool:
            pids = [answer.json for answer in pool.map(lambda _: function.invoke({"code": code}), range(3))]
        assert len(set(pids)) == 3
        assert node.stop() == 0
    until(lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()], "the processes have ended")
