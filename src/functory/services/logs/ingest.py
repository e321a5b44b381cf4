"""Writing events: a unit of work shared by PutLogEvents and the sink.

One flush is one unit, whatever the number of streams: per stream one UPDATE that reserves sequence numbers, then one
INSERT of all chunks. It runs outside the event loop and may run again, so it only touches the connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, insert, or_, select, update

from functory.services.logs import chunks
from functory.services.logs.chunks import Event, Segment
from functory.services.logs.tables import CHUNKS, GROUPS, STREAMS


@dataclass(frozen=True, slots=True)
class GroupKey:
    """Whose group, where, and its name."""

    account_id: str
    region: str
    name: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Events for one stream, in the order they came."""

    group: GroupKey
    stream: str
    events: Sequence[Event]


def is_group(key: GroupKey) -> ColumnElement[bool]:
    """The condition that finds a group's row."""
    return and_(GROUPS.c.account_id == key.account_id, GROUPS.c.region == key.region, GROUPS.c.name == key.name)


def add_group(
    connection: Connection, key: GroupKey, now_ms: int, *, tags: dict[str, str] | None = None, protected: bool = False
) -> int:
    """Insert a group and return its id."""
    row = insert(GROUPS).values(
        account_id=key.account_id,
        region=key.region,
        name=key.name,
        created_ms=now_ms,
        protected=protected,
        stored_bytes=0,
        tags=tags or {},
    )
    return int(connection.execute(row.returning(GROUPS.c.id)).scalar_one())


def add_stream(connection: Connection, group_id: int, name: str, now_ms: int) -> int:
    """Insert an empty stream and return its id."""
    row = insert(STREAMS).values(group_id=group_id, name=name, created_ms=now_ms, next_sequence=0, small_chunks=0)
    return int(connection.execute(row.returning(STREAMS.c.id)).scalar_one())


def write_batches(connection: Connection, batches: Sequence[Batch], now_ms: int) -> None:
    """Save batches, making groups and streams where missing."""
    group_ids: dict[GroupKey, int] = {}
    group_bytes: dict[int, int] = {}
    rows: list[dict[str, Any]] = []
    for batch in batches:
        group_id = group_ids.get(batch.group)
        if group_id is None:
            found = connection.execute(select(GROUPS.c.id).where(is_group(batch.group))).scalar_one_or_none()
            group_id = group_ids[batch.group] = add_group(connection, batch.group, now_ms) if found is None else int(found)
        rows_of_batch, _ = _rows(connection, group_id, batch.stream, batch.events, now_ms)
        rows += rows_of_batch
        group_bytes[group_id] = group_bytes.get(group_id, 0) + sum(row["event_bytes"] for row in rows_of_batch)
    _save(connection, rows, group_bytes)


def write_events(
    connection: Connection, group_id: int, stream: str, events: Sequence[Event], now_ms: int
) -> tuple[int, int]:
    """Save events of one existing stream; return its id and next sequence number."""
    rows, place = _rows(connection, group_id, stream, events, now_ms)
    _save(connection, rows, {group_id: sum(row["event_bytes"] for row in rows)})
    return place


def _save(connection: Connection, rows: list[dict[str, Any]], group_bytes: dict[int, int]) -> None:
    if rows:
        connection.execute(insert(CHUNKS), rows)
    for group_id in sorted(group_bytes):  # one order for all writers: no deadlock between nodes
        added = GROUPS.c.stored_bytes + group_bytes[group_id]
        connection.execute(update(GROUPS).where(GROUPS.c.id == group_id).values(stored_bytes=added))


def _rows(
    connection: Connection, group_id: int, stream: str, events: Sequence[Event], now_ms: int
) -> tuple[list[dict[str, Any]], tuple[int, int]]:
    """The chunk rows for new events of a stream, and (stream id, next sequence number)."""
    pieces = list(chunks.split(events))
    stream_id, sequence = _reserve(connection, group_id, stream, [piece for piece, _ in pieces], now_ms)
    rows = []
    for piece, taken in pieces:
        segment = Segment(now_ms, sequence, taken)
        rows.append(chunk_row(group_id, stream_id, piece, chunks.encode([segment])))
        sequence += piece.event_count
    return rows, (stream_id, sequence)


def chunk_row(group_id: int, stream_id: int, piece: chunks.Piece, body: bytes) -> dict[str, Any]:
    """The values of a new row of `CHUNKS`."""
    return {
        "group_id": group_id,
        "stream_id": stream_id,
        "first_ms": piece.first_ms,
        "last_ms": piece.last_ms,
        "event_count": piece.event_count,
        "event_bytes": piece.event_bytes,
        "body": body,
    }


def _reserve(
    connection: Connection, group_id: int, stream: str, pieces: Sequence[chunks.Piece], now_ms: int
) -> tuple[int, int]:
    """Note the new events in the stream's row, made when missing; return its id and the first sequence number."""
    if not pieces:
        raise ValueError("no events to write")
    whole = chunks.join(pieces)
    small = sum(1 for piece in pieces if piece.event_bytes < chunks.SMALL_BYTES)
    columns = STREAMS.c
    statement = (
        update(STREAMS)
        .where(columns.group_id == group_id, columns.name == stream)
        .values(
            next_sequence=columns.next_sequence + whole.event_count,
            small_chunks=columns.small_chunks + small,
            last_ingestion_ms=now_ms,
            first_event_ms=_least(columns.first_event_ms, whole.first_ms),
            last_event_ms=_greatest(columns.last_event_ms, whole.last_ms),
        )
        .returning(columns.id, columns.next_sequence)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        add_stream(connection, group_id, stream, now_ms)
        row = connection.execute(statement).one()
    return int(row.id), int(row.next_sequence) - whole.event_count


def _least(column: ColumnElement[Any], value: int) -> ColumnElement[Any]:
    return case((or_(column.is_(None), column > value), value), else_=column)


def _greatest(column: ColumnElement[Any], value: int) -> ColumnElement[Any]:
    return case((or_(column.is_(None), column < value), value), else_=column)
