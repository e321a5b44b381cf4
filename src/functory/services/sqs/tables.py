"""The tables of the ``sqs`` service.

**Theory.** A message is one row from SendMessage until DeleteMessage. When it can be received is one number, `visible_ms`:
the time it was sent plus its delay, and after each receive the end of its visibility timeout. What is *delayed* has never
been received; what is *in flight* has been, and its `visible_ms` lies in the future. Ids ascend, so they order messages and
are the base of FIFO sequence numbers; they are never reused. Bodies of queues with SqsManagedSseEnabled are sealed.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from functory.store.port import METADATA

_ID = BigInteger().with_variant(Integer(), "sqlite")
_NAME = String(80).with_variant(String(80, collation="C"), "postgresql")  # AWS sorts names by their bytes

QUEUES = Table(
    "sqs_queues",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("name", _NAME, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("modified_s", BigInteger, nullable=False),
    Column("purged_ms", BigInteger, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    UniqueConstraint("account_id", "region", "name"),
    sqlite_autoincrement=True,
)

DELETED = Table(
    "sqs_deleted_queues",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("name", _NAME, primary_key=True),
    Column("deleted_ms", BigInteger, nullable=False),
)

MESSAGES = Table(
    "sqs_messages",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("queue_id", BigInteger, nullable=False),
    Column("message_id", String(36), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("is_sealed", Boolean, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("trace_header", Text, nullable=False),
    Column("sender_id", Text, nullable=False),
    Column("sent_ms", BigInteger, nullable=False),
    Column("visible_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("receive_count", Integer, nullable=False),
    Column("receipt", String(32), nullable=False),
    Column("group_id", Text),
    Column("deduplication_id", Text),
    Column("source_arn", Text, nullable=False),
    Index("ix_sqs_messages_visible", "queue_id", "visible_ms", "id"),
    Index("ix_sqs_messages_group", "queue_id", "group_id", "visible_ms"),
    Index("ix_sqs_messages_sent", "queue_id", "sent_ms"),
    sqlite_autoincrement=True,
)

DEDUPLICATION = Table(
    "sqs_deduplication",
    METADATA,
    Column("queue_id", BigInteger, primary_key=True, autoincrement=False),
    Column("scope", Text, primary_key=True),
    Column("message_id", String(36), nullable=False),
    Column("sequence", String(20), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Index("ix_sqs_deduplication_expires", "expires_ms"),
)

MOVE_TASKS = Table(
    "sqs_move_tasks",
    METADATA,
    Column("handle", Text, primary_key=True),
    Column("source_arn", Text, nullable=False),
    Column("destination_arn", Text, nullable=False),
    Column("per_second", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("to_move", BigInteger, nullable=False),
    Column("moved", BigInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("failure", Text, nullable=False),
    Index("ix_sqs_move_tasks_source", "source_arn", "started_ms"),
)
