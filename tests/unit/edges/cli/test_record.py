from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from functory.edges.cli.record import RECORD, NodeRecord, identity_of, read_record, remove_record, write_record


def own_record(folder: Path) -> NodeRecord:
    return NodeRecord(os.getpid(), identity_of(os.getpid()), "http://127.0.0.1:4566", "0.1.0", "fake", str(folder))


def test_a_running_process_has_one_identity_and_others_have_another() -> None:
    assert identity_of(os.getpid()) == identity_of(os.getpid()) != ""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert identity_of(child.pid) not in {"", identity_of(os.getpid())}
        child.communicate(b"\n")
        assert identity_of(child.pid) == ""


def test_what_was_written_is_read_while_the_process_runs(tmp_path: Path) -> None:
    write_record(own_record(tmp_path))
    assert read_record(tmp_path) == own_record(tmp_path)
    assert (tmp_path / RECORD).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]


def test_a_process_that_took_over_the_number_is_not_the_node(tmp_path: Path) -> None:
    write_record(replace(own_record(tmp_path), identity="another boot:1"))
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', "null"])
def test_a_damaged_record_means_no_node(text: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(text)
    assert read_record(tmp_path) is None
    remove_record(tmp_path, 1)
    assert (tmp_path / RECORD).exists() == ('"pid": 1' not in text)


def test_no_record_means_no_node(tmp_path: Path) -> None:
    assert read_record(tmp_path / "none") is None
    remove_record(tmp_path / "none", 1)


def test_a_record_without_identity_means_no_node(tmp_path: Path) -> None:
    write_record(replace(own_record(tmp_path), pid=2**22 + 1, identity=""))
    assert read_record(tmp_path) is None


def test_only_the_own_record_is_removed(tmp_path: Path) -> None:
    write_record(own_record(tmp_path))
    remove_record(tmp_path, os.getpid() + 1)
    assert json.loads((tmp_path / RECORD).read_text())["pid"] == os.getpid()
    remove_record(tmp_path, os.getpid())
    assert not (tmp_path / RECORD).exists()
