from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.support.cli import World, run

HELLO = {
    "FunctionName": "hello",
    "Runtime": "python3.12",
    "Handler": "app.handler",
    "MemorySize": 128,
    "Timeout": 3,
    "CodeSize": 2048,
    "LastModified": "2026-11-23T08:00:00.000+0000",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_ls_shows_every_function_of_every_page(world: World) -> None:
    world.lambda_.functions = {"hello": dict(HELLO), "image": {"FunctionName": "image", "PackageType": "Image"}}
    lines = run(world, "ls").stdout.splitlines()
    assert lines[0].split() == ["NAME", "RUNTIME", "HANDLER", "MEMORY", "TIMEOUT", "SIZE", "MODIFIED"]
    assert lines[1].split() == [
        "hello",
        "python3.12",
        "app.handler",
        "128",
        "MB",
        "3",
        "s",
        "2.0",
        "KB",
        "2026-11-23",
        "08:00:00",
    ]
    assert lines[2].startswith("image  -")


def test_ls_prints_what_the_api_gave(world: World) -> None:
    world.lambda_.functions = {"hello": dict(HELLO)}
    assert json.loads(run(world, "ls", "--json").stdout) == [HELLO]


def test_ls_of_an_empty_node(world: World) -> None:
    assert run(world, "ls").stdout == "no functions\n"
    assert run(world, "ls", "--json").stdout == "[]\n"


def test_invoke_prints_the_result_as_it_came(world: World) -> None:
    world.lambda_.result = b'{"n": 1.0}'
    result = run(world, "invoke", "hello", "--payload", '{"name": "x"}', "--qualifier", "live")
    assert result.exit_code == 0
    assert result.stdout == '{"n": 1.0}\n'
    assert world.lambda_.invoked == {
        "FunctionName": "hello",
        "Payload": b'{"name": "x"}',
        "Qualifier": "live",
        "InvocationType": "RequestResponse",
    }


def test_invoke_sends_an_empty_object_by_default(world: World) -> None:
    run(world, "invoke", "hello")
    assert world.lambda_.invoked["Payload"] == b"{}"


def test_invoke_reads_a_file_and_standard_input(world: World, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"from": "file"}')
    run(world, "invoke", "hello", "--payload", f"@{file}")
    assert world.lambda_.invoked["Payload"] == b'{"from": "file"}'
    run(world, "invoke", "hello", "--payload", "-", stdin='{"from": "stdin"}')
    assert world.lambda_.invoked["Payload"] == b'{"from": "stdin"}'


@pytest.mark.parametrize("payload", ["{", "@/nowhere-at-all.json", ""])
def test_invoke_refuses_a_payload_that_cannot_work(payload: str, world: World) -> None:
    assert run(world, "invoke", "hello", "--payload", payload).exit_code == 2
    assert world.lambda_.invoked == {}


def test_the_log_tail_goes_to_standard_error(world: World) -> None:
    world.lambda_.answer |= {"LogResult": base64.b64encode(b"START\nREPORT RequestId: 1\n").decode()}
    result = run(world, "invoke", "hello", "--tail")
    assert world.lambda_.invoked["LogType"] == "Tail"
    assert result.stderr == "START\nREPORT RequestId: 1\n"
    assert result.stdout == "{}\n"


def test_a_function_error_is_printed_and_is_a_failure(world: World) -> None:
    world.lambda_.answer |= {"FunctionError": "Unhandled"}
    world.lambda_.result = b'{"errorMessage": "no"}'
    result = run(world, "invoke", "hello")
    assert result.exit_code == 1
    assert result.stdout == '{"errorMessage": "no"}\n'
    assert result.stderr == "functory: the function failed (Unhandled)\n"


def test_an_event_is_accepted(world: World) -> None:
    world.lambda_.answer, world.lambda_.result = {"StatusCode": 202}, b""
    result = run(world, "invoke", "hello", "--event")
    assert world.lambda_.invoked["InvocationType"] == "Event"
    assert result.stdout == ""
    assert result.stderr == "accepted r-1\n"


def test_a_tail_of_an_event_is_refused(world: World) -> None:
    assert run(world, "invoke", "hello", "--event", "--tail").exit_code == 2


def test_invoke_as_json_has_the_whole_answer(world: World) -> None:
    world.lambda_.answer |= {"LogResult": base64.b64encode(b"line").decode(), "FunctionError": "Unhandled"}
    world.lambda_.result = b'{"a": 1}'
    result = run(world, "invoke", "hello", "--json", "--tail")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "StatusCode": 200,
        "ExecutedVersion": "$LATEST",
        "FunctionError": "Unhandled",
        "RequestId": "r-1",
        "Payload": {"a": 1},
        "LogTail": "line",
    }


def test_invoke_as_json_keeps_a_result_that_is_none(world: World) -> None:
    world.lambda_.result = b"plain"
    assert json.loads(run(world, "invoke", "hello", "--json").stdout)["Payload"] == "plain"
