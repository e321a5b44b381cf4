"""The first process of a sandbox, as a program: run here as an ordinary process, and read as the node reads it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import struct
import subprocess
from pathlib import Path

import pytest

from functory.sandbox import first_process
from functory.sandbox.first_process import FirstProcess
from functory.sandbox.init_program import PROGRAMS
from functory.sandbox.port import Exit

ROOT = Path(__file__).resolve().parents[3]
_SPEC = importlib.util.spec_from_file_location("assemble", ROOT / "scripts/init/assemble.py")
assert _SPEC is not None
assert _SPEC.loader is not None
assemble = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(assemble)


@pytest.fixture
def init(tmp_path: Path) -> Path:
    made = first_process.program(os.uname().machine)
    if made is None:
        pytest.skip(f"no first process for {os.uname().machine}")
    path = tmp_path / "init"
    path.write_bytes(made)
    path.chmod(0o755)
    return path


def run(init: Path, *command: str) -> tuple[int, tuple[int, ...], str]:
    """Exit status of the first process, the numbers it told, and what the command wrote."""
    read, write = os.pipe()
    shell = ["/bin/bash", "-c", f'exec "$0" 9 "$@" 9>&{write} {write}>&-', str(init), *command]
    done = subprocess.run(shell, pass_fds=(write,), capture_output=True, text=True, check=False)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    return done.returncode, struct.unpack(f"={len(told) // 4}i", told), done.stdout


@pytest.mark.parametrize("machine", sorted(PROGRAMS))
def test_the_bytes_are_those_of_the_source(machine: str) -> None:
    if assemble.tool(machine, "as") is None or assemble.tool(machine, "objcopy") is None:
        pytest.skip(f"no binutils for {machine}")
    assert assemble.assemble(machine) == PROGRAMS[machine]


def test_it_is_tiny() -> None:
    assert all(len(program) < 1024 for program in PROGRAMS.values())


@pytest.mark.parametrize("code", [0, 1, 127, 255])
def test_an_exit_status_is_told_and_is_its_own(init: Path, code: int) -> None:
    assert run(init, "/bin/sh", "-c", f"exit {code}") == (code, (0, code << 8), "")


@pytest.mark.parametrize("number", [9, 15, 11])
def test_an_end_by_a_signal_is_told(init: Path, number: int) -> None:
    code, (started, status), _ = run(init, "/bin/sh", "-c", f"ulimit -c 0; kill -{number} $$")
    assert (code, started, os.WTERMSIG(status)) == (128 + number, 0, number)


def test_what_cannot_be_executed_is_told_by_its_error_number(init: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    assert run(init, "/no/such/program")[:2] == (127, (2, 127 << 8))
    assert run(init, str(tmp_path / "text"))[:2] == (127, (13, 127 << 8))


def test_arguments_and_environment_are_handed_on_and_the_pipe_is_not(init: Path) -> None:
    _, _, text = run(init, "/bin/sh", "-c", 'echo "$0|$1|$MINE"; ls /proc/self/fd', "a b", "")
    assert text.splitlines()[0] == "a b||" + os.environ.get("MINE", "")
    assert "9" not in text.splitlines()[1:]


def test_the_program_has_a_process_group_and_no_signal_is_blocked(init: Path) -> None:
    script = "read -r a b c d group rest < /proc/self/stat; echo $group; grep -E 'SigBlk' /proc/self/status; echo $$"
    _, _, text = run(init, "/bin/bash", "-c", script)
    group, blocked, pid = text.splitlines()
    assert group == pid
    assert int(blocked.split()[1], 16) == 0


def test_a_signal_from_a_process_beside_it_is_not_handed_on(init: Path) -> None:
    code, _, text = run(init, "/bin/sh", "-c", "trap 'echo got it' TERM; kill -TERM $PPID; echo alive")
    assert (code, text) == (0, "alive\n")


def told(data: bytes) -> Exit | None:
    """What the node makes of these bytes."""

    async def main() -> Exit | None:
        first = FirstProcess()
        os.write(first.write_fd, data)
        first.close_write_end()
        try:
            await first.started()
            return first.how()
        finally:
            first.close()

    return asyncio.run(main())


def test_the_node_reads_how_it_ended() -> None:
    assert told(struct.pack("=ii", 0, 3 << 8)) == Exit(code=3)
    assert told(struct.pack("=ii", 0, 9)) == Exit(signal=9)
    assert told(struct.pack("=i", 0)) is None
    assert told(b"") is None
    with pytest.raises(FileNotFoundError):
        told(struct.pack("=i", 2))


@pytest.mark.parametrize("data", [struct.pack("=ii", 0, 0x7F), struct.pack("=ii", 0, -5), bytes(3), bytes(8) + b"x" * 999])
def test_what_something_inside_wrote_there_does_no_harm(data: bytes) -> None:
    assert told(data) in (None, Exit(code=0))
