"""Chunks: how log events lie in one row. Pure.

**Theory.** A chunk is a list of *segments*. A segment is what was ingested at one time: its ingestion time, the sequence
number of its first event, and its events in the order they came. Merging chunks only joins their segment lists, so an
event keeps its sequence number and ingestion time for ever, and with them its event id.

The body is MessagePack, deflated when that pays; the first byte tells which.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

SPAN_MS_MAX = 3_600_000
"""No chunk spans more than this between its first and its last timestamp."""

CHUNK_BYTES_MAX = 1_048_576
"""A chunk is closed before it grows beyond this; a single event may exceed it."""

SMALL_BYTES = 64 * 1024
"""Chunks below this are worth merging."""

MERGED_BYTES_MAX = 256 * 1024
"""Merging stops here, so that a reader need not decode much more than it returns."""

EVENT_OVERHEAD_BYTES = 26
"""AWS counts every event as its UTF-8 length plus this."""

_DEFLATE_FROM_BYTES = 512
_PLAIN, _DEFLATED = b"\x00", b"\x01"

Event = tuple[int, str]
"""Epoch milliseconds and message."""


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """Events ingested together; event ``i`` has sequence number ``first_sequence + i``."""

    ingested_ms: int
    first_sequence: int
    events: list[Event]


@dataclass(frozen=True, slots=True)
class Stored:
    """One event as it is read back."""

    timestamp_ms: int
    ingested_ms: int
    stream_id: int
    sequence: int
    message: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What one chunk row says about its events."""

    first_ms: int
    last_ms: int
    event_count: int
    event_bytes: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A chunk row without its body, for planning merges."""

    chunk_id: int
    piece: Piece


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Segment])


def event_bytes(message: str) -> int:
    """What AWS counts for an event: UTF-8 length plus 26."""
    return (len(message) if message.isascii() else len(message.encode())) + EVENT_OVERHEAD_BYTES


def encode(segments: Sequence[Segment]) -> bytes:
    """The body of a chunk."""
    packed = _ENCODER.encode(segments)
    if len(packed) >= _DEFLATE_FROM_BYTES:
        deflated = zlib.compress(packed, 1)
        if len(deflated) < len(packed):
            return _DEFLATED + deflated
    return _PLAIN + packed


def decode(body: bytes) -> list[Segment]:
    """The segments of a body made by `encode`."""
    packed = zlib.decompress(body[1:]) if body[:1] == _DEFLATED else body[1:]
    return _DECODER.decode(packed)


def events_of(body: bytes, stream_id: int) -> Iterator[Stored]:
    """Every event of a chunk, in the order of ingestion."""
    for segment in decode(body):
        for offset, (timestamp_ms, message) in enumerate(segment.events):
            yield Stored(timestamp_ms, segment.ingested_ms, stream_id, segment.first_sequence + offset, message)


def split(events: Iterable[Event]) -> Iterator[tuple[Piece, list[Event]]]:
    """Cut events, in their order, into pieces that fit a chunk's size and span."""
    taken: list[Event] = []
    first_ms = last_ms = total = 0
    for event in events:
        timestamp_ms, message = event
        size = event_bytes(message)
        low, high = (min(first_ms, timestamp_ms), max(last_ms, timestamp_ms)) if taken else (timestamp_ms, timestamp_ms)
        if taken and (total + size > CHUNK_BYTES_MAX or high - low > SPAN_MS_MAX):
            yield Piece(first_ms, last_ms, len(taken), total), taken
            taken, total, low, high = [], 0, timestamp_ms, timestamp_ms
        taken.append(event)
        first_ms, last_ms, total = low, high, total + size
    if taken:
        yield Piece(first_ms, last_ms, len(taken), total), taken


def join(pieces: Sequence[Piece]) -> Piece:
    """What the row of a merged chunk says."""
    return Piece(
        min(piece.first_ms for piece in pieces),
        max(piece.last_ms for piece in pieces),
        sum(piece.event_count for piece in pieces),
        sum(piece.event_bytes for piece in pieces),
    )


def plan_merges(small: Sequence[Summary]) -> list[list[Summary]]:
    """Which neighbours to merge: runs of at least two chunks that together keep the limits.

    Args:
        small: chunks of one stream, oldest first.
    """
    runs: list[list[Summary]] = []
    run: list[Summary] = []
    for summary in small:
        joined = join([*(each.piece for each in run), summary.piece])
        if run and (joined.event_bytes > MERGED_BYTES_MAX or joined.last_ms - joined.first_ms > SPAN_MS_MAX):
            runs.append(run)
            run = []
        run.append(summary)
    runs.append(run)
    return [each for each in runs if len(each) > 1]
