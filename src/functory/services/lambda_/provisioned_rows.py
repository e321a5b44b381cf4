"""The statements on provisioned concurrency: values in, values out, always inside somebody's unit of work."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, func, select
from sqlalchemy.sql.elements import ColumnElement

from functory.services.lambda_.provisioned_rules import ProvisionedRecord
from functory.services.lambda_.tables import FUNCTION_KEY, FUNCTIONS, PROVISIONED
from functory.store.port import upsert

Key = tuple[str, str, str]
"""Account, region, function name."""

_COLUMNS = tuple(column.name for column in PROVISIONED.columns)


def _is(key: Key) -> ColumnElement[bool]:
    return and_(*(PROVISIONED.c[column] == value for column, value in zip(FUNCTION_KEY, key, strict=True)))


def _record(row: Any) -> ProvisionedRecord:
    return ProvisionedRecord(*(getattr(row, column) for column in _COLUMNS))


def get(conn: Connection, key: Key, qualifier: str) -> ProvisionedRecord | None:
    """The configuration of a version or alias, or None."""
    row = conn.execute(select(PROVISIONED).where(_is(key), PROVISIONED.c.qualifier == qualifier)).first()
    return _record(row) if row is not None else None


def put(conn: Connection, record: ProvisionedRecord) -> None:
    """Write a configuration."""
    changed = ("requested", "modified_at", "generation")
    upsert(conn, PROVISIONED, msgspec.structs.asdict(record), (*FUNCTION_KEY, "qualifier"), changed)


def remove(conn: Connection, key: Key, qualifier: str | None = None) -> None:
    """Delete the configuration of a version or alias, or all of a function; an absent one is no error."""
    query = delete(PROVISIONED).where(_is(key))
    conn.execute(query if qualifier is None else query.where(PROVISIONED.c.qualifier == qualifier))


def list_of(conn: Connection, key: Key, after: str = "", limit: int | None = None) -> list[ProvisionedRecord]:
    """The configurations of a function by qualifier, from behind ``after``."""
    query = select(PROVISIONED).where(_is(key), PROVISIONED.c.qualifier > after).order_by(PROVISIONED.c.qualifier)
    return [_record(row) for row in conn.execute(query.limit(limit))]


def list_all(conn: Connection) -> list[ProvisionedRecord]:
    """Every configuration, of all accounts."""
    return [_record(row) for row in conn.execute(select(PROVISIONED))]


def together(conn: Connection, key: Key) -> int:
    """What the configurations of a function ask for together."""
    query = select(func.coalesce(func.sum(PROVISIONED.c.requested), 0)).where(_is(key))
    return int(conn.execute(query).scalar_one())


def set_aside(conn: Connection, account_id: str, region: str, *, but: str = "") -> int:
    """What is set aside for the functions of an account and region together, one of them left out.

    Of a function that reserved concurrency that is its reservation, else what is provisioned for it.
    """
    provisioned = select(PROVISIONED.c.name, func.sum(PROVISIONED.c.requested).label("places"))
    provisioned = provisioned.where(PROVISIONED.c.account_id == account_id, PROVISIONED.c.region == region)
    sums = provisioned.group_by(PROVISIONED.c.name).subquery()
    query = select(func.coalesce(func.sum(func.coalesce(FUNCTIONS.c.reserved_concurrency, sums.c.places, 0)), 0))
    query = query.select_from(FUNCTIONS.outerjoin(sums, sums.c.name == FUNCTIONS.c.name))
    here = (FUNCTIONS.c.account_id == account_id, FUNCTIONS.c.region == region, FUNCTIONS.c.name != but)
    return int(conn.execute(query.where(*here)).scalar_one())
