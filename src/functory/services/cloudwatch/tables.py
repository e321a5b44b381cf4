"""The tables of the ``cloudwatch`` service.

A *metric* is a namespace, a name and dimensions; the digest of these finds its row. A *point* holds all values of one metric
and unit in one period as a `functory.kernel.distribution.Distribution`, so that any statistic, percentiles included, can be
had of any number of points together.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from functory.store.port import METADATA

_ID = BigInteger().with_variant(Integer(), "sqlite")

METRICS = Table(
    "cloudwatch_metrics",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("namespace", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("dimensions", Text, nullable=False),  # JSON list of [name, value], sorted
    Column("last_at", BigInteger, nullable=False),  # epoch seconds of the newest point
    UniqueConstraint("account_id", "region", "digest"),
    sqlite_autoincrement=True,
)

POINTS = Table(
    "cloudwatch_points",
    METADATA,
    Column("metric_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),  # epoch seconds of the period's begin
    Column("period_s", Integer, primary_key=True, autoincrement=False),
    Column("unit", String(32), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Index("ix_cloudwatch_points_age", "period_s", "at"),
)
