"""The statements over the table of deliveries. Functions of a connection: they run inside units of work."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from functory.core.deliveries.lanes import LaneKey, Want
from functory.core.deliveries.port import Delivery, Tally
from functory.core.deliveries.tables import DELIVERIES

ERROR_CHARACTERS_MAX = 1024
_T = DELIVERIES.c

# Statements are built once: to build one costs more than to run it.
_INSERT = insert(DELIVERIES)
_DELETE = delete(DELIVERIES).where(_T.id == bindparam("delivery"))
_RESCHEDULE = (
    update(DELIVERIES)
    .where(_T.id == bindparam("delivery"), _T.leased_by == bindparam("owner"))
    .values(
        due_at=bindparam("due"),
        attempts=bindparam("made"),
        function_errors=bindparam("function"),
        system_errors=bindparam("system"),
        last_error=bindparam("error"),
        leased_by=None,
        leased_until=None,
    )
)
_RENEW = (
    update(DELIVERIES)
    .where(_T.id == bindparam("delivery"), _T.leased_by == bindparam("owner"))
    .values(leased_until=bindparam("until"))
)
_LEASE = (
    update(DELIVERIES)
    .where(_T.id == bindparam("delivery"))
    .values(leased_by=bindparam("owner"), leased_until=bindparam("until"))
)
_IS_LEASED = _T.leased_by.is_not(None)
_RELEASE = update(DELIVERIES).where(_IS_LEASED, _T.leased_by == bindparam("owner")).values(leased_by=None, leased_until=None)
_TAKE_AWAY = (
    update(DELIVERIES).where(_IS_LEASED, _T.leased_until <= bindparam("now")).values(leased_by=None, leased_until=None)
)
_EXPIRED = select(_T.id).where(_IS_LEASED, _T.leased_until <= bindparam("now")).limit(1)
_IN_LANE = (_T.leased_by.is_(None), _T.target_kind == bindparam("kind"), _T.target == bindparam("to"))
_CANDIDATES = (
    select(_T.id, func.length(_T.payload))
    .where(*_IN_LANE, _T.due_at <= bindparam("now"))
    .order_by(_T.due_at)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)
_CHOSEN = select(DELIVERIES).where(_T.id.in_(bindparam("chosen", expanding=True))).order_by(_T.due_at)
_EARLIEST = select(func.min(_T.due_at)).where(*_IN_LANE)
_DISCOVER = (
    select(_T.target_kind, _T.target, func.min(_T.due_at)).where(_T.leased_by.is_(None)).group_by(_T.target_kind, _T.target)
)


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a delivery, and until when (epoch seconds)."""

    owner: str
    until: float


@dataclass(slots=True)
class Batch:
    """Changes to make in one unit of work.

    Attributes:
        inserts: rows of new deliveries.
        deletes: ids of those that are over, nothing follows.
        endings: id -> rows to insert when this call ended it, and it was not over before.
        reschedules: parameters of the next attempt.
    """

    inserts: list[dict[str, Any]] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    endings: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    reschedules: list[dict[str, Any]] = field(default_factory=list)

    def apply(self, connection: Connection) -> None:
        """The unit of work."""
        inserts = list(self.inserts)
        for ended, follow_ups in self.endings:
            if connection.execute(_DELETE, {"delivery": ended}).rowcount == 1:
                inserts += follow_ups
        if inserts:
            connection.execute(_INSERT, inserts)
        if self.deletes:
            connection.execute(_DELETE, [{"delivery": ended} for ended in self.deletes])
        if self.reschedules:
            connection.execute(_RESCHEDULE, self.reschedules)


@dataclass(frozen=True, slots=True)
class Claim:
    """What was taken from the table.

    Attributes:
        deliveries: lane -> what is now leased by the caller.
        waiting: lane -> the earliest due time of what still waits there; absent when nothing does.
    """

    deliveries: dict[LaneKey, list[Delivery]]
    waiting: dict[LaneKey, float]


