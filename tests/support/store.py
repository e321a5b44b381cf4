"""Stores for tests: the real one on a temporary folder, and one that runs inline for virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import MetaData

from functory.store.port import METADATA
from functory.store.sqlite import SqliteStore


@asynccontextmanager
async def open_test_store(folder: Path, metadata: MetaData = METADATA) -> AsyncIterator[SqliteStore]:
    """A real SQLite store in ``folder`` with every table declared so far on ``metadata``.

    Import the ``tables`` module under test before. Opening the same folder again finds the data of before.
    """
    store = await SqliteStore.open(folder / "functory.sqlite3", migrate=False)
    try:
        await store.write(metadata.create_all)
        yield store
    finally:
        await store.close()
