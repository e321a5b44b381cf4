"""Finding processes in a folder that looks like ``/proc``."""

from __future__ import annotations

from pathlib import Path

import pytest

from functory.sandbox import process_tree


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    add(tmp_path, 10, stat="10 (main) S 1 10 10 0", environ=b"A=1\0M=/run/one\0", status="VmHWM:\t  2048 kB\n")
    add(tmp_path, 11, stat="11 (a) b) S 10 10 10 0", environ=b"M=/run/one-more\0")
    add(tmp_path, 12, stat="12 (dead) Z 10 10 10 0")
    add(tmp_path, 13, stat="13 (crun) Z 1 13 13 0", environ=b"M=/run/one\0")
    (tmp_path / "self").mkdir()
    (tmp_path / "14").mkdir()  # gone while we look
    return tmp_path


def add(proc: Path, pid: int, stat: str, environ: bytes = b"", status: str = "") -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_text(stat)
    (folder / "environ").write_bytes(environ)
    (folder / "status").write_text(status)


def test_living_processes_of_a_session_are_found(proc: Path) -> None:
    assert process_tree.of_session(10, proc) == {10, 11}


def test_processes_are_found_by_an_entry_of_their_environment(proc: Path) -> None:
    assert process_tree.with_environment(b"M=/run/one", proc) == {10, 13}
    assert process_tree.with_environment(b"M=/run/", proc, is_prefix=True) == {10, 11, 13}


def test_children_are_found_by_name_also_ended_ones(proc: Path) -> None:
    assert process_tree.children_of(1, "crun", proc) == {13}
    assert process_tree.children_of(10, "a) b", proc) == {11}


def test_the_memory_peak_is_in_bytes(proc: Path) -> None:
    assert process_tree.memory_peak_bytes(10, proc) == 2048 * 1024
    assert process_tree.memory_peak_bytes(14, proc) == 0


def test_without_proc_nothing_is_found(tmp_path: Path) -> None:
    assert process_tree.of_session(1, tmp_path / "missing") == set()
