"""What functions bring themselves, and which of them get a standby at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.standby.conftest import Pair
from tests.support.node import program_environment
from tests.support.running_node import EXEC, package, running, until

pytestmark = [
    pytest.mark.root,
    pytest.mark.parametrize("runtime", ["python3.9", "python3.12", "python3.13"], indirect=True, scope="module"),
]

WAITED = '"/late/sb-" in open("/proc/self/mountinfo").read()'
OWN = {name: f"__version__ = 'own'\nname = {name!r}\n" for name in ("boto3", "botocore", "urllib3", "requests", "ssl")}


def _run(pair: Pair, runtime: str, code: str, more: dict[str, str] | None = None, **settings: Any) -> Any:
    """What ``code`` leaves in ``result`` on the node with standbys."""
    files = {"app.py": EXEC, **(more or {})}
    function, _ = pair.deploy(files, runtime, **settings)
    return function.run(code + f"\nresult = [{WAITED}, result]")


@pytest.mark.parametrize("name", ["boto3", "urllib3", "requests"])
def test_a_package_of_the_functions_own_wins(pair: Pair, runtime: str, name: str) -> None:
    code = f"import {name}; result = [{name}.__version__, {name}.__file__]"
    seen = _run(pair, runtime, code, {f"{name}/__init__.py": OWN[name]})
    assert seen == [True, ["own", f"/var/task/{name}/__init__.py"]]


def test_the_sdk_gets_a_dependency_of_the_functions_own(pair: Pair, runtime: str) -> None:
    code = "try:\n    import boto3\nexcept ImportError as e:\n    result = str(e)"
    assert _run(pair, runtime, code, {"urllib3.py": "raise ImportError('own')"}) == [True, "own"]


def test_a_folder_added_to_the_path_later_wins(pair: Pair, runtime: str) -> None:
    code = """
import os, sys
os.makedirs("/tmp/own/boto3")
open("/tmp/own/boto3/__init__.py", "w").write("__version__ = 'later'")
sys.path.insert(0, "/tmp/own")
import boto3, botocore.session
result = [boto3.__version__, botocore.session.__file__]
"""
    assert _run(pair, runtime, code) == [True, ["later", "/var/runtime/botocore/session.py"]]


def test_a_standard_module_may_be_replaced_as_without(pair: Pair, runtime: str) -> None:
    code = "import ssl; result = [ssl.__version__, ssl.__file__]"
    assert _run(pair, runtime, code, {"ssl.py": OWN["ssl"]}) == [True, ["own", "/var/task/ssl.py"]]


def test_a_reloaded_module_is_read_from_the_disk(pair: Pair, runtime: str) -> None:
    code = "import sys, boto3; old = boto3; del sys.modules['boto3']; import boto3; result = old is boto3"
    assert _run(pair, runtime, code) == [True, False]


def test_the_sdk_is_there_once(pair: Pair, runtime: str) -> None:
    code = """
import boto3, botocore.session, urllib3, importlib.metadata, inspect, logging
client = boto3.client("sqs", region_name="eu-west-1")
result = [client.__class__.__mro__[1] is __import__("botocore.client").client.BaseClient,
          boto3.__spec__.loader.__class__.__name__, inspect.getsource(boto3.client)[:10],
          importlib.metadata.version("boto3") == boto3.__version__, logging.getLogger("botocore").disabled]
"""
    assert _run(pair, runtime, code) == [True, [True, "SourceFileLoader", "def client", True, False]]


def test_a_layer_is_there_and_wins(pair: Pair, runtime: str) -> None:
    layer = pair.with_standby.lambda_.publish_layer_version(
        LayerName="own", Content={"ZipFile": package({"python/boto3/__init__.py": OWN["boto3"]})}
    )["LayerVersionArn"]
    function = pair.with_standby.deploy({"app.py": EXEC}, runtime, Layers=[layer])
    pair.wait(runtime)
    assert function.run(f"import boto3; result = [{WAITED}, boto3.__file__]") == [True, "/opt/python/boto3/__init__.py"]


def test_storage_and_memory_are_the_functions(pair: Pair, runtime: str) -> None:
    code = """
