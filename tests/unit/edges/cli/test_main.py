from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import functory
from functory.edges.cli.failure import EXIT_DEFECT
from functory.edges.cli.main import COMMANDS, cli
from functory.edges.cli.outside import Outside
from tests.support.cli import World, run

SRC = Path(functory.__file__).parents[1]


def modules_after(arguments: str) -> set[str]:
    """What a fresh interpreter has imported after running the command line."""
    program = f"""
import sys
sys.path.insert(0, {str(SRC)!r})
from functory.edges.cli.main import cli
try:
    cli.main({arguments.split()!r}, prog_name="functory")
except SystemExit:
    pass
sys.stderr.write(" ".join(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", ["--help", "--version", "deploy --help"])
def test_help_imports_nothing_heavy(arguments: str) -> None:
    heavy = {"botocore", "boto3", "sqlalchemy", "asyncio.base_events", "msgspec", "structlog", "functory.kernel.settings"}
    assert not modules_after(arguments) & (heavy - ({"asyncio.base_events"} if "deploy" in arguments else set()))


def test_help_lists_every_command_with_its_summary(tmp_path: Path) -> None:
    printed = run(World(tmp_path), "--help").stdout
    assert all(name in printed and summary in printed for name, (_, _, summary) in COMMANDS.items())


def test_the_version_is_printed(tmp_path: Path) -> None:
    assert run(World(tmp_path), "--version").stdout == f"Functory {functory.__version__}\n"


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    result = run(World(tmp_path), "fly")
    assert result.exit_code == 2
    assert "No such command 'fly'" in result.stderr


def failing_outside(error: BaseException) -> Outside:
    def fail(*_: object) -> dict[str, object]:
        raise error

    return Outside(environ={"FUNCTORY_ENDPOINT": "http://127.0.0.1:1"}, get_json=fail)


def test_a_defect_is_one_sentence_and_no_traceback() -> None:
    result = CliRunner().invoke(cli, ["status"], obj=failing_outside(ZeroDivisionError("oh")))
    assert result.exit_code == EXIT_DEFECT
    assert result.stderr == "functory: defect: ZeroDivisionError: oh; FUNCTORY_DEBUG=1 shows where\n"


def test_a_defect_shows_its_traceback_when_asked() -> None:
    result = CliRunner().invoke(cli, ["status"], obj=failing_outside(ZeroDivisionError("oh")), env={"FUNCTORY_DEBUG": "1"})
    assert result.exit_code == EXIT_DEFECT
    assert "Traceback" in result.stderr


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_ends_quietly(error: BaseException) -> None:
    result = CliRunner().invoke(cli, ["status"], obj=failing_outside(error))
    assert result.exit_code == 130
    assert result.stderr == ""


def test_the_module_can_be_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "functory.edges.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(SRC)},
    )
    assert done.stdout.startswith("Functory ")
