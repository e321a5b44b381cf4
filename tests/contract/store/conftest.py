from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from functory.store.postgresql import PostgresqlStore
from functory.store.sqlite import SqliteStore
from tests.support.postgresql import PostgresqlMissingError, fresh_database, postgresql_server

AnyStore = SqliteStore | PostgresqlStore


class SqliteBench:
    """Opens the same SQLite database again and again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "functory.sqlite3"

    async def open(self, **options) -> AnyStore:
        return await SqliteStore.open(self.path, **{"migrate": False, **options})


class PostgresqlBench:
    """Opens the same PostgreSQL database again and again."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self, **options) -> AnyStore:
        return await PostgresqlStore.open(self.url, **{"migrate": False, **options})


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    try:
        with postgresql_server() as url:
            yield url
    except PostgresqlMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request, tmp_path):
    if request.param == "sqlite":
        yield SqliteBench(tmp_path)
        return
    with fresh_database(request.getfixturevalue("server"), f"functory_{uuid.uuid4().hex}") as url:
        yield PostgresqlBench(url)
