"""Environments over time: reuse, bursts, idle ends, changes under load, and what is left after the node."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from functory.sandbox.recovery import key_of
from tests.support.running_node import EXEC, Answer, Function, Node, running, until

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("python")]

COUNTER = """
import os, threading, time, uuid
ME, CALLS, OPEN = uuid.uuid4().hex, 0, 0
def handler(event, context):
    global CALLS, OPEN
    CALLS += 1
    OPEN += 1
    most = OPEN
    time.sleep(event.get("sleep_s", 0))
    most = max(most, OPEN)
    OPEN -= 1
    return {"me": ME, "calls": CALLS, "open": most}
"""


def version_of(name: str) -> str:
    return f"import uuid\nME = uuid.uuid4().hex\ndef handler(event, context):\n    return ['{name}', ME]\n"


def at_once(function: Function, events: list[Any]) -> list[Answer]:
    with ThreadPoolExecutor(len(events)) as pool:
        return list(pool.map(function.invoke, events))


def groups(node: Node) -> list[Path]:
    """The control groups of the node's sandboxes."""
    key = key_of(node.data_dir / "run")
    try:
        return [path for path in Path("/sys/fs/cgroup").glob(f"**/functory/{key}/*") if path.is_dir()]
    except FileNotFoundError:  # one went away meanwhile
        return groups(node)


def test_an_environment_is_used_again(node: Node) -> None:
    function = node.deploy(COUNTER)
    seen = [function.invoke({}).json for _ in range(5)]
    assert len({each["me"] for each in seen}) == 1
    assert [each["calls"] for each in seen] == [1, 2, 3, 4, 5]


def test_tmp_and_memory_of_two_environments_are_their_own(node: Node) -> None:
    function = node.deploy(EXEC, MemorySize=512)
    code = "import os, time; open(f'/tmp/{os.urandom(8).hex()}', 'w'); time.sleep(0.7); result = len(os.listdir('/tmp'))"
    assert [answer.json for answer in at_once(function, [{"code": code}] * 3)] == [1, 1, 1]


def test_calls_at_once_never_share_an_environment(node: Node) -> None:
    function = node.deploy(COUNTER, MemorySize=512)
    answers = [answer.json for answer in at_once(function, [{"sleep_s": 1}] * 6)]
    assert {answer["open"] for answer in answers} == {1}
    assert len({answer["me"] for answer in answers}) == 6


def test_a_burst_is_answered(node: Node) -> None:
    function = node.deploy(COUNTER, MemorySize=512)
    answers = at_once(function, [{"sleep_s": 0.1}] * 20)
    assert [answer.error for answer in answers] == [None] * 20
    seen = [answer.json for answer in answers]
    assert {each["open"] for each in seen} == {1}
    assert Counter(each["me"] for each in seen) == {each["me"]: each["calls"] for each in sorted(seen, key=calls)}


def calls(seen: dict[str, Any]) -> int:
    return int(seen["calls"])


def test_an_idle_environment_ends(hasty_node: Node) -> None:
    function = hasty_node.deploy(COUNTER)
    first = function.invoke({}).json["me"]
    until(lambda: not groups(hasty_node), "no sandbox is left")
    assert function.invoke({}).json["me"] != first


class Load:
    """Calls without a pause from some threads; everything that was answered, in the order it came."""

    def __init__(self, invoke: Callable[[], Answer], threads: int = 3) -> None:
        self.answers: list[Answer] = []
        self.faults: list[BaseException] = []
        self._invoke = invoke
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(self._invoke())
            except Exception as fault:
                self.faults.append(fault)
                return

    def reached(self, more: int) -> None:
        """Wait until ``more`` calls were answered from now on."""
        goal = len(self.answers) + more
        until(lambda: self.faults or len(self.answers) >= goal, f"{goal} answers")

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def load(invoke: Callable[[], Answer]) -> Iterator[Load]:
    """Load for the time of the ``with`` block; every call must have succeeded."""
    going = Load(invoke)
    try:
        yield going
    finally:
        going.end()
    assert going.faults == []
    assert [answer.payload for answer in going.answers if answer.error] == []


