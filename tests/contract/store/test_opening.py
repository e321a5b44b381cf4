"""Opening a database: empty, current, older, newer, or not there at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, insert, select

from functory.store.migrate import MIGRATIONS, Migrations, discover_tables
from functory.store.port import StoreError
from functory.store.postgresql import PostgresqlStore


def schema(*columns: Column) -> MetaData:
    metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})
    Table("things", metadata, Column("id", Integer, primary_key=True), *columns)
    return metadata


def line(folder: Path, *schemas: MetaData) -> Migrations:
    """A line of revisions that leads through ``schemas``."""
    folder.mkdir(exist_ok=True)
    for each in schemas:
        Migrations(folder, each).make_revision("step")
    return Migrations(folder, schemas[-1])


async def closing(store, work=None):
    try:
        return await store.write(work or (lambda connection: None))
    finally:
        await store.close()


def test_an_older_database_is_brought_up_to_date_and_keeps_its_rows(bench, tmp_path):
    old = line(tmp_path / "old", schema())
    new = line(tmp_path / "new", schema(), schema(Column("name", String), Column("data", LargeBinary)))
    things = new.metadata.tables["things"]

    async def main():
        insertion = insert(old.metadata.tables["things"])
        await closing(await bench.open(migrate=True, migrations=old), lambda c: c.execute(insertion, {"id": 7}).rowcount)
        for _ in range(2):
            store = await bench.open(migrate=True, migrations=new)
            assert await store.read(new.current) == "0002"
            assert await store.read(new.differences) == []
            rows = await closing(store, lambda c: [tuple(row) for row in c.execute(select(things))])
            assert rows == [(7, None, None)]

    asyncio.run(main())


def test_a_newer_database_is_refused(bench, tmp_path):
    old = line(tmp_path / "old", schema())
    new = line(tmp_path / "new", schema(), schema(Column("name", String)))

    async def main():
        await closing(await bench.open(migrate=True, migrations=new))
        with pytest.raises(StoreError, match=r"newer Functory \(schema revision 0002, this one knows up to 0001\)"):
            await bench.open(migrate=True, migrations=old)
        store = await bench.open(migrate=True, migrations=new)
        assert await store.read(new.differences) == []
        await store.close()

    asyncio.run(main())


def test_the_released_revisions_lead_to_the_tables_of_the_rooms(bench):
    discover_tables()
    assert MIGRATIONS.head is not None

    async def main():
        store = await bench.open(migrate=True)
        try:
            return await store.read(MIGRATIONS.differences)
        finally:
            await store.close()

    assert asyncio.run(main()) == []


def test_nodes_that_start_together_migrate_one_after_the_other(server, tmp_path):
    from tests.support.postgresql import fresh_database

    migrations = line(tmp_path / "versions", schema())

    async def main(url):
        stores = await asyncio.gather(*(PostgresqlStore.open(url, migrations=migrations) for _ in range(4)))
        assert [await store.read(migrations.current) for store in stores] == ["0001"] * 4
        await asyncio.gather(*(store.close() for store in stores))

    with fresh_database(server, "functory_together") as url:
        asyncio.run(main(url))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://functory@/nothing?host=/nonexistent", "cannot be used"),
        ("mysql://host/database", "no PostgreSQL URL"),
        ("not a url", "no PostgreSQL URL"),
    ],
)
def test_a_postgresql_that_is_not_there_is_a_store_error(url, message):
    async def main():
        with pytest.raises(StoreError, match=message):
            await PostgresqlStore.open(url)

    asyncio.run(main())


def test_a_connection_the_server_ends_fails_one_write_and_not_the_next(server):
    from sqlalchemy import func

    from tests.support.postgresql import fresh_database

    async def main(url):
        store = await PostgresqlStore.open(url, migrate=False)
        try:
            with pytest.raises(StoreError, match="PostgreSQL failed"):
                await store.write(lambda c: c.execute(select(func.pg_terminate_backend(func.pg_backend_pid()))).scalar_one())
            return await store.write(lambda c: c.execute(select(1)).scalar_one())
        finally:
            await store.close()

    with fresh_database(server, "functory_ended") as url:
        assert asyncio.run(main(url)) == 1
