"""The background job: removes deleted and expired events, merges small chunks.

A reconciler: it has no input, may run at any time and on several nodes at once, and every unit of work is bounded, so
that no writer waits long. Reads tell what is due; where nothing is, nothing is written. Two nodes that pick the same
chunks cannot harm each other: a chunk is only merged by the unit that deleted it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from functory.kernel import log
from functory.kernel.ids import Ids
from functory.services.logs import chunks, rules
from functory.services.logs.chunks import Piece, Summary
from functory.services.logs.ingest import chunk_row
from functory.services.logs.room import Room
from functory.services.logs.tables import CHUNKS, COMPACT_AFTER_CHUNKS, GROUPS, STREAMS, TRASH
from functory.store.port import StoreError

INTERVAL_S = 30.0
ROWS_PER_UNIT = 200
UNITS_PER_ROUND = 50
STREAMS_PER_ROUND = 50
SMALL_CHUNKS_PER_UNIT = 64

_LOG = log.get("services.logs")


class _Overtaken(Exception):  # noqa: N818  no error: the other node does the work
    """Another node took some of the chunks first; the unit must leave no trace."""


class Maintenance:
    """Runs the jobs on a timer and on the room's nudge."""

    def __init__(self, room: Room, ids: Ids) -> None:
        self._room = room
        self._ids = ids
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Work until `close`. Rounds start up to a tenth of the interval early, so that nodes do not march in step."""
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_S * (1 - self._ids.fraction() / 10)):
                    await self._room.nudge.wait()
            self._room.nudge.clear()
            if self._closing.is_set():
                return
            try:
                if not await self.round():
                    self._room.nudge.set()
            except (StoreError, SQLAlchemyError, OSError) as error:
                _LOG.warning("log_maintenance_failed", error=str(error))

    def close(self) -> None:
        """Let `run` end after the unit it is in."""
        self._closing.set()
        self._room.nudge.set()

    async def round(self) -> bool:
        """Do what is due; False when the bound of one round was reached first."""
        done = [await self._empty_trash(), await self._expire(), await self._compact()]
        return all(done)

    async def _exhaust(self, unit: Callable[[Connection], bool]) -> bool:
        """Repeat a unit until it finds nothing to do."""
        for _ in range(UNITS_PER_ROUND):
            if self._closing.is_set():
                return True
            if not await self._room.store.write(unit):
                return True
        return False

    async def _empty_trash(self) -> bool:
        waiting = await self._room.store.read(lambda connection: connection.execute(select(TRASH.c.id).limit(1)).first())
        return waiting is None or await self._exhaust(empty_trash)

    async def _expire(self) -> bool:
        oldest = select(func.min(CHUNKS.c.last_ms)).where(CHUNKS.c.group_id == GROUPS.c.id).scalar_subquery()
        query = select(GROUPS.c.id, GROUPS.c.retention_days, oldest.label("oldest_ms"))
        query = query.where(GROUPS.c.retention_days.is_not(None))
        groups = await self._room.store.read(lambda connection: connection.execute(query).all())
        done = True
        for group in groups:
            before_ms = rules.oldest_kept_ms(group.retention_days, self._room.now_ms())
            if group.oldest_ms is not None and group.oldest_ms < before_ms:
                done &= await self._exhaust(partial(delete_expired, group_id=group.id, before_ms=before_ms))
        return done

    async def _compact(self) -> bool:
        query = select(STREAMS.c.id).where(STREAMS.c.small_chunks >= COMPACT_AFTER_CHUNKS).limit(STREAMS_PER_ROUND)
        stream_ids = await self._room.store.read(lambda connection: connection.execute(query).scalars().all())
        for stream_id in stream_ids:
            if self._closing.is_set():
                return True
            with contextlib.suppress(_Overtaken):
                await self._room.store.write(partial(compact, stream_id=stream_id))
        return len(stream_ids) < STREAMS_PER_ROUND


def delete_chunks(connection: Connection, which: Select[tuple[int]]) -> int:
    """Delete some of the chunks and put the sums right; return how many were deleted."""
    ids = connection.execute(which.limit(ROWS_PER_UNIT)).scalars().all()
    if not ids:
        return 0
    gone = delete(CHUNKS).where(CHUNKS.c.id.in_(ids))
    rows = connection.execute(gone.returning(CHUNKS.c.group_id, CHUNKS.c.stream_id, CHUNKS.c.event_bytes)).all()
    freed: Counter[int] = Counter()
    for row in rows:
        freed[row.group_id] += row.event_bytes
    for group_id in sorted(freed):
        left = GROUPS.c.stored_bytes - freed[group_id]
        connection.execute(update(GROUPS).where(GROUPS.c.id == group_id).values(stored_bytes=left))
    first = select(func.min(CHUNKS.c.first_ms)).where(CHUNKS.c.stream_id == STREAMS.c.id).scalar_subquery()
    touched = STREAMS.c.id.in_({row.stream_id for row in rows})
    connection.execute(update(STREAMS).where(touched).values(first_event_ms=first))
    return len(rows)


def delete_expired(connection: Connection, group_id: int, before_ms: int) -> bool:
    """One bounded step of removing chunks whose events are all older; False when none was left."""
    old = select(CHUNKS.c.id).where(CHUNKS.c.group_id == group_id, CHUNKS.c.last_ms < before_ms)
    return delete_chunks(connection, old) > 0


def empty_trash(connection: Connection) -> bool:
    """One bounded step of removing what deleted groups and streams left behind; False when nothing is left."""
    item = connection.execute(select(TRASH).order_by(TRASH.c.id).limit(1)).one_or_none()
    if item is None:
        return False
    whole = CHUNKS.c.group_id == item.group_id if item.stream_id is None else CHUNKS.c.stream_id == item.stream_id
    if delete_chunks(connection, select(CHUNKS.c.id).where(whole)):
        return True
    if item.stream_id is None:
        some = select(STREAMS.c.id).where(STREAMS.c.group_id == item.group_id).limit(ROWS_PER_UNIT)
        if connection.execute(delete(STREAMS).where(STREAMS.c.id.in_(some))).rowcount:
            return True
    connection.execute(delete(TRASH).where(TRASH.c.id == item.id))
    return True


def compact(connection: Connection, stream_id: int) -> None:
    """Merge a stream's newest small chunks.

    Raises:
        _Overtaken: another node is at it.
    """
    # First, so that on PostgreSQL a flush of this stream waits for the merge instead of overtaking it again and again.
    connection.execute(update(STREAMS).where(STREAMS.c.id == stream_id).values(small_chunks=0))
    query = (
        select(CHUNKS)
        .with_only_columns(
            CHUNKS.c.id, CHUNKS.c.group_id, CHUNKS.c.first_ms, CHUNKS.c.last_ms, CHUNKS.c.event_count, CHUNKS.c.event_bytes
        )
        .where(CHUNKS.c.stream_id == stream_id, CHUNKS.c.event_bytes < chunks.SMALL_BYTES)
        .order_by(CHUNKS.c.id.desc())
        .limit(SMALL_CHUNKS_PER_UNIT)
    )
    rows = connection.execute(query).all()[::-1]
    small = [Summary(row.id, Piece(row.first_ms, row.last_ms, row.event_count, row.event_bytes)) for row in rows]
    for run in chunks.plan_merges(small):
        _merge(connection, rows[0].group_id, stream_id, run)


def _merge(connection: Connection, group_id: int, stream_id: int, run: list[Summary]) -> None:
    ids = [summary.chunk_id for summary in run]
    taken = delete(CHUNKS).where(CHUNKS.c.id.in_(ids)).returning(CHUNKS.c.id, CHUNKS.c.body)
    bodies: dict[int, Any] = {row.id: row.body for row in connection.execute(taken)}
    if len(bodies) != len(ids):
        raise _Overtaken
    segments = [segment for chunk_id in ids for segment in chunks.decode(bodies[chunk_id])]
    piece = chunks.join([summary.piece for summary in run])
    connection.execute(insert(CHUNKS).values(chunk_row(group_id, stream_id, piece, chunks.encode(segments))))
