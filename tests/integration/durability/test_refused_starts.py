"""Data folders a node must not touch, and how it says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.durability.api import FUNCTIONS, Api
from tests.integration.durability.node_process import NodeProcess


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    node = NodeProcess(tmp_path / "data")
    yield node
    node.end()


@pytest.fixture
def database(node: NodeProcess) -> Path:
    """The database of a node that was stopped in good order."""
    node.start()
    assert node.stop() == 0
    return node.data_dir / "functory.db"


def clear(said: str) -> str:
    """What the program said, if it is a sentence and no traceback."""
    assert "Traceback" not in said, said
    assert "defect" not in said, said
    return said


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_node_on_a_data_folder_is_refused_and_the_first_goes_on(node: NodeProcess) -> None:
    node.start()
    second = NodeProcess(node.data_dir)
    said = clear(second.refuses_to_start())
    assert "already runs" in said
    assert str(node.pid) in said
    with Api(node.url) as api:
        assert api.call("GET", FUNCTIONS)["Functions"] == []


def test_the_lock_refuses_a_second_node_when_the_record_is_gone(node: NodeProcess) -> None:
    node.start()
    (node.data_dir / "node.json").unlink()
    second = NodeProcess(node.data_dir)
    said = clear(second.refuses_to_start())
    assert "already in use by another node" in said
    assert str(node.pid) in said
    with Api(node.url) as api:
        assert api.call("GET", FUNCTIONS)["Functions"] == []


def test_data_of_a_newer_version_is_refused_and_not_changed(node: NodeProcess, database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = contents(node.data_dir)
    said = clear(node.refuses_to_start())
    assert "newer Functory" in said
    assert "9999" in said
    after = contents(node.data_dir)
    assert {**after, "node.lock": b""} == {**before, "node.lock": b""}


@pytest.mark.parametrize(
    ("first", "last"), [(0, 4096), (0, None), (4096, None)], ids=["its first page", "all of it", "all but its first page"]
)
def test_a_damaged_database_is_named(node: NodeProcess, database: Path, first: int, last: int | None) -> None:
    good = database.read_bytes()
    end = len(good) if last is None else last
    database.write_bytes(good[:first] + b"\xa5" * (end - first) + good[end:])
    damaged = database.read_bytes()
    said = clear(node.refuses_to_start())
    assert str(database) in said
    assert "damaged" in said or "not a database" in said
    assert database.read_bytes() == damaged


def test_a_cut_off_database_is_named(node: NodeProcess, database: Path) -> None:
    good = database.read_bytes()
    database.write_bytes(good[: len(good) // 2])
    said = clear(node.refuses_to_start())
    assert str(database) in said
    assert "damaged" in said
    assert database.read_bytes() == good[: len(good) // 2]
