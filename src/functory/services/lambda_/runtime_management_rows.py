"""The statements about runtime management: values in, values out, always inside somebody's unit of work."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from functory.services.lambda_.tables import FUNCTION_KEY, RUNTIME_MANAGEMENT

Key = tuple[str, str, str]
AUTO, MANUAL, FUNCTION_UPDATE = "Auto", "Manual", "FunctionUpdate"


@dataclass(frozen=True, slots=True)
class RuntimeManagement:
    """When a version takes another version of its runtime.

    Attributes:
        mode: ``Auto``, ``Manual`` or ``FunctionUpdate``.
        pinned_arn: the runtime version it stays with; ``""`` with ``Auto``, and where none was here when it was to be noted.
    """

    mode: str = AUTO
    pinned_arn: str = ""


def _is(key: Key, version: str | None = None) -> ColumnElement[bool]:
    table = RUNTIME_MANAGEMENT.c
    of_function = and_(*(table[column] == value for column, value in zip(FUNCTION_KEY, key, strict=True)))
    return of_function if version is None else and_(of_function, table.version == version)


def get(conn: Connection, key: Key, version: str) -> RuntimeManagement:
    """What holds for a version; the default where nothing was set."""
    row = conn.execute(select(RUNTIME_MANAGEMENT).where(_is(key, version))).first()
    return RuntimeManagement(row.mode, row.pinned_arn) if row is not None else RuntimeManagement()


def put(conn: Connection, key: Key, version: str, management: RuntimeManagement) -> None:
    """Write what holds for a version."""
    values = {"mode": management.mode, "pinned_arn": management.pinned_arn}
    if not conn.execute(update(RUNTIME_MANAGEMENT).where(_is(key, version)).values(**values)).rowcount:
        base = dict(zip(FUNCTION_KEY, key, strict=True), version=version)
        conn.execute(insert(RUNTIME_MANAGEMENT).values(**base, **values))


def note_update(conn: Connection, key: Key, version: str, arn: str) -> None:
    """A version was changed: one that takes its runtime's version with that stays with ``arn`` from now on."""
    is_it = and_(_is(key, version), RUNTIME_MANAGEMENT.c.mode == FUNCTION_UPDATE)
    conn.execute(update(RUNTIME_MANAGEMENT).where(is_it).values(pinned_arn=arn))


def remove(conn: Connection, key: Key, version: str | None = None) -> None:
    """Forget a version; every version of the function for None."""
    conn.execute(delete(RUNTIME_MANAGEMENT).where(_is(key, version)))
