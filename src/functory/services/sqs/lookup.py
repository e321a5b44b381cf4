"""Finding queues in the store. Functions of a connection: they run inside units of work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, and_, select

from functory.services.sqs import attribute_rules
from functory.services.sqs.addresses import QueueKey
from functory.services.sqs.errors import no_queue
from functory.services.sqs.tables import QUEUES


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue as it is now.

    Attributes:
        kept: the attributes that somebody set.
    """

    id: int
    key: QueueKey
    kept: Mapping[str, str]
    tags: Mapping[str, str]
    created_s: int
    modified_s: int
    purged_ms: int

    def attribute(self, name: str) -> str:
        """The value in force."""
        return self.kept.get(name) or attribute_rules.defaults(is_fifo=self.key.is_fifo)[name]

    def number(self, name: str) -> int:
        """The value in force of one of `attribute_rules.NUMBERS`."""
        value = self.kept.get(name)
        return int(value) if value is not None else attribute_rules.NUMBERS[name][2]


def find(connection: Connection, key: QueueKey) -> Queue | None:
    """The queue, or None."""
    condition = and_(QUEUES.c.account_id == key.account_id, QUEUES.c.region == key.region, QUEUES.c.name == key.name)
    row = connection.execute(select(QUEUES).where(condition)).one_or_none()
    return of_row(row) if row is not None else None


def require(connection: Connection, key: QueueKey) -> Queue:
    """The queue.

    Raises:
        AwsError: QueueDoesNotExist.
    """
    queue = find(connection, key)
    if queue is None:
        raise no_queue()
    return queue


def of_row(row: Row[tuple[object, ...]]) -> Queue:
    """A row of `QUEUES` as a value."""
    key = QueueKey(row.account_id, row.region, row.name)
    return Queue(row.id, key, row.attributes, row.tags, row.created_s, row.modified_s, row.purged_ms)