def test_new_code_takes_over_without_a_dropped_call(node: Node) -> None:
    function = node.deploy(version_of("old"), MemorySize=512)
    with load(lambda: function.invoke({})) as going:
        going.reached(10)
        function.update({"app.py": version_of("new")})
        assert function.invoke({}).json[0] == "new"
        going.reached(6)  # what was under way when the update was done
        settled = len(going.answers)
        going.reached(20)
    assert {answer.json[0] for answer in going.answers} == {"old", "new"}
    assert {answer.json[0] for answer in going.answers[settled:]} == {"new"}


def test_new_configuration_takes_over_without_a_dropped_call(node: Node) -> None:
    function = node.deploy("import os\ndef handler(event, context):\n    return os.environ.get('MODE')\n", MemorySize=512)
    with load(lambda: function.invoke({})) as going:
        going.reached(10)
        for mode in ("one", "two"):
            function.configure(Environment={"Variables": {"MODE": mode}})
            assert function.invoke({}).json == mode
        going.reached(6)
        settled = len(going.answers)
        going.reached(20)
    assert {answer.json for answer in going.answers[settled:]} == {"two"}


def test_a_version_keeps_its_code_and_an_alias_switches(node: Node) -> None:
    client = node.lambda_
    function = node.deploy(version_of("one"), MemorySize=512)
    assert client.publish_version(FunctionName=function.name)["Version"] == "1"
    client.create_alias(FunctionName=function.name, Name="live", FunctionVersion="1")
    before = function.invoke({}, qualifier="1")
    assert (before.json[0], before.version) == ("one", "1")
    function.update({"app.py": version_of("two")})
    assert function.invoke({}).json[0] == "two"
    assert function.invoke({}, qualifier="1").json == before.json, "the same environment still serves the version"
    client.publish_version(FunctionName=function.name)
    with load(lambda: function.invoke({}, qualifier="live")) as going:
        going.reached(6)
        client.update_alias(FunctionName=function.name, Name="live", FunctionVersion="2")
        answer = function.invoke({}, qualifier="live")
        assert (answer.json[0], answer.version) == ("two", "2")
        going.reached(6)
    assert {(answer.json[0], answer.version) for answer in going.answers} == {("one", "1"), ("two", "2")}


def test_a_deleted_function_leaves_no_environment(hasty_node: Node) -> None:
    function = hasty_node.deploy(COUNTER)
    function.invoke({})
    with ThreadPoolExecutor(1) as pool:
        running_call = pool.submit(function.invoke, {"sleep_s": 1.5})
        until(lambda: groups(hasty_node))
        function.delete()
        assert running_call.result().error is None, "a call that runs may finish"
    until(lambda: not groups(hasty_node), "no sandbox is left")
    with pytest.raises(hasty_node.lambda_.exceptions.ResourceNotFoundException):
        function.invoke({})


def backing_files() -> list[str]:
    return [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]


def test_a_node_that_ends_leaves_nothing(node: Node, tmp_path: Path) -> None:
    with running(tmp_path / "data", "oci") as other:
        function = other.deploy(EXEC, MemorySize=512)
        function.run("result = 1")
        mark = uuid.uuid4().hex
        with ThreadPoolExecutor(1) as pool:
            cut = pool.submit(function.invoke, {"code": f"import time; print('{mark}', flush=True); time.sleep(15)"})
            function.logged(mark)
            assert groups(other)
            assert other.stop() == 0
            assert cut.exception() is not None or cut.result().error
    run_dir = other.data_dir / "run"
    assert groups(other) == []
    assert [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(run_dir) in line] == []
    assert [text for text in backing_files() if str(run_dir) in text] == []
    assert [str(path) for name in ("sandboxes", "runtime") for path in run_dir.glob(f"{name}/*")] == []
    assert [path.name for path in run_dir.glob("scratch/*") if not path.name.startswith("ext4-")] == []
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(run_dir).encode() in read(path)]
    assert left == []


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
