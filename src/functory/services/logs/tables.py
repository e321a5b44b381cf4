"""The tables of the ``logs`` service.

**Theory.** Function logs are many and small, and are read far less often than written, so events are not rows. They are
stored in *chunks*: one row holds the events of one stream from one flush (or, after compaction, of many flushes). A row
carries what queries need to leave it out: its time range. Within a stream every event has a sequence number, which never
changes, whichever chunk the event ends up in.

A chunk spans at most `chunks.SPAN_MS_MAX`, so that a range query finds its first chunk with an index.

Ids are never reused (``sqlite_autoincrement``): chunks of a deleted group wait in `TRASH` for the background job while a
group of the same name may already exist again.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)

from functory.store.port import METADATA

COMPACT_AFTER_CHUNKS = 16
"""How many small chunks a stream may gain before the background job merges them."""

_ID = BigInteger().with_variant(Integer(), "sqlite")
_NAME = String(512).with_variant(String(512, collation="C"), "postgresql")  # AWS sorts names by their bytes

GROUPS = Table(
    "log_groups",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("name", _NAME, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("retention_days", Integer),
    Column("protected", Boolean, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    Column("tags", JSON, nullable=False),
    UniqueConstraint("account_id", "region", "name"),
    sqlite_autoincrement=True,
)

STREAMS = Table(
    "log_streams",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("group_id", BigInteger, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("first_event_ms", BigInteger),
    Column("last_event_ms", BigInteger),
    Column("last_ingestion_ms", BigInteger),
    Column("next_sequence", BigInteger, nullable=False),
    Column("small_chunks", Integer, nullable=False),
    UniqueConstraint("group_id", "name"),
    sqlite_autoincrement=True,
)

Index(
    "ix_log_streams_to_compact",
    STREAMS.c.small_chunks,
    sqlite_where=text(f"small_chunks >= {COMPACT_AFTER_CHUNKS}"),
    postgresql_where=text(f"small_chunks >= {COMPACT_AFTER_CHUNKS}"),
)

CHUNKS = Table(
    "log_chunks",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("group_id", BigInteger, nullable=False),
    Column("stream_id", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("event_count", Integer, nullable=False),
    Column("event_bytes", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_log_chunks_stream_first", "stream_id", "first_ms"),
    Index("ix_log_chunks_stream_last", "stream_id", "last_ms"),
    Index("ix_log_chunks_group_first", "group_id", "first_ms"),
    Index("ix_log_chunks_group_last", "group_id", "last_ms"),
    sqlite_autoincrement=True,
)

TRASH = Table(
    "log_trash",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("group_id", BigInteger),
    Column("stream_id", BigInteger),
    sqlite_autoincrement=True,
)
