"""What rooms may ask of the store; implementations are chosen in ``wiring``.

**Theory.** A *unit of work* is a plain synchronous function that gets a SQLAlchemy Core connection, runs statements and
returns a value. `Store.write` runs it in one transaction and returns only when it is durable: after that moment a
``kill -9`` or a power cut cannot undo it. Many units waiting at once share one commit (group commit); each runs in its own
savepoint, so one that raises undoes only itself. Statements are written once for SQLite and PostgreSQL: Core
expressions, no SQL text, ``insert … on conflict`` only through `upsert`.

Units run outside the event loop's thread and must not touch its objects; they may run again after a serialisation
conflict (PostgreSQL), so they must have no effect but their statements.

Tables belong to the rooms that use them (``services/<name>/tables.py``, ``core/<room>/tables.py``): they are
declared on `METADATA` and created by Alembic migrations.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, MetaData, Table

from functory.kernel.errors import FunctoryError

T = TypeVar("T")

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)


class StoreError(FunctoryError):
    """The store cannot be used: locked by another node, written by a newer version, damaged, or out of space."""


class Store(Protocol):
    """Transactions over the durable state."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a consistent snapshot and return its value. Never waits for writers.

        Sees every write that returned before it was called.
        """

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction; return its value once it is durable.

        Raises:
            Exception: whatever ``work`` raised; nothing of it was kept.
            StoreError: the store is closed or the disk refuses.

        Cancellation: a cancelled caller may still have its work committed.
        """

    async def close(self) -> None:
        """Finish the writes that were accepted, then release everything."""


def upsert(
    connection: Connection,
    table: Table,
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    keys: Sequence[str],
    update: Sequence[str] = (),
) -> int:
    """Insert rows; where a row with the same ``keys`` exists, set its ``update`` columns to the new values instead.

    Args:
        connection: of the unit of work.
        table: where.
        values: one row, or many rows that all have the same columns.
        keys: the columns of a primary key or unique constraint.
        update: columns to overwrite; none: an existing row is left as it is.

    Returns:
        How many rows were inserted or updated.
    """
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    statement = insert(table)
    if update:
        new = {name: statement.excluded[name] for name in update}
        statement = statement.on_conflict_do_update(index_elements=list(keys), set_=new)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(keys))
    rows = dict(values) if isinstance(values, Mapping) else [dict(row) for row in values]
    if not rows:
        return 0
    return connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount


class Blobs(Protocol):
    """Content-addressed immutable bytes. The key is the lower-case hex SHA-256 of the content."""

    async def put(self, content: bytes) -> str:
        """Keep ``content`` durably (written, fsynced, renamed) and return its key. The same content twice is kept once."""

    async def get(self, key: str) -> bytes:
        """The content.

        Raises:
            KeyError: no such blob.
        """

    async def size(self, key: str) -> int:
        """Length in bytes.

        Raises:
            KeyError: no such blob.
        """

    async def delete(self, key: str) -> None:
        """Forget the blob; an absent one is no error."""

    def keys(self) -> AsyncIterator[str]:
        """Every key, in no order."""

    def path(self, key: str) -> Path | None:
        """The file that holds it where blobs are local files, else None. Read-only for the caller."""
