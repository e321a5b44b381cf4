"""The statements about function URLs: values in, values out, always inside somebody's unit of work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from functory.core.functions.urls import Cors, FunctionUrl
from functory.services.lambda_.tables import FUNCTION_KEY, URLS

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class UrlRecord:
    """A URL and when it was made and last changed, in epoch seconds."""

    url: FunctionUrl
    created_at: float
    modified_at: float


def _is(key: Key, qualifier: str | None = None) -> ColumnElement[bool]:
    of_function = and_(*(URLS.c[column] == value for column, value in zip(FUNCTION_KEY, key, strict=True)))
    return of_function if qualifier is None else and_(of_function, URLS.c.qualifier == qualifier)


def get_url(conn: Connection, key: Key, qualifier: str) -> UrlRecord | None:
    """The URL of a function (``qualifier`` ``""``) or of an alias, or None."""
    row = conn.execute(select(URLS).where(_is(key, qualifier))).first()
    return _record(row) if row is not None else None


def find_url(conn: Connection, url_id: str) -> UrlRecord | None:
    """The URL of that id, or None."""
    row = conn.execute(select(URLS).where(URLS.c.url_id == url_id)).first()
    return _record(row) if row is not None else None


def list_urls(conn: Connection, key: Key, after: str | None, limit: int) -> list[UrlRecord]:
    """The URLs of a function and its aliases by qualifier, from behind ``after``."""
    query = select(URLS).where(_is(key))
    if after is not None:
        query = query.where(URLS.c.qualifier > after)
    return [_record(row) for row in conn.execute(query.order_by(URLS.c.qualifier).limit(limit))]


def add_url(conn: Connection, record: UrlRecord) -> None:
    """Insert a URL."""
    conn.execute(insert(URLS).values(_row(record)))


def put_url(conn: Connection, record: UrlRecord) -> None:
    """Write an existing URL."""
    url = record.url
    key = (url.account_id, url.region, url.name)
    conn.execute(update(URLS).where(_is(key, url.qualifier)).values(_row(record)))


def remove_url(conn: Connection, key: Key, qualifier: str) -> bool:
    """Delete a URL; whether there was one."""
    return conn.execute(delete(URLS).where(_is(key, qualifier))).rowcount > 0


def remove_urls(conn: Connection, key: Key) -> None:
    """Delete the URLs of a function and of all its aliases."""
    conn.execute(delete(URLS).where(_is(key)))


def _row(record: UrlRecord) -> dict[str, Any]:
    url = record.url
    return {
        "account_id": url.account_id,
        "region": url.region,
        "name": url.name,
        "qualifier": url.qualifier,
        "url_id": url.url_id,
        "auth_type": url.auth_type,
        "invoke_mode": url.invoke_mode,
        "cors": msgspec.json.encode(url.cors).decode() if url.cors is not None else "",
        "created_at": record.created_at,
        "modified_at": record.modified_at,
    }


def _record(row: Any) -> UrlRecord:
    url = FunctionUrl(
        row.url_id,
        row.account_id,
        row.region,
        row.name,
        row.qualifier,
        row.auth_type,
        row.invoke_mode,
        msgspec.json.decode(row.cors, type=Cors) if row.cors else None,
    )
    return UrlRecord(url, row.created_at, row.modified_at)
