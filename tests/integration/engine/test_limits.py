"""What one function may use: memory, processor, ``/tmp``, processes, files; and what REPORT says of it."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.running_node import EXEC, Answer, Function, Node

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("python")]


@pytest.fixture(scope="module")
def function(node: Node) -> Function:
    return node.deploy(EXEC, MemorySize=512)


def test_memory_ends_at_memory_size(function: Function) -> None:
    assert function.run("held = bytearray(380 * 2**20); result = len(held)") == 380 * 2**20
    answer = function.invoke({"code": "held = bytearray(600 * 2**20)"})
    assert answer.json["errorType"] == "Runtime.OutOfMemory"
    assert 480 <= int(answer.report["Max Memory Used"].split()[0]) <= 512


def test_a_child_that_takes_too_much_memory_ends_alone(function: Function) -> None:
    code = (
        "import subprocess, sys; run = [sys.executable, '-c', 'bytearray(2**30)']; result = subprocess.run(run).returncode"
    )
    assert function.run(code) == -9
    assert function.run("result = 1") == 1


def test_the_processor_is_shared_by_memory_size(node: Node) -> None:
    code = """
import time
until, turns = time.monotonic() + 1.5, 0
while time.monotonic() < until:
    sum(range(1000)); turns += 1
result = turns
"""
    small, large = node.deploy(EXEC, MemorySize=128), node.deploy(EXEC, MemorySize=1769)
    for each in (small, large):
        each.run("result = 0")
    with ThreadPoolExecutor(2) as pool:
        slow, fast = (pool.submit(each.run, code) for each in (small, large))
    assert 4 < fast.result() / slow.result() < 40, "AWS: 1769 / 128 = 13.8"


FILL = """
import errno, os
def fill(path, mib):
    block, done = bytes(2**20), 0
    try:
        with open(path, "wb") as file:
            while done < mib:
                file.write(block); file.flush(); done += 1
    except OSError as error:
        return [errno.errorcode[error.errno], done]
    finally:
        size = os.path.getsize(path); os.unlink(path)
    return ["fits", done]
"""


def test_tmp_has_its_size_and_is_no_memory(node: Node) -> None:
    function = node.deploy(EXEC, MemorySize=256)
    assert function.run(FILL + "result = fill('/tmp/a', 500)") == ["fits", 500]
    word, done = function.run(FILL + "result = fill('/tmp/b', 600)")
    assert word == "ENOSPC"
    assert 505 <= done <= 530
    sized = node.deploy(EXEC, MemorySize=256, EphemeralStorage={"Size": 1024})
    assert sized.run(FILL + "result = fill('/tmp/a', 800)") == ["fits", 800]


def test_tmp_is_kept_between_calls(function: Function) -> None:
    function.run("open('/tmp/kept', 'w').write('here')")
    assert function.run("result = open('/tmp/kept').read()") == "here"


def test_processes_are_bounded(node: Node) -> None:
    function = node.deploy(EXEC, MemorySize=1024, Timeout=60)
    code = """
import os, signal
children = []
try:
    while len(children) < 1500:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        children.append(pid)
except BlockingIOError:
    pass
for pid in children:
    os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
result = len(children)
"""
    assert 900 <= function.run(code) <= 1024
    assert function.run("result = 1") == 1


def test_a_fork_bomb_hurts_nobody_else(node: Node, function: Function) -> None:
    bomb = node.deploy(EXEC, MemorySize=128, Timeout=2)
    with ThreadPoolExecutor(1) as pool:
        exploding = pool.submit(
            bomb.invoke, {"code": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"}
        )
        assert function.run("result = 1") == 1
    assert exploding.result().json["errorType"] in {"Sandbox.Timedout", "Runtime.OutOfMemory", "Runtime.ExitError"}
    assert bomb.run("result = 2") == 2


def test_open_files_are_bounded(function: Function) -> None:
    code = """
files = []
try:
    while len(files) < 3000:
        files.append(open("/dev/null"))
except OSError as error:
    result = [error.errno, len(files)]
finally:
    for file in files:
        file.close()
"""
    number, opened = function.run(code)
    assert number == 24
    assert 1000 <= opened <= 1021


def number(answer: Answer, field: str) -> float:
    return float(answer.report[field].split()[0])


def test_report_lines_tell_the_truth(node: Node) -> None:
    function = node.deploy(f"import time; time.sleep(0.2)\n{EXEC}", MemorySize=512)
    cold = function.invoke({"code": "import time; time.sleep(0.1)"})
    warm = function.invoke({"code": "held = bytearray(100 * 2**20); import time; time.sleep(0.05)"})
    assert set(cold.report) - set(warm.report) == {"Init Duration"}
    assert number(cold, "Init Duration") >= 200
    assert number(cold, "Duration") >= 100
    assert number(warm, "Duration") >= 50
    assert re.fullmatch(r"\d+\.\d\d ms", warm.report["Duration"])
    assert number(warm, "Billed Duration") == math.ceil(number(warm, "Duration"))
    assert number(cold, "Billed Duration") == pytest.approx(
        number(cold, "Duration") + number(cold, "Init Duration"), abs=1.01
    )
    assert 100 <= number(warm, "Max Memory Used") <= 512
    assert warm.report["Memory Size"] == "512 MB"
    assert number(function.invoke({"code": ""}), "Billed Duration") >= 1
    names = {event["logStreamName"] for event in function.events(f"REPORT RequestId: {warm.request_id}")}
    assert [name for name in names if not re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", name)] == []
    assert len(names) == 1


def test_a_custom_log_group_changes_the_streams_name(node: Node) -> None:
    function = node.deploy(EXEC, LoggingConfig={"LogGroup": "/engine/shared"})
    answer = function.invoke({"code": "result = [context.log_group_name, context.log_stream_name]"})
    group, stream = answer.json
    assert group == "/engine/shared"
    assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d/{function.name}\[\$LATEST\][0-9a-f]{{32}}", stream)
    function.log_group = group
    assert f"REPORT RequestId: {answer.request_id}" in function.logged("REPORT")
