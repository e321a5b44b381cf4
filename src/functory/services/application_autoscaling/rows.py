"""The statements of this service: values in, values out, always inside somebody's unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Table, and_, delete, select
from sqlalchemy.sql.elements import ColumnElement

from functory.services.application_autoscaling.records import Action, Activity, Policy, Suspended, Target, TargetKey
from functory.services.application_autoscaling.tables import ACTIONS, ACTIVITIES, POLICIES, TARGET_KEY, TARGETS
from functory.store.port import upsert

R = TypeVar("R", Target, Policy, Action, Activity)
Position = tuple[str, str]
"""Resource and name of the last one seen."""

_JSON = ("suspended", "tags", "configuration")


def _is(table: Table, key: TargetKey) -> ColumnElement[bool]:
    return and_(*(table.c[column] == value for column, value in zip(TARGET_KEY, key, strict=True)))


def _row(record: Target | Policy | Action | Activity) -> dict[str, Any]:
    row = msgspec.structs.asdict(record)
    key = row.pop("key")
    for column in _JSON:
        if column in row:
            row[column] = msgspec.json.encode(row[column]).decode()
    return dict(zip(TARGET_KEY, key, strict=True)) | row


def _record(kind: type[R], row: Any) -> R:
    values = dict(row._mapping)
    key = TargetKey(*(values.pop(column) for column in TARGET_KEY))
    for column in _JSON:
        if column in values:
            shape = Suspended if column == "suspended" else dict[str, Any]
            values[column] = msgspec.json.decode(values[column], type=shape)
    return kind(key=key, **values)


# targets


def get_target(conn: Connection, key: TargetKey) -> Target | None:
    """A scalable target, or None."""
    row = conn.execute(select(TARGETS).where(_is(TARGETS, key))).first()
    return _record(Target, row) if row is not None else None


def find_target(conn: Connection, account_id: str, region: str, target_id: str) -> Target | None:
    """The scalable target of an ARN's last part, or None."""
    here = (TARGETS.c.account_id == account_id, TARGETS.c.region == region, TARGETS.c.target_id == target_id)
    row = conn.execute(select(TARGETS).where(*here)).first()
    return _record(Target, row) if row is not None else None


def put_target(conn: Connection, target: Target) -> None:
    """Write a scalable target."""
    row = _row(target)
    upsert(conn, TARGETS, row, TARGET_KEY, [column for column in row if column not in TARGET_KEY])


def remove_target(conn: Connection, key: TargetKey) -> None:
    """Delete a scalable target with its policies and actions; what was done to it stays known."""
    for table in (POLICIES, ACTIONS, TARGETS):
        conn.execute(delete(table).where(_is(table, key)))


def list_targets(
    conn: Connection, account_id: str, region: str, *, resource_ids: Sequence[str], after: str, limit: int
) -> list[Target]:
    """Targets by resource from behind ``after``; those of the resources that are given, or all."""
    query = select(TARGETS).where(
        TARGETS.c.account_id == account_id, TARGETS.c.region == region, TARGETS.c.resource_id > after
    )
    if resource_ids:
        query = query.where(TARGETS.c.resource_id.in_(list(resource_ids)))
    return [_record(Target, row) for row in conn.execute(query.order_by(TARGETS.c.resource_id).limit(limit))]


def targets_to_apply(conn: Connection) -> list[Target]:
    """Targets of all accounts whose bounds are to be applied."""
    return [_record(Target, row) for row in conn.execute(select(TARGETS).where(TARGETS.c.cause != ""))]


# policies and actions


def get_policy(conn: Connection, key: TargetKey, name: str) -> Policy | None:
    """A policy, or None."""
    row = conn.execute(select(POLICIES).where(_is(POLICIES, key), POLICIES.c.name == name)).first()
    return _record(Policy, row) if row is not None else None


def get_action(conn: Connection, key: TargetKey, name: str) -> Action | None:
    """A scheduled action, or None."""
    row = conn.execute(select(ACTIONS).where(_is(ACTIONS, key), ACTIONS.c.name == name)).first()
    return _record(Action, row) if row is not None else None