def row(delivery: Delivery) -> dict[str, Any]:
    """A delivery as a row that waits.

    Raises:
        TypeError: JSON cannot hold the attributes.
    """
    return {
        "id": delivery.id,
        "target_kind": delivery.target_kind,
        "target": delivery.target,
        "payload": delivery.payload,
        "attributes": msgspec.json.encode(delivery.attributes).decode() if delivery.attributes else "{}",
        "created_at": delivery.created_at,
        "due_at": delivery.due_at,
        "expires_at": delivery.expires_at,
        "attempts": delivery.tally.attempts,
        "function_errors": delivery.tally.function_errors,
        "system_errors": delivery.tally.system_errors,
        "last_error": delivery.last_error,
        "leased_by": None,
        "leased_until": None,
    }


def reschedule(delivery: Delivery, due_at: float, tally: Tally, error: str, owner: str) -> dict[str, Any]:
    """The parameters for `Batch.reschedules`: wait for ``due_at``, unless another node has taken the lease over."""
    return {
        "delivery": delivery.id,
        "owner": owner,
        "due": due_at,
        "made": tally.attempts,
        "function": tally.function_errors,
        "system": tally.system_errors,
        "error": error[:ERROR_CHARACTERS_MAX],
    }


def claim(connection: Connection, wants: Sequence[Want], now: float, lease: Lease) -> Claim:
    """Lease due waiting deliveries: of each lane at most as many, and as many bytes, as wanted."""
    deliveries: dict[LaneKey, list[Delivery]] = {}
    waiting: dict[LaneKey, float] = {}
    for want in wants:
        lane = {"kind": want.key[0], "to": want.key[1]}
        candidates = connection.execute(_CANDIDATES, {**lane, "now": now, "count": want.count}).all()
        if chosen := _within(candidates, want.size):
            found = connection.execute(_CHOSEN, {"chosen": chosen}).all()
            deliveries[want.key] = [_delivery(each) for each in found]
            connection.execute(_LEASE, [{"delivery": id_, "owner": lease.owner, "until": lease.until} for id_ in chosen])
        earliest = connection.execute(_EARLIEST, lane).scalar_one()
        if earliest is not None:
            waiting[want.key] = earliest
    return Claim(deliveries, waiting)


def discover(connection: Connection) -> dict[LaneKey, float]:
    """Every lane with waiting deliveries -> the earliest due time there."""
    return {(kind, target): due_at for kind, target, due_at in connection.execute(_DISCOVER)}


def has_expired_lease(connection: Connection, now: float) -> bool:
    """Whether a lease ran out: its owner is gone, or lost its memory of it."""
    return connection.execute(_EXPIRED, {"now": now}).first() is not None


def renew(connection: Connection, ids: Collection[str], lease: Lease, now: float) -> None:
    """Prolong the leases of ``ids``, then take away those that ran out."""
    if ids:
        connection.execute(_RENEW, [{"delivery": id_, "owner": lease.owner, "until": lease.until} for id_ in ids])
    connection.execute(_TAKE_AWAY, {"now": now})


def release(connection: Connection, owner: str) -> int:
    """Take every lease away from ``owner``; how many there were."""
    return connection.execute(_RELEASE, {"owner": owner}).rowcount


def enqueue(connection: Connection, *deliveries: Delivery) -> None:
    """Add prepared deliveries inside any unit of work: the transactional outbox.

    They become durable together with whatever else the unit does. Afterwards `Deliveries.nudge` makes them go at once;
    without it they are found within seconds.
    """
    if deliveries:
        connection.execute(_INSERT, [row(delivery) for delivery in deliveries])


def _within(candidates: Iterable[Row[str, int]], size: int) -> list[str]:
    """The first candidates that fit into ``size`` bytes together; the very first in any case."""
    chosen: list[str] = []
    for id_, length in candidates:
        size -= length
        if chosen and size < 0:
            break
        chosen.append(id_)
    return chosen


def _delivery(found: Row[Any, Any]) -> Delivery:
    return Delivery(
        id=found.id,
        target_kind=found.target_kind,
        target=found.target,
        payload=bytes(found.payload),
        attributes=msgspec.json.decode(found.attributes),
        created_at=found.created_at,
        due_at=found.due_at,
        expires_at=found.expires_at,
        tally=Tally(found.attempts, found.function_errors, found.system_errors),
        last_error=found.last_error,
    )