import os
stat = os.statvfs("/tmp")
mib = stat.f_blocks * stat.f_frsize >> 20
result = [1024 <= mib < 1200, os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]]
"""
    seen = _run(pair, runtime, code, EphemeralStorage={"Size": 1024}, MemorySize=192)
    assert seen == [True, [True, "192"]]


def test_more_memory_than_its_own_ends_it(pair: Pair, runtime: str) -> None:
    function, _ = pair.deploy(EXEC, runtime, MemorySize=128)
    answer = function.invoke({"code": "x = bytearray(300 << 20)"})
    assert b"Runtime.OutOfMemory" in answer.payload or b"signal: killed" in answer.payload


def test_json_logs_are_set_up(pair: Pair, runtime: str) -> None:
    variables = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"}
    function, _ = pair.deploy(EXEC, runtime, Environment={"Variables": variables})
    answer = function.invoke({"code": f"import logging; logging.debug('said'); result = {WAITED}"})
    assert answer.json is True
    assert '"message":"said"' in answer.log.replace('": "', '":"')


@pytest.mark.parametrize(
    "variables", [{"PYTHONPATH": "/var/task"}, {"LD_LIBRARY_PATH": "/opt"}, {"PATH": "/usr/bin"}, {"LC_ALL": "C"}]
)
def test_what_matters_when_a_process_starts_takes_a_process_of_its_own(
    pair: Pair, runtime: str, variables: dict[str, str]
) -> None:
    assert _run(pair, runtime, "result = 1", Environment={"Variables": variables}) == [False, 1]


def test_a_failing_init_fails_as_without(pair: Pair, runtime: str) -> None:
    functions = pair.deploy({"app.py": "import nothing_of_that_name"}, runtime)
    first, second = (function.invoke() for function in functions)
    assert first.json | {"requestId": ""} == second.json | {"requestId": ""}
    assert first.error == second.error


def test_a_standby_that_died_is_replaced(pair: Pair, runtime: str) -> None:
    pair.wait(runtime)
    waiting = _waiting_in(pair.with_standby.process.pid, runtime)
    assert waiting
    for pid in waiting:
        os.kill(int(pid), signal.SIGKILL)
    function, _ = pair.deploy(EXEC, runtime)
    assert function.run("result = 1") == 1
    pair.wait(runtime)


def _waiting_in(node: int, runtime: str) -> list[str]:
    """Processes of standbys, and of functions that got one, of this runtime."""
    tasks = Path(f"/proc/{node}/task").glob("*/children")
    children = [pid for children in tasks for pid in children.read_text().split()]
    return [pid for pid in children if "/late/sb-" in (seen := _mounts(pid)) and f"/{runtime}-" in seen]


def _mounts(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/mountinfo").read_text()
    except OSError:
        return ""


def test_a_killed_node_leaves_none(runtime: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "oci") as node:
        node.deploy(EXEC, runtime).run("")
        children = until(lambda: _waiting_in(node.process.pid, runtime), "standbys")
        node.process.send_signal(signal.SIGKILL)
        node.process.wait()
    again = ["up", "-d", "--port", "0", "--data-dir", str(data)]
    command = [sys.executable, "-m", "functory.edges.cli.main"]
    environ = program_environment()
    subprocess.run([*command, *again], check=True, capture_output=True, env=environ)
    subprocess.run([*command, "down", "--data-dir", str(data)], check=True, capture_output=True, env=environ)
    assert [pid for pid in children if "/late/sb-" in _mounts(pid)] == []
    assert [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "/late/sb-" in line] == []
    assert list((data / "run" / "sandboxes").glob("*")) == []


def test_after_a_timeout_its_files_go_on_in_a_process_of_its_own(pair: Pair, runtime: str) -> None:
    function, _ = pair.deploy(EXEC, runtime, Timeout=1)
    answer = function.invoke({"code": f"import time; open('/tmp/mine', 'w').write(str({WAITED})); time.sleep(30)"})
    assert answer.json["errorType"] == "Sandbox.Timedout"
    assert function.run(f"result = [open('/tmp/mine').read(), {WAITED}]") == ["True", False]
