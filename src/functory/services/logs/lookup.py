"""Finding groups and streams: the small queries that every resource shares."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from functory.core.calls import CallContext
from functory.services.logs.ingest import GroupKey, is_group
from functory.services.logs.rules import no_group, no_stream
from functory.services.logs.tables import GROUPS, STREAMS

_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def key_of(context: CallContext, name: str) -> GroupKey:
    """The caller's group of that name."""
    return GroupKey(context.account_id, context.region, name)


def find_group(connection: Connection, key: GroupKey) -> Row[Any]:
    """A group's row.

    Raises:
        AwsError: ResourceNotFoundException.
    """
    row = connection.execute(select(GROUPS).where(is_group(key))).one_or_none()
    if row is None:
        raise no_group()
    return row


def find_stream(connection: Connection, group_id: int, name: str) -> Row[Any]:
    """A stream's row.

    Raises:
        AwsError: ResourceNotFoundException.
    """
    row = connection.execute(select(STREAMS).where(STREAMS.c.group_id == group_id, STREAMS.c.name == name)).one_or_none()
    if row is None:
        raise no_stream()
    return row


def starts_with(column: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """Case-sensitive prefix match as a range, so that the index serves it (``LIKE`` ignores case on SQLite)."""
    after = _after(prefix)
    return column >= prefix if after is None else and_(column >= prefix, column < after)


def _after(prefix: str) -> str | None:
    """The least string above every string that starts with ``prefix``; None when there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        prefix = prefix[:-1]
        if code <= _LAST_CODE_POINT:
            return prefix + chr(_SURROGATES.stop if code in _SURROGATES else code)
    return None
