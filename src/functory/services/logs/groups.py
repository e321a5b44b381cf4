"""CreateLogGroup, DeleteLogGroup, DescribeLogGroups, ListLogGroups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.logs import rules
from functory.services.logs.ingest import add_group
from functory.services.logs.lookup import find_group, key_of, starts_with
from functory.services.logs.room import Room
from functory.services.logs.tables import GROUPS, TRASH

LIMIT_DEFAULT = 50
CLASS = "STANDARD"


async def create_log_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Differs: ``kmsKeyId`` and classes other than STANDARD are refused."""
    name = params["logGroupName"]
    rules.check_group_name(name)
    if "kmsKeyId" in params:
        raise rules.invalid("kmsKeyId is not supported: log events are not encrypted with KMS keys.")
    if params.get("logGroupClass", CLASS) != CLASS:
        raise rules.invalid(f"logGroupClass {params['logGroupClass']} is not supported: only {CLASS} is.")
    tags = rules.merge_tags({}, params.get("tags", {}), rules.group_arn(context, name))
    protected = params.get("deletionProtectionEnabled", False)
    key, now_ms = key_of(context, name), room.now_ms()
    await room.settle(context, name)
    try:
        await room.store.write(lambda connection: add_group(connection, key, now_ms, tags=tags, protected=protected))
    except IntegrityError:
        raise AwsError("ResourceAlreadyExistsException", "The specified log group already exists") from None
    return {}


async def delete_log_group(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The group is gone at once; its streams and events are removed in the background."""
    key = key_of(context, params["logGroupName"])
    await room.settle(context, key.name)  # else what is buffered would make the group again

    def work(connection: Connection) -> None:
        group = find_group(connection, key)
        refuse_if_protected(group)
        connection.execute(delete(GROUPS).where(GROUPS.c.id == group.id))
        connection.execute(insert(TRASH).values(group_id=group.id))

    await room.store.write(work)
    room.nudge.set()
    return {}


def refuse_if_protected(group: Row[Any]) -> None:
    """Deletion protection covers the group and its streams.

    Raises:
        AwsError: ValidationException.
    """
    if group.protected:
        raise AwsError(
            "ValidationException", "The specified log group has deletion protection enabled. Disable it before deleting."
        )


async def describe_log_groups(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: sorted by name. Differs: a name pattern leaves no members out; there are no linked accounts."""
    _check_filters(params)
    conditions = _here(context, params)
    if "logGroupNamePrefix" in params:
        conditions.append(starts_with(GROUPS.c.name, params["logGroupNamePrefix"]))
    if params.get("logGroupNamePattern"):
        conditions.append(_contains(params["logGroupNamePattern"]))
    if "logGroupIdentifiers" in params:
        names = {rules.group_of_identifier(context, each) for each in params["logGroupIdentifiers"]}
        conditions.append(GROUPS.c.name.in_(sorted(names)))
    rows, token = await _page(room, context, conditions, params)
    result: dict[str, Any] = {"logGroups": [_described(context, row) for row in rows]}
    return result | token


async def list_log_groups(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: ``^`` anchors at the start, ``|`` separates alternatives. Differs: filters by tag, source, index are refused."""
    for absent in ("dataSources", "fieldIndexNames", "logGroupTags"):
        if absent in params:
            raise rules.invalid(f"{absent} is not supported.")
    conditions = _here(context, params)
    if "logGroupNamePattern" in params:
        conditions.append(or_(*(_alternative(part) for part in params["logGroupNamePattern"].split("|"))))
    rows, token = await _page(room, context, conditions, params)
    groups = [
        {"logGroupName": row.name, "logGroupArn": rules.group_arn(context, row.name), "logGroupClass": CLASS} for row in rows
    ]
    result: dict[str, Any] = {"logGroups": groups}
    return result | token


def _check_filters(params: Mapping[str, Any]) -> None:
    if "logGroupNamePrefix" in params and "logGroupNamePattern" in params:
        raise rules.invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    others = {"logGroupNamePrefix", "logGroupNamePattern", "logGroupClass", "nextToken", "limit"} & params.keys()
    if "logGroupIdentifiers" in params and others:
        raise rules.invalid(f"logGroupIdentifiers cannot be combined with {', '.join(sorted(others))}.")


def _here(context: CallContext, params: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """The caller's groups of the class and accounts asked for."""
    conditions = [GROUPS.c.account_id == context.account_id, GROUPS.c.region == context.region]
    accounts = params.get("accountIdentifiers") if params.get("includeLinkedAccounts") else None
    if accounts:
        conditions.append(GROUPS.c.account_id.in_(accounts))
    if params.get("logGroupClass", CLASS) != CLASS:
        conditions.append(GROUPS.c.id < 0)  # groups of other classes cannot exist here
    return conditions


def _contains(text: str) -> ColumnElement[bool]:
    """Case-sensitive substring match (``LIKE`` ignores case on SQLite)."""
    return func.replace(GROUPS.c.name, text, "") != GROUPS.c.name


def _alternative(part: str) -> ColumnElement[bool]:
    return starts_with(GROUPS.c.name, part[1:]) if part.startswith("^") else _contains(part)


async def _page(
    room: Room, context: CallContext, conditions: list[ColumnElement[bool]], params: Mapping[str, Any]
) -> tuple[list[Row[Any]], dict[str, Any]]:
    """The groups of one page by name, and the member ``nextToken`` when there are more."""
    limit = params.get("limit", LIMIT_DEFAULT)
    if "nextToken" in params:
        (after,) = rules.parse_token(params["nextToken"], tuple[str])
        conditions = [*conditions, GROUPS.c.name > after]
    await room.settle(context)
    statement = select(GROUPS).where(*conditions).order_by(GROUPS.c.name).limit(limit + 1)
    rows = await room.store.read(lambda connection: list(connection.execute(statement).all()))
    if len(rows) <= limit:
        return rows, {}
    return rows[:limit], {"nextToken": rules.render_token([rows[limit - 1].name])}


def _described(context: CallContext, row: Row[Any]) -> dict[str, Any]:
    arn = rules.group_arn(context, row.name)
    result = {
        "logGroupName": row.name,
        "creationTime": row.created_ms,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "storedBytes": row.stored_bytes,
        "logGroupClass": CLASS,
        "logGroupArn": arn,
        "deletionProtectionEnabled": row.protected,
    }
    return result if row.retention_days is None else result | {"retentionInDays": row.retention_days}
