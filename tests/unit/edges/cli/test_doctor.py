from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from functory.edges.cli.doctor import (
    Check,
    check_cgroups,
    check_data_dir,
    check_port,
    check_program,
    check_python,
    check_user_namespaces,
    report,
)
from functory.runtimes.port import RuntimeStatus
from tests.support.cli import FakeCatalog, World, run, runtime_row


@dataclass
class Theirs:
    """A check as another room makes it."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


@pytest.fixture
def world(tmp_path: Path) -> World:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return World(
        tmp_path,
        catalog=FakeCatalog(runtime_row("python3.12", "3.12.1")),
        checks=[Theirs("runc", True, "1.1.5"), Theirs("crun", False, "not found", "apt-get install crun")],
        environ={"FUNCTORY_LISTEN_PORT": str(port)},
    )


def test_a_machine_that_can_run_functions_is_well_whatever_else_is_missing(world: World) -> None:
    result = run(world, "doctor")
    assert result.exit_code == 0, result.stdout
    assert "note  crun             not found\n                       -> apt-get install crun" in result.stdout
    assert "ok    runtimes         python3.12 (3.12.1)" in result.stdout


def test_without_any_runtime_nothing_can_run(world: World) -> None:
    world.catalog = FakeCatalog(runtime_row("python3.12"))
    result = run(world, "doctor")
    assert result.exit_code == 1
    assert "FAIL  runtimes         none is ready" in result.stdout


def test_only_functions_with_their_own_program_is_worth_a_note(world: World) -> None:
    world.catalog = FakeCatalog(runtime_row("python3.12"), RuntimeStatus("provided.al2023", True, "", "", "", ""))
    result = run(world, "doctor")
    assert result.exit_code == 0
    assert (
        "note  runtimes         provided.al2023\n                       -> functory runtimes install --found"
        in result.stdout
    )


def test_the_checks_as_json(world: World) -> None:
    printed = {row["name"]: row for row in json.loads(run(world, "doctor", "--json").stdout)}
    assert printed["runc"]["ok"]
    assert printed["crun"]["advice"] == "apt-get install crun"
    assert {"python", "data folder", "port", "bash", "curl", "cgroups", "runtimes"} <= set(printed)


def test_an_old_python_is_told() -> None:
    assert check_python((3, 11, 0)).ok
    assert not check_python((3, 10, 9)).ok


def test_a_data_folder_is_fine_when_it_could_be_made(tmp_path: Path) -> None:
    assert check_data_dir(tmp_path / "not" / "yet").ok
    assert not (tmp_path / "not").exists()
    (tmp_path / "file").touch()
    assert not check_data_dir(tmp_path / "file" / "below").ok


def test_a_taken_port_is_told_unless_the_node_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not check_port("127.0.0.1", port, "").ok
        assert check_port("127.0.0.1", port, f"http://127.0.0.1:{port}").ok


def test_a_missing_program_comes_with_its_package() -> None:
    assert check_program("sh", "why").ok
    missing = check_program("no-such-program", "why")
    assert not missing.ok
    assert missing.advice == "why: apt-get install no-such-program"


def test_cgroups_have_a_version(tmp_path: Path) -> None:
    assert not check_cgroups(tmp_path).ok
    (tmp_path / "memory").mkdir()
    assert check_cgroups(tmp_path).detail == "version 1"
    (tmp_path / "cgroup.controllers").touch()
    assert check_cgroups(tmp_path).detail == "version 2"


@pytest.mark.parametrize(("text", "ok"), [("15000\n", True), ("0\n", False), ("", False)])
def test_user_namespaces_may_be_switched_off(text: str, ok: bool, tmp_path: Path) -> None:
    (tmp_path / "sys/user").mkdir(parents=True)
    (tmp_path / "sys/user/max_user_namespaces").write_text(text)
    assert check_user_namespaces(tmp_path).ok is ok


def test_a_report_has_one_line_per_check_and_advice_only_where_it_is_needed() -> None:
    checks = [
        Check("a", True, "fine", "unneeded"),
        Check("b", False, "bad", "do this"),
        Check("c", False, "worse", required=True),
    ]
    assert report(checks).splitlines() == [
        "ok    a                fine",
        "note  b                bad",
        "                       -> do this",
        "FAIL  c                worse",
    ]
