from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, insert, inspect, select

from functory.store.migrate import MIGRATIONS, Migrations, discover_tables, main, scratch_database
from functory.store.port import StoreError
from functory.store.sqlite import SqliteStore


def first_schema() -> MetaData:
    metadata = MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"})
    Table("authors", metadata, Column("id", Integer, primary_key=True), Column("name", String))
    Table(
        "books",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("author", ForeignKey("authors.id", ondelete="CASCADE")),
    )
    return metadata


def second_schema() -> MetaData:
    metadata = first_schema()
    metadata.tables["authors"].append_column(Column("born", Integer))
    metadata.tables["authors"].c.name.nullable = False
    return metadata


def line(folder: Path, *schemas: MetaData) -> Migrations:
    """A line of revisions in ``folder`` that leads through ``schemas``."""
    folder.mkdir(exist_ok=True)
    for schema in schemas:
        Migrations(folder, schema).make_revision("step")
    return Migrations(folder, schemas[-1])


def test_an_empty_database_is_brought_to_the_newest_revision(tmp_path):
    migrations = line(tmp_path / "versions", first_schema(), second_schema())
    assert migrations.revisions == {"0001": None, "0002": "0001"}

    async def main():
        store = await SqliteStore.open(tmp_path / "data" / "f.sqlite3", migrations=migrations)
        try:
            return await store.read(migrations.current), await store.read(migrations.differences)
        finally:
            await store.close()

    assert asyncio.run(main()) == ("0002", [])


def test_an_older_database_keeps_its_rows_and_their_references(tmp_path):
    path = tmp_path / "data" / "f.sqlite3"
    old = line(tmp_path / "versions", first_schema())

    def fill(connection):
        connection.execute(insert(old.metadata.tables["authors"]), {"id": 1, "name": "Karin"})
        connection.execute(insert(old.metadata.tables["books"]), {"id": 2, "author": 1})

    async def use(migrations, work):
        store = await SqliteStore.open(path, migrations=migrations)
        try:
            return await store.write(work)
        finally:
            await store.close()

    asyncio.run(use(old, fill))
    new = line(tmp_path / "versions", second_schema())

    def everything(connection):
        tables = [new.metadata.tables[name] for name in ("authors", "books")]
        return [tuple(row) for table in tables for row in connection.execute(select(table))]

    rows = asyncio.run(use(new, everything))
    assert rows == [(1, "Karin", None), (2, 1)]


def test_data_of_a_newer_functory_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "data" / "f.sqlite3"
    new = line(tmp_path / "new", first_schema(), second_schema())
    old = line(tmp_path / "old", first_schema())

    async def main():
        await (await SqliteStore.open(path, migrations=new)).close()
        before = path.read_bytes()
        with pytest.raises(
            StoreError, match=r"written by a newer Functory \(schema revision 0002, this one knows up to 0001\)"
        ):
            await SqliteStore.open(path, migrations=old)
        assert path.read_bytes() == before

    asyncio.run(main())


def test_a_migration_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "data" / "f.sqlite3"
    old = line(tmp_path / "versions", first_schema())

    async def main():
        await (await SqliteStore.open(path, migrations=old)).close()
        line(tmp_path / "versions", second_schema())
        script = next((tmp_path / "versions").glob("0002_*.py"))
        script.write_text(script.read_text().replace("def downgrade", "    raise ValueError('half-way')\n\n\ndef downgrade"))
        with pytest.raises(ValueError, match="half-way"):
            await SqliteStore.open(path, migrations=Migrations(tmp_path / "versions"))
        store = await SqliteStore.open(path, migrations=old)
        try:
            return await store.read(lambda c: [column["name"] for column in inspect(c).get_columns("authors")])
        finally:
            await store.close()

    assert asyncio.run(main()) == ["id", "name"]


def test_a_current_database_is_opened_without_importing_alembic(tmp_path):
    program = (
        "import asyncio, sys, pathlib; from functory.store.sqlite import SqliteStore; "
        "from functory.store.migrate import Migrations; "
        "path, versions = map(pathlib.Path, sys.argv[1:]); "
        "store = asyncio.run(SqliteStore.open(path, migrations=Migrations(versions))); "
        "sys.exit('alembic' in sys.modules)"
    )
    line(tmp_path / "versions", first_schema())
    run = [sys.executable, "-c", program, str(tmp_path / "data" / "f.sqlite3"), str(tmp_path / "versions")]
    environ = {"PYTHONPATH": "src"}
    statuses = [subprocess.run(run, env=environ, check=False, timeout=60).returncode for _ in range(2)]
    assert statuses == [1, 0]


def test_several_heads_are_an_error(tmp_path):
    for name in ("0001", "0002"):
        (tmp_path / f"{name}_x.py").write_text(f"revision = '{name}'\ndown_revision = None\n")
    with pytest.raises(StoreError, match="several heads: 0001, 0002"):
        _ = Migrations(tmp_path).head


def test_there_is_no_revision_without_a_change(tmp_path):
    migrations = line(tmp_path / "versions", first_schema())
    with pytest.raises(StoreError, match="have not changed"):
        migrations.make_revision("nothing")


def test_the_tables_of_every_room_are_found():
    assert "functory.core.deliveries.tables" in discover_tables()


def test_the_released_migrations_lead_to_exactly_the_tables_of_the_rooms():
    discover_tables()
    assert MIGRATIONS.head is not None
    with scratch_database() as connection:
        MIGRATIONS.upgrade(connection)
        assert MIGRATIONS.differences(connection) == []


def test_the_command_line_explains_itself(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "revision" in capsys.readouterr().out
