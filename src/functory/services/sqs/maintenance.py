"""The background jobs: what expired and what deleted queues left behind goes; move tasks are worked on.

Reconcilers: they have no input, every unit of work is bounded, and doing one twice does nothing.
"""

from __future__ import annotations

import asyncio
import contextlib

from sqlalchemy import Connection, Select, delete, func, select

from functory.kernel import log
from functory.services.sqs import dead_letters, lookup
from functory.services.sqs.room import Room
from functory.services.sqs.tables import DEDUPLICATION, DELETED, MESSAGES, MOVE_TASKS, QUEUES
from functory.store.port import StoreError

INTERVAL_S = 30.0
ROWS_PER_UNIT = 500
TASK_KEEP_MS = 86_400_000
"""How long an ended move task is listed."""

_log = log.get("services.sqs")


class Maintenance:
    """Runs the jobs on a timer and on the room's nudge."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def run(self) -> None:
        """Work for ever; owned by the service."""
        while True:
            try:
                await self.round()
                pause_s = 1.0 if await self._move() else INTERVAL_S
            except StoreError as error:
                _log.warning("sqs_maintenance_refused", reason=str(error))
                pause_s = INTERVAL_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._room.nudge.wait()
            self._room.nudge.clear()

    async def round(self) -> None:
        """Remove what is due."""
        now_ms = self._room.now_ms()
        queues = await self._room.store.read(
            lambda connection: [lookup.of_row(row) for row in connection.execute(select(QUEUES))]
        )
        for queue in queues:
            before_ms = now_ms - queue.number("MessageRetentionPeriod") * 1000
            oldest = select(func.min(MESSAGES.c.sent_ms)).where(MESSAGES.c.queue_id == queue.id)
            oldest_ms = await self._room.store.read(lambda connection, query=oldest: connection.execute(query).scalar())  # type: ignore[misc]
            if oldest_ms is not None and oldest_ms <= before_ms:
                old = select(MESSAGES.c.id).where(MESSAGES.c.queue_id == queue.id, MESSAGES.c.sent_ms <= before_ms)
                while await self._room.store.write(lambda connection, some=old: _remove(connection, some)):  # type: ignore[misc]
                    pass
        orphans = select(MESSAGES.c.id).where(MESSAGES.c.queue_id.not_in(select(QUEUES.c.id)))
        if await self._room.store.read(lambda connection: connection.execute(orphans.limit(1)).first()) is not None:
            while await self._room.store.write(lambda connection: _remove(connection, orphans)):
                pass
        if await self._room.store.read(lambda connection: _has_stale(connection, now_ms)):
            await self._room.store.write(lambda connection: _remove_stale(connection, now_ms))

    async def _move(self) -> bool:
        """One second's share of every running move task; whether any goes on."""
        running = select(MOVE_TASKS.c.handle, MOVE_TASKS.c.per_second).where(MOVE_TASKS.c.status == "RUNNING")
        tasks = await self._room.store.read(lambda connection: connection.execute(running).all())
        for handle, per_second in tasks:
            left = per_second or dead_letters.PER_SECOND_MAX
            while left > 0:
                some = min(left, dead_letters.BATCH_MAX)
                moved, reached = await self._room.store.write(
                    lambda connection, handle=handle, some=some: dead_letters.move_some(  # type: ignore[misc]
                        connection, handle, self._room.now_ms(), some
                    )
                )
                for queue_id in reached:
                    self._room.bells.ring(queue_id, moved)
                if not moved:
                    break
                left -= moved
        return bool(tasks)


def _remove(connection: Connection, which: Select[tuple[int]]) -> int:
    """One bounded step."""
    some = which.limit(ROWS_PER_UNIT)
    return connection.execute(delete(MESSAGES).where(MESSAGES.c.id.in_(some.scalar_subquery()))).rowcount


def _has_stale(connection: Connection, now_ms: int) -> bool:
    stale = (
        select(DEDUPLICATION.c.queue_id).where(DEDUPLICATION.c.expires_ms <= now_ms),
        select(DELETED.c.name).where(DELETED.c.deleted_ms <= now_ms - 60_000),
        select(MOVE_TASKS.c.handle).where(
            MOVE_TASKS.c.status != "RUNNING", MOVE_TASKS.c.started_ms <= now_ms - TASK_KEEP_MS
        ),
    )
    return any(connection.execute(query.limit(1)).first() is not None for query in stale)


def _remove_stale(connection: Connection, now_ms: int) -> None:
    connection.execute(delete(DEDUPLICATION).where(DEDUPLICATION.c.expires_ms <= now_ms))
    connection.execute(delete(DELETED).where(DELETED.c.deleted_ms <= now_ms - 60_000))
    over = (MOVE_TASKS.c.status != "RUNNING", MOVE_TASKS.c.started_ms <= now_ms - TASK_KEEP_MS)
    connection.execute(delete(MOVE_TASKS).where(*over))
