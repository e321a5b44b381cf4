from __future__ import annotations

import json
from pathlib import Path

import pytest

from functory.edges.cli.package import build_zip
from tests.support.cli import FakeCatalog, World, run, runtime_row


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "hello"
    found.mkdir()
    (found / "app.py").write_text("def handler(event, context): return event\n")
    return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, catalog=FakeCatalog(runtime_row("python3.9", "3.9.1"), runtime_row("python3.12", "3.12.1")))


def test_a_new_function_is_created_with_what_its_files_say(world: World, folder: Path) -> None:
    result = run(world, "deploy", str(folder))
    assert result.exit_code == 0, result.stderr
    function = world.lambda_.functions["hello"]
    assert (function["Runtime"], function["Handler"], function["State"]) == ("python3.12", "app.handler", "Active")
    assert world.lambda_.codes["hello"] == build_zip(folder)
    assert world.lambda_.calls == ["create"]
    assert result.stdout.startswith("hello is Active (python3.12, app.handler,")


def test_options_are_handed_on(world: World, folder: Path) -> None:
    options = ["--name", "n", "--runtime", "python3.9", "--handler", "app.run", "--memory", "512", "--timeout", "30"]
    run(world, "deploy", str(folder), *options, "--env", "A=1", "--env", "B=x=y")
    function = world.lambda_.functions["n"]
    assert (function["Runtime"], function["Handler"], function["MemorySize"], function["Timeout"]) == (
        "python3.9",
        "app.run",
        512,
        30,
    )
    assert function["Environment"] == {"Variables": {"A": "1", "B": "x=y"}}
    assert function["Role"].startswith("arn:aws:iam::")


def test_an_existing_function_gets_new_code_and_keeps_its_settings(world: World, folder: Path) -> None:
    run(world, "deploy", str(folder), "--memory", "256", "--env", "A=1")
    (folder / "app.py").write_text("def handler(event, context): return 2\n")
    world.lambda_.calls.clear()
    run(world, "deploy", str(folder))
    assert world.lambda_.calls == ["code"]
    assert world.lambda_.functions["hello"]["MemorySize"] == 256
    assert world.lambda_.codes["hello"] == build_zip(folder)


def test_an_existing_function_gets_only_the_settings_that_differ(world: World, folder: Path) -> None:
    run(world, "deploy", str(folder), "--memory", "256", "--env", "A=1")
    world.lambda_.calls.clear()
    run(world, "deploy", str(folder), "--memory", "256", "--env", "A=1")
    assert world.lambda_.calls == ["code"]
    run(world, "deploy", str(folder), "--memory", "256", "--env", "B=2")
    assert world.lambda_.calls == ["code", "code", "configuration"]
    assert world.lambda_.functions["hello"]["Environment"] == {"Variables": {"B": "2"}}


def test_a_change_under_way_is_waited_for(world: World, folder: Path) -> None:
    world.lambda_.delay = 3
    assert run(world, "deploy", str(folder), "--timeout", "9").exit_code == 0
    assert run(world, "deploy", str(folder), "--timeout", "10").exit_code == 0
    assert world.lambda_.functions["hello"]["Timeout"] == 10


def test_a_function_that_fails_says_why(world: World, folder: Path) -> None:
    world.lambda_.fails_with = "Runtime python3.12 is not installed on this node"
    result = run(world, "deploy", str(folder))
    assert result.exit_code == 1
    assert result.stderr == "functory: hello failed: Runtime python3.12 is not installed on this node\n"


def test_a_function_that_never_becomes_active_is_given_up(world: World, folder: Path) -> None:
    world.lambda_.delay = 10**9
    result = run(world, "deploy", str(folder))
    assert result.exit_code == 1
    assert "hello is still Pending after 300 s" in result.stderr


def test_the_configuration_can_be_printed(world: World, folder: Path) -> None:
    assert json.loads(run(world, "deploy", str(folder), "--json").stdout)["Handler"] == "app.handler"


@pytest.mark.parametrize("text", ["A", "=1"])
def test_what_is_no_variable_is_refused(text: str, world: World, folder: Path) -> None:
    result = run(world, "deploy", str(folder), "--env", text)
    assert result.exit_code == 2
    assert "is not NAME=VALUE" in result.stderr
    assert world.lambda_.calls == []


def test_without_a_ready_runtime_nothing_is_created(folder: Path, tmp_path: Path) -> None:
    world = World(tmp_path, catalog=FakeCatalog(runtime_row("python3.12")))
    result = run(world, "deploy", str(folder))
    assert result.exit_code == 1
    assert "no python runtime is ready" in result.stderr
    assert world.lambda_.calls == []


def test_a_runtime_that_does_not_fit_the_files_needs_a_handler(world: World, folder: Path) -> None:
    result = run(world, "deploy", str(folder), "--runtime", "nodejs22.x")
    assert result.exit_code == 1
    assert "say --handler" in result.stderr


def test_a_package_that_lambda_would_refuse_is_not_sent(world: World, folder: Path) -> None:
    (folder / "noise").write_bytes(__import__("random").Random(1).randbytes(53_000_000))
    result = run(world, "deploy", str(folder))
    assert result.exit_code == 1
    assert "Lambda takes 50.0 MB at most" in result.stderr
    assert world.lambda_.calls == []