def put_policy(conn: Connection, policy: Policy) -> None:
    """Write a policy."""
    _put_part(conn, POLICIES, policy)


def put_action(conn: Connection, action: Action) -> None:
    """Write a scheduled action."""
    _put_part(conn, ACTIONS, action)


def _put_part(conn: Connection, table: Table, record: Policy | Action) -> None:
    row, key = _row(record), (*TARGET_KEY, "name")
    upsert(conn, table, row, key, [column for column in row if column not in key])


def remove_policy(conn: Connection, key: TargetKey, name: str) -> bool:
    """Delete a policy; whether there was one."""
    return conn.execute(delete(POLICIES).where(_is(POLICIES, key), POLICIES.c.name == name)).rowcount == 1


def remove_action(conn: Connection, key: TargetKey, name: str) -> bool:
    """Delete a scheduled action; whether there was one."""
    return conn.execute(delete(ACTIONS).where(_is(ACTIONS, key), ACTIONS.c.name == name)).rowcount == 1


def list_policies(
    conn: Connection,
    account_id: str,
    region: str,
    *,
    resource_id: str,
    names: Sequence[str],
    after: Position,
    limit: int,
) -> list[Policy]:
    """Policies by resource and name; ``""`` for any resource, no names for all."""
    found = conn.execute(_parts(POLICIES, account_id, region, resource_id, names, after, limit))
    return [_record(Policy, row) for row in found]


def list_actions(
    conn: Connection,
    account_id: str,
    region: str,
    *,
    resource_id: str,
    names: Sequence[str],
    after: Position,
    limit: int,
) -> list[Action]:
    """Scheduled actions by resource and name; as `list_policies`."""
    found = conn.execute(_parts(ACTIONS, account_id, region, resource_id, names, after, limit))
    return [_record(Action, row) for row in found]


def _parts(
    table: Table, account_id: str, region: str, resource_id: str, names: Sequence[str], after: Position, limit: int
) -> Any:
    resource, name = table.c.resource_id, table.c.name
    behind = (resource > after[0]) | and_(resource == after[0], name > after[1])
    query = select(table).where(table.c.account_id == account_id, table.c.region == region, behind)
    if resource_id:
        query = query.where(resource == resource_id)
    if names:
        query = query.where(name.in_(list(names)))
    return query.order_by(resource, name).limit(limit)


def all_policies(conn: Connection) -> list[Policy]:
    """Every policy, of all accounts."""
    return [_record(Policy, row) for row in conn.execute(select(POLICIES))]


def due_actions(conn: Connection, now: float) -> list[Action]:
    """Actions of all accounts that are due, the one that has waited longest first."""
    query = select(ACTIONS).where(ACTIONS.c.due_at <= now).order_by(ACTIONS.c.due_at)
    return [_record(Action, row) for row in conn.execute(query)]


# activities


def add_activity(conn: Connection, activity: Activity) -> None:
    """Note what was done."""
    upsert(conn, ACTIVITIES, _row(activity), ("activity_id",))


def list_activities(
    conn: Connection, account_id: str, region: str, *, resource_id: str, since: float, before: tuple[float, str], limit: int
) -> list[Activity]:
    """What was done, the newest first, from before a time and id."""
    started, name = ACTIVITIES.c.started_at, ACTIVITIES.c.activity_id
    query = select(ACTIVITIES).where(
        ACTIVITIES.c.account_id == account_id,
        ACTIVITIES.c.region == region,
        started >= since,
        (started < before[0]) | and_(started == before[0], name < before[1]),
    )
    if resource_id:
        query = query.where(ACTIVITIES.c.resource_id == resource_id)
    found = conn.execute(query.order_by(started.desc(), name.desc()).limit(limit))
    return [_record(Activity, row) for row in found]


def forget_activities(conn: Connection, before: float) -> None:
    """Delete what was done before a time."""
    conn.execute(delete(ACTIVITIES).where(ACTIVITIES.c.started_at < before))
