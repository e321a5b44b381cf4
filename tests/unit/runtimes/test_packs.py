from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from functory.runtimes.definitions import load_all
from functory.runtimes.interpreters import Interpreter
from functory.runtimes.packs import InstallError, make_own_pack, make_python_pack, pack_path

PYTHON = load_all()["python3.12"]
NODE = load_all()["nodejs22.x"]


def test_the_name_of_a_pack_follows_its_pins(tmp_path: Path) -> None:
    newer = dataclasses.replace(PYTHON, pack=dict(PYTHON.pack) | {"boto3": "9.9.9"})
    assert pack_path(PYTHON, tmp_path) == pack_path(PYTHON, tmp_path)
    assert pack_path(newer, tmp_path) != pack_path(PYTHON, tmp_path)


def test_a_node_pack_is_readable_by_everybody_and_made_once(tmp_path: Path) -> None:
    pack = make_own_pack(NODE, tmp_path)
    modes = {file.name: file.stat().st_mode & 0o777 for file in pack.iterdir()}
    assert modes["bootstrap"] == 0o755
    assert modes["index.cjs"] == 0o644
    assert pack.stat().st_mode & 0o777 == 0o755

    (pack / "mark").touch()
    assert make_own_pack(NODE, tmp_path) == pack
    assert (pack / "mark").exists()


def test_a_failed_python_pack_leaves_nothing_and_tells_the_tools_words(tmp_path: Path) -> None:
    pip = tmp_path / "pip"
    pip.write_text("#!/bin/sh\necho no such package >&2\nexit 3\n")
    pip.chmod(0o755)
    interpreter = Interpreter("3.12.1", Path("/nowhere/python3.12"), Path("/nowhere"))

    with pytest.raises(InstallError, match="status 3:\nno such package"):
        make_python_pack(PYTHON, interpreter, tmp_path / "runtimes", [str(pip)])
    assert list((tmp_path / "runtimes/packs").iterdir()) == []
