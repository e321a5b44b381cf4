"""CreateLogStream, DeleteLogStream, DescribeLogStreams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.logs import rules
from functory.services.logs.groups import refuse_if_protected
from functory.services.logs.ingest import add_stream
from functory.services.logs.lookup import find_group, find_stream, key_of, starts_with
from functory.services.logs.room import Room
from functory.services.logs.tables import STREAMS, TRASH

LIMIT_DEFAULT = 50


async def create_log_stream(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """An empty stream in an existing group."""
    key = key_of(context, params["logGroupName"])
    now_ms = room.now_ms()
    await room.settle(context, key.name)

    def work(connection: Connection) -> None:
        add_stream(connection, find_group(connection, key).id, params["logStreamName"], now_ms)

    try:
        await room.store.write(work)
    except IntegrityError:
        raise AwsError("ResourceAlreadyExistsException", "The specified log stream already exists") from None
    return {}


async def delete_log_stream(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The stream is gone at once; its events are removed in the background."""
    key = key_of(context, params["logGroupName"])
    await room.settle(context, key.name)

    def work(connection: Connection) -> None:
        group = find_group(connection, key)
        stream = find_stream(connection, group.id, params["logStreamName"])
        refuse_if_protected(group)
        connection.execute(delete(STREAMS).where(STREAMS.c.id == stream.id))
        connection.execute(insert(TRASH).values(group_id=group.id, stream_id=stream.id))

    await room.store.write(work)
    room.nudge.set()
    return {}


async def describe_log_streams(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: ``storedBytes`` of a stream is always 0. Differs: times are exact at once, tokens do not expire."""
    name = rules.group_asked_for(context, params)
    key = key_of(context, name)
    by_time = params.get("orderBy", "LogStreamName") == "LastEventTime"
    if by_time and "logStreamNamePrefix" in params:
        raise rules.invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    limit = params.get("limit", LIMIT_DEFAULT)
    await room.settle(context, name)
    after = rules.parse_token(params["nextToken"], tuple[bool, int, str]) if "nextToken" in params else None
    if after is not None and after[0] != by_time:
        raise rules.bad_token()

    def work(connection: Connection) -> list[Row[Any]]:
        group = find_group(connection, key)
        return _page(connection, group.id, params, after[1:] if after else None, limit + 1, by_time=by_time)

    rows = await room.store.read(work)
    result: dict[str, Any] = {"logStreams": [_described(context, name, row) for row in rows[:limit]]}
    if len(rows) > limit:
        last = rows[limit - 1]
        result["nextToken"] = rules.render_token([by_time, last.last_event_ms or 0, last.name])
    return result


def _page(
    connection: Connection,
    group_id: int,
    params: Mapping[str, Any],
    after: tuple[int, str] | None,
    count: int,
    *,
    by_time: bool,
) -> list[Row[Any]]:
    """``count`` streams in the order asked for, those after a time and name."""
    descending = params.get("descending", False)
    time, name = func.coalesce(STREAMS.c.last_event_ms, 0), STREAMS.c.name
    columns = (time, name) if by_time else (name,)
    statement = select(STREAMS).where(STREAMS.c.group_id == group_id)
    if "logStreamNamePrefix" in params:
        statement = statement.where(starts_with(name, params["logStreamNamePrefix"]))
    if after is not None:
        further = name < after[1] if descending else name > after[1]
        if by_time:
            beyond = time < after[0] if descending else time > after[0]
            further = or_(beyond, and_(time == after[0], further))
        statement = statement.where(further)
    order = [column.desc() if descending else column.asc() for column in columns]
    return list(connection.execute(statement.order_by(*order).limit(count)).all())


def _described(context: CallContext, group: str, row: Row[Any]) -> dict[str, Any]:
    result = {
        "logStreamName": row.name,
        "creationTime": row.created_ms,
        "firstEventTimestamp": row.first_event_ms,
        "lastEventTimestamp": row.last_event_ms,
        "lastIngestionTime": row.last_ingestion_ms,
        "uploadSequenceToken": rules.sequence_token(row.id, row.next_sequence) if row.next_sequence else None,
        "arn": rules.stream_arn(context, group, row.name),
        "storedBytes": 0,
    }
    return {name: value for name, value in result.items() if value is not None}
