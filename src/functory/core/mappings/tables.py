"""The table of event source mappings."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Double, Index, String, Table, Text

from functory.store.port import METADATA

MAPPINGS = Table(
    "event_source_mappings",
    METADATA,
    Column("uuid", String(36), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("function_name", String(64), nullable=False),
    Column("qualifier", String(128), nullable=False),
    Column("source_arn", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("config", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Index("ix_event_source_mappings_function", "account_id", "region", "function_name"),
    Index("ix_event_source_mappings_source", "source_arn"),
)
