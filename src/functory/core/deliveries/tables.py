"""The table of deliveries.

A row is a delivery that is not over: there is no state column, the row's absence is the end. ``leased_by`` says which node
has it in its memory (null: nobody, it waits for ``due_at``). Times are seconds since 1970 as doubles.

Both indexes are partial, so that a delivery that is accepted and handed straight to a worker touches neither of the two
that it does not need: one serves the waiting rows per target in the order of their due times, the other finds the leases
that ran out.
"""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, Table, Text

from functory.store.port import METADATA

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("target_kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("function_errors", Integer, nullable=False),
    Column("system_errors", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("leased_by", Text),
    Column("leased_until", Double),
)

_WAITING = DELIVERIES.c.leased_by.is_(None)
_LEASED = DELIVERIES.c.leased_by.is_not(None)

Index(
    "ix_deliveries_waiting",
    DELIVERIES.c.target_kind,
    DELIVERIES.c.target,
    DELIVERIES.c.due_at,
    DELIVERIES.c.leased_by,  # always null here; with it SQLite answers from the index alone
    sqlite_where=_WAITING,
    postgresql_where=_WAITING,
)
Index(
    "ix_deliveries_leased",
    DELIVERIES.c.leased_until,
    sqlite_where=_LEASED,
    postgresql_where=_LEASED,
)
