from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from tests.support.node import FUNCTORY, Node, program_environment, run, running_node


def up(data_dir: Path) -> tuple[int, str]:
    """Try to start a node in the foreground that must not start."""
    done = run(*FUNCTORY, "up", "--port", "0", "--data-dir", str(data_dir), environ=program_environment(), check=False)
    return done.returncode, done.stderr


def test_a_second_node_on_a_data_folder_is_refused(node: Node) -> None:
    code, text = up(node.data_dir)
    assert code == 1
    assert f"a node already runs for {node.data_dir}: {node.url}" in text
    assert "Traceback" not in text
    assert node.health()["status"] == "ok"


def test_a_second_node_is_refused_though_the_record_is_lost(node: Node) -> None:
    record = node.data_dir / "node.json"
    text = record.read_text(encoding="utf-8")
    record.unlink()
    try:
        code, message = up(node.data_dir)
    finally:
        record.write_text(text, encoding="utf-8")
    assert code == 1
    assert str(node.data_dir) in message
    assert "Traceback" not in message
    assert node.health()["status"] == "ok"


def test_the_data_of_a_newer_version_is_refused_and_not_changed(tmp_path: Path) -> None:
    folder = tmp_path / "newer"
    with running_node(folder):
        pass
    with sqlite3.connect(folder / "functory.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    before = (folder / "functory.db").read_bytes()
    code, text = up(folder)
    assert code == 1
    assert "the data was written by a newer Functory (schema revision 9999" in text
    assert "Traceback" not in text
    assert (folder / "functory.db").read_bytes() == before


def test_an_address_that_is_taken_is_told(node: Node, tmp_path: Path) -> None:
    port = node.url.rpartition(":")[2]
    command = (sys.executable, "-m", "functory.edges.cli", "up", "--port", port, "--data-dir", str(tmp_path / "other"))
    done = run(*command, environ=program_environment(), check=False)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
