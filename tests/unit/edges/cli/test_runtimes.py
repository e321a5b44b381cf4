from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.support.cli import FakeCatalog, World, run, runtime_row


@pytest.fixture
def world(tmp_path: Path) -> World:
    rows = (
        runtime_row("python3.12", "3.12.1", location="/opt/python"),
        runtime_row("python3.11", location="/usr"),
        runtime_row("java21"),
    )
    return World(tmp_path, catalog=FakeCatalog(*rows))


def test_every_runtime_is_listed_with_where_it_is_or_how_to_get_it(world: World) -> None:
    lines = run(world, "runtimes").stdout.splitlines()
    assert lines[1].split() == ["python3.12", "ready", "3.12.1", "-", "/opt/python"]
    assert lines[2].split()[:3] == ["python3.11", "-", "-"]
    assert lines[3].endswith("get it somewhere")


def test_a_row_tells_what_to_know_of_it_without_repeating_its_name(tmp_path: Path) -> None:
    missing = "Runtime java21 is not installed on this node. Install it with: functory runtimes install java21"
    rows = (
        dataclasses.replace(runtime_row("java21"), advice=missing),
        dataclasses.replace(runtime_row("ruby3.2", "3.1.2", location="/usr/bin"), advice="stands in for Ruby 3.2"),
    )
    lines = run(World(tmp_path, catalog=FakeCatalog(*rows)), "runtimes").stdout.splitlines()
    assert lines[1].endswith("  Install it with: functory runtimes install java21")
    assert lines[2].endswith("  /usr/bin; stands in for Ruby 3.2")


def test_the_list_as_json(world: World) -> None:
    printed = json.loads(run(world, "runtimes", "--json").stdout)
    assert [row["id"] for row in printed if row["ready"]] == ["python3.12"]


def test_named_runtimes_are_installed(world: World) -> None:
    result = run(world, "runtimes", "install", "python3.11", "java21")
    assert result.exit_code == 0
    assert world.catalog.installed == ["python3.11", "java21"]
    assert result.stderr == "python3.11: ready\njava21: ready\n"


def test_found_installs_what_is_on_the_machine(world: World) -> None:
    assert run(world, "runtimes", "install", "--found").exit_code == 0
    assert world.catalog.installed == ["python3.12", "python3.11"]


def test_one_that_cannot_be_had_does_not_keep_the_others_away(world: World) -> None:
    result = run(world, "runtimes", "install", "cobol85", "python3.11", "--json")
    assert result.exit_code == 1
    assert world.catalog.installed == ["python3.11"]
    assert "not ready: Runtime cobol85 is not known" in result.stderr
    assert [row["id"] for row in json.loads(result.stdout)] == ["python3.11"]


def test_found_on_an_empty_machine_is_a_failure(tmp_path: Path) -> None:
    result = run(World(tmp_path), "runtimes", "install", "--found")
    assert result.exit_code == 1
    assert "no interpreter was found" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["install"], ["install", "--found", "python3.11"], ["--json", "install", "python3.11"]]
)
def test_a_command_line_that_says_too_little_or_too_much_is_refused(arguments: list[str], world: World) -> None:
    assert run(world, "runtimes", *arguments).exit_code == 2
    assert world.catalog.installed == []
