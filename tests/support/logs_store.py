"""A store for tests of the logs service: in-memory SQLite, every unit of work run in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DataError
from sqlalchemy.pool import StaticPool

from functory.services.logs.tables import CHUNKS, GROUPS, STREAMS, TRASH
from functory.store.port import METADATA, StoreError

T = TypeVar("T")


class InlineStore:
    """`functory.store.port.Store`; ``broken`` makes every write fail like a full disk.

    Statements with ``refused_text`` among their parameters are refused as a database refuses a value.
    """

    def __init__(self) -> None:
        self.broken = False
        self.refused_text = ""
        self.writes = 0
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        event.listen(self._engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        METADATA.create_all(self._engine, tables=[GROUPS, STREAMS, CHUNKS, TRASH], checkfirst=False)
        event.listen(self._engine, "before_cursor_execute", self._refuse)

    def _refuse(self, _connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if self.refused_text and self.refused_text in repr(parameters):
            raise DataError(statement, parameters, ValueError("refused"))

    async def read(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    async def write(self, work: Callable[[Connection], T]) -> T:
        if self.broken:
            raise StoreError("no space left")
        self.writes += 1
        with self._engine.begin() as connection:
            return work(connection)

    async def close(self) -> None:
        self._engine.dispose()
