"""Reading events in order across chunks that overlap in time.

**Theory.** Chunks come from an index in the order of their first (forward) or last (backward) timestamp. Their events go
into a heap; an event may leave it once no later chunk can hold one that belongs before it. Because no chunk spans more than
`SPAN_MS_MAX`, the first chunk that can matter is found by its index, however old the stream is. Bodies are fetched a few at
a time and decoded when reached, so a reader that stops early pays only for what it took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from functory.services.logs.chunks import SPAN_MS_MAX, Stored, events_of
from functory.services.logs.tables import CHUNKS

FETCH_PLACES = 128
FETCH_BODIES = 8
TIME_MAX_MS = (1 << 62) - 1

Key = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Timestamps to return, both ends included."""

    first_ms: int
    last_ms: int


def stream_key(event: Stored) -> Key:
    """Order within one stream."""
    return event.timestamp_ms, event.sequence


def group_key(event: Stored) -> Key:
    """Order across streams: timestamp, ingestion time, then stream and place in it."""
    return event.timestamp_ms, event.ingested_ms, event.stream_id, event.sequence


def scan(
    connection: Connection,
    scope: ColumnElement[bool],
    window: Window,
    key: Callable[[Stored], Key],
    *,
    forward: bool = True,
) -> Iterator[Stored]:
    """Every event of the chunks in ``scope`` whose timestamp lies in ``window``, in the order of ``key``.

    Args:
        connection: used while the iterator is consumed.
        scope: which chunks; it must name ``group_id`` or ``stream_id``.
        window: timestamps.
        key: starts with the timestamp and is unique per event.
        forward: ascending; else descending.
    """
    sign = 1 if forward else -1
    heap: list[tuple[Key, Stored]] = []
    for row in _chunks(connection, scope, window, forward=forward):
        edge = row.first_ms if forward else -row.last_ms
        while heap and heap[0][0][0] < edge:
            yield heappop(heap)[1]
        for event in events_of(row.body, row.stream_id):
            if window.first_ms <= event.timestamp_ms <= window.last_ms:
                heappush(heap, (tuple(sign * part for part in key(event)), event))
    while heap:
        yield heappop(heap)[1]


def _chunks(connection: Connection, scope: ColumnElement[bool], window: Window, *, forward: bool) -> Iterator[Any]:
    """The chunks that can hold events of the window, by first timestamp ascending or last timestamp descending.

    Places first, bodies later: where the database has to sort, it must not carry the bodies along.
    """
    edge = CHUNKS.c.first_ms if forward else CHUNKS.c.last_ms
    first, last = CHUNKS.c.first_ms <= window.last_ms, CHUNKS.c.last_ms >= window.first_ms
    reach = (
        CHUNKS.c.first_ms >= window.first_ms - SPAN_MS_MAX
        if forward
        else CHUNKS.c.last_ms <= min(window.last_ms + SPAN_MS_MAX, TIME_MAX_MS)
    )
    order = (edge, CHUNKS.c.id) if forward else (edge.desc(), CHUNKS.c.id.desc())
    places = select(CHUNKS.c.id, edge.label("edge")).where(scope, first, last, reach).order_by(*order).limit(FETCH_PLACES)
    page = connection.execute(places).all()
    while page:
        for start in range(0, len(page), FETCH_BODIES):
            yield from _bodies(connection, [row.id for row in page[start : start + FETCH_BODIES]])
        if len(page) < FETCH_PLACES:
            return
        done = page[-1]
        beyond, further = (edge > done.edge, CHUNKS.c.id > done.id) if forward else (edge < done.edge, CHUNKS.c.id < done.id)
        page = connection.execute(places.where(or_(beyond, and_(edge == done.edge, further)))).all()


def _bodies(connection: Connection, ids: list[int]) -> Iterator[Any]:
    """Whole chunks in the order of ``ids``; the unit of work sees one snapshot, so all are there."""
    columns = (CHUNKS.c.id, CHUNKS.c.stream_id, CHUNKS.c.first_ms, CHUNKS.c.last_ms, CHUNKS.c.body)
    rows = {row.id: row for row in connection.execute(select(*columns).where(CHUNKS.c.id.in_(ids)))}
    yield from (rows[chunk_id] for chunk_id in ids)
