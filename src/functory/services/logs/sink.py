"""The engine's log lines on their way to the store; implements ``core.invocations.log_sink.LogSink``.

**Theory.** `append` is on the path of every invocation, so it only puts events into a buffer of their stream. One task
saves all buffers in one unit of work, `FLUSH_S` after the first event came, or at once when a stream has `FLUSH_BYTES`.
Reads through the API ask for a flush first, so nobody ever misses what a function has printed. Only that task writes: a
reader that goes away cannot leave it unknown whether its events were saved.

What is in the buffer when the process dies is lost (at most `FLUSH_S`); AWS gives no better promise for function logs.
Memory is bounded per stream and in total: when the store cannot keep up the oldest unsaved events of the stream go, and
their number is written into the stream as an event of its own.

`append` must be called on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from functory.kernel import log
from functory.kernel.clock import Clock, epoch_ms
from functory.services.logs.chunks import EVENT_OVERHEAD_BYTES, Event, event_bytes
from functory.services.logs.ingest import Batch, GroupKey, write_batches
from functory.services.logs.rules import EVENT_BYTES_MAX
from functory.store.port import Store, StoreError

FLUSH_S = 0.2
FLUSH_BYTES = 256 * 1024
STREAM_BYTES_MAX = 4 * 1024 * 1024
TIMESTAMP_MS_MAX = 4_102_444_800_000  # 2100-01-01: what a function claims may be anything
TOTAL_BYTES_MAX = 64 * 1024 * 1024

_MESSAGE_BYTES_MAX = EVENT_BYTES_MAX - EVENT_OVERHEAD_BYTES
_StreamKey = tuple[str, str, str, str]
_LOG = log.get("services.logs")


@dataclass(slots=True)
class _Buffer:
    """Unsaved events of one stream, oldest first, and how many older ones were given up."""

    events: deque[Event] = field(default_factory=deque)
    size: int = 0
    dropped: int = 0


class Sink:
    """Buffers of unsaved log events; see the module."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._buffers: dict[_StreamKey, _Buffer] = {}
        self._size = 0
        self._in_flight: Mapping[_StreamKey, _Buffer] = {}
        self._waiting = asyncio.Event()
        self._now = asyncio.Event()
        self._requests: list[asyncio.Future[None]] = []
        self._saving = asyncio.Lock()
        self._running = False
        self._closing = False

    def append(self, account_id: str, region: str, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        """See `LogSink`."""
        key = (account_id, region, group, stream)
        buffer = self._buffers.get(key)
        if buffer is None:
            buffer = self._buffers[key] = _Buffer()
        for timestamp_ms, message in events:
            for piece in _storable(message):
                self._put(buffer, timestamp_ms, piece)
        if buffer.size > STREAM_BYTES_MAX or self._size > TOTAL_BYTES_MAX:
            self._shrink(buffer)
        if buffer.size >= FLUSH_BYTES:
            self._now.set()
        self._waiting.set()

    async def flush(self, account_id: str, region: str, group: str | None = None) -> None:
        """Save what is buffered, if anything is for that group (None: for any group), and wait until that was tried."""
        if not any(_within(key, account_id, region, group) for key in (*self._buffers, *self._in_flight)):
            return
        if not self._running:
            await self._save_all()
            return
        request = asyncio.get_running_loop().create_future()
        self._requests.append(request)
        self._now.set()
        self._waiting.set()
        await request

    async def run(self) -> None:
        """Save again and again until `close`; at the end once more."""
        self._running = True
        try:
            while not self._closing:
                await self._waiting.wait()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_S):
                        await self._now.wait()
                if not await self._round() and not self._closing:
                    await asyncio.sleep(FLUSH_S)
        finally:
            self._running = False
            self._answer(self._requests)

    async def close(self) -> None:
        """Let `run` end, and save what is left when it has ended or never ran."""
        self._closing = True
        self._waiting.set()
        self._now.set()
        if not self._running and self._buffers and not await self._save_all():
            _LOG.error("log_events_lost", streams=len(self._buffers), bytes=self._size)

    async def _round(self) -> bool:
        """Save everything once and answer those who asked for it before; False when the store refused."""
        self._waiting.clear()
        self._now.clear()
        requests, self._requests = self._requests, []
        try:
            saved = await self._save_all()
        finally:
            self._answer(requests)
        if not saved:
            self._waiting.set()
        return saved

    @staticmethod
    def _answer(requests: Sequence[asyncio.Future[None]]) -> None:
        for request in requests:
            if not request.done():
                request.set_result(None)

    async def _save_all(self) -> bool:
        """Write all buffers in one unit of work; False when the store refused, and they are kept."""
        async with self._saving:
            return await self._save_buffers()

    async def _save_buffers(self) -> bool:
        taken, self._buffers, self._size = self._buffers, {}, 0
        now_ms = epoch_ms(self._clock)
        batches = [_batch(key, buffer, now_ms) for key, buffer in taken.items() if buffer.events or buffer.dropped]
        if not batches:
            return True
        self._in_flight = taken
        saved = False
        try:
            await self._write(batches, now_ms)
            saved = True
        except (StoreError, OSError) as error:
            _LOG.warning("log_events_not_saved", streams=len(taken), error=str(error))
        finally:
            self._in_flight = {}
            if not saved:
                self._put_back(taken)
        return saved

    async def _write(self, batches: Sequence[Batch], now_ms: int) -> None:
        """One unit of work for all; when the database refuses a statement, one for each, giving up what it refuses again."""
        try:
            await self._store.write(lambda connection: write_batches(connection, batches, now_ms))
        except SQLAlchemyError as error:
            if len(batches) == 1:
                batch = batches[0]
                _LOG.error("log_events_refused", group=batch.group.name, stream=batch.stream, error=str(error))
                return
            for batch in batches:
                await self._write([batch], now_ms)

    def _put_back(self, taken: Mapping[_StreamKey, _Buffer]) -> None:
        """Keep what could not be saved, before what came meanwhile."""
        for key, buffer in taken.items():
            newer = self._buffers.get(key, _Buffer())
            buffer.events.extend(newer.events)
            buffer.size += newer.size
            buffer.dropped += newer.dropped
            self._size += buffer.size - newer.size
            self._buffers[key] = buffer
            self._shrink(buffer)

    def _put(self, buffer: _Buffer, timestamp_ms: int, message: str) -> None:
        size = event_bytes(message)
        buffer.events.append((min(max(timestamp_ms, 0), TIMESTAMP_MS_MAX), message))
        buffer.size += size
        self._size += size

    def _shrink(self, buffer: _Buffer) -> None:
        """Drop a stream's oldest events until the bounds hold."""
        while buffer.events and (buffer.size > STREAM_BYTES_MAX or self._size > TOTAL_BYTES_MAX):
            size = event_bytes(buffer.events.popleft()[1])
            buffer.size -= size
            self._size -= size
            buffer.dropped += 1


def _within(key: _StreamKey, account_id: str, region: str, group: str | None) -> bool:
    return key[0] == account_id and key[1] == region and (group is None or key[2] == group)


def _batch(key: _StreamKey, buffer: _Buffer, now_ms: int) -> Batch:
    """What to write for one stream, with a word about what is missing before it."""
    events = list(buffer.events)
    if buffer.dropped:
        text = f"[functory] {buffer.dropped} earlier log events were dropped: they came faster than they could be saved\n"
        events.insert(0, (events[0][0] if events else now_ms, text))
    return Batch(GroupKey(*key[:3]), key[3], events)


def _storable(message: str) -> Iterator[str]:
    """The message in pieces that the Logs API may hold: valid Unicode, not empty, not over the size of an event."""
    if message.isascii():
        for start in range(0, len(message), _MESSAGE_BYTES_MAX):
            yield message[start : start + _MESSAGE_BYTES_MAX]
        return
    raw = message.encode("utf-8", "replace")
    while raw:
        end = min(len(raw), _MESSAGE_BYTES_MAX)
        while end < len(raw) and raw[end] & 0xC0 == 0x80:
            end -= 1
        yield raw[:end].decode()
        raw = raw[end:]
