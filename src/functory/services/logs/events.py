"""PutLogEvents, GetLogEvents, FilterLogEvents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from functory.core.calls import CallContext
from functory.services.logs import pattern, rules
from functory.services.logs.chunks import Stored, event_bytes
from functory.services.logs.ingest import write_events
from functory.services.logs.lookup import find_group, find_stream, key_of, starts_with
from functory.services.logs.room import Room
from functory.services.logs.scan import TIME_MAX_MS, Key, Window, group_key, scan, stream_key
from functory.services.logs.tables import CHUNKS, STREAMS, TRASH

SEARCH_BYTES_MAX = 16 * 1024 * 1024
"""What one FilterLogEvents call looks through before it answers with a token."""

DESCENDING_SINCE_MS = 1_704_067_200_000  # AWS: 2024-01-01, the earliest startTime for startFromHead=false
_NAMES_PER_QUERY = 500


async def put_log_events(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: sequence tokens are ignored. Differs: entities are not kept, and the answer says so."""
    key = key_of(context, params["logGroupName"])
    events = [(int(event["timestamp"]), str(event["message"])) for event in params["logEvents"]]
    now_ms = room.now_ms()
    await room.settle(context, key.name)

    def work(connection: Connection) -> tuple[tuple[int, int], dict[str, int]]:
        group = find_group(connection, key)
        stream = find_stream(connection, group.id, params["logStreamName"])
        checked = rules.check_batch(events, group.retention_days, now_ms)
        if not checked.events:
            return (stream.id, stream.next_sequence), checked.rejected
        return write_events(connection, group.id, stream.name, checked.events, now_ms), checked.rejected

    place, rejected = await room.store.write(work)
    result: dict[str, Any] = {"nextSequenceToken": rules.sequence_token(*place)}
    if rejected:
        result["rejectedLogEventsInfo"] = rejected
    if "entity" in params:
        result["rejectedEntityInfo"] = {"errorType": "UnsupportedLogGroupType"}
    return result


async def get_log_events(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: pages are ascending; the token asked with comes back when nothing lies beyond it.

    Differs: tokens do not expire.
    """
    key = key_of(context, rules.group_asked_for(context, params))
    token = params.get("nextToken")
    place = rules.parse_place(token) if token is not None else None
    now_ms = room.now_ms()
    await room.settle(context, key.name)

    def work(connection: Connection) -> tuple[int, list[Stored]]:
        group = find_group(connection, key)
        stream = find_stream(connection, group.id, params["logStreamName"])
        window = _window(params, group, now_ms, params.get("endTime", TIME_MAX_MS + 1) - 1)
        return stream.id, _page(connection, stream.id, window, place, params)

    stream_id, found = await room.store.read(work)
    forward, backward = _around(place, found)
    return {
        "events": [
            {"timestamp": event.timestamp_ms, "message": event.message, "ingestionTime": event.ingested_ms}
            for event in found
        ],
        "nextForwardToken": rules.render_place(forward, stream_id),
        "nextBackwardToken": rules.render_place(backward, stream_id),
    }


def _window(params: Mapping[str, Any], group: Row[Any], now_ms: int, last_ms: int) -> Window:
    """The timestamps asked for, without what has expired."""
    return Window(max(params.get("startTime", 0), rules.oldest_kept_ms(group.retention_days, now_ms)), last_ms)


def _page(
    connection: Connection, stream_id: int, window: Window, place: rules.Place | None, params: Mapping[str, Any]
) -> list[Stored]:
    """One page of a stream, ascending."""
    forward = place.forward if place else bool(params.get("startFromHead", False))
    after = (place.timestamp_ms, place.sequence) if place else None
    if place and forward:
        window = Window(max(window.first_ms, place.timestamp_ms), window.last_ms)
    elif place:
        window = Window(window.first_ms, min(window.last_ms, place.timestamp_ms))
    found = scan(connection, CHUNKS.c.stream_id == stream_id, window, stream_key, forward=forward)
    beyond = (event for event in found if after is None or _is_beyond(stream_key(event), after, forward=forward))
    page = list(_fill(beyond, params.get("limit", rules.PAGE_EVENTS_MAX)))
    return page if forward else page[::-1]


def _is_beyond(key: Key, after: Key, *, forward: bool) -> bool:
    return key > after if forward else key < after


def _fill(events: Iterator[Stored], limit: int) -> Iterator[Stored]:
    """As many events as one answer may hold, but at least one."""
    total = 0
    for event in islice(events, min(limit, rules.PAGE_EVENTS_MAX)):
        size = event_bytes(event.message)
        if total and total + size > rules.PAGE_BYTES_MAX:
            return
        total += size
        yield event


def _around(place: rules.Place | None, page: Sequence[Stored]) -> tuple[rules.Place, rules.Place]:
    """Where to go on after (forward) and before (backward) a page."""
    if page:
        first, last = page[0], page[-1]
        return (
            rules.Place(True, last.timestamp_ms, last.sequence),
            rules.Place(False, first.timestamp_ms, first.sequence),
        )
    if place is None:
        return rules.Place(True, 0, -1), rules.Place(False, 0, -1)
    if place.forward:
        return place, rules.Place(False, place.timestamp_ms, place.sequence + 1)
    return rules.Place(True, place.timestamp_ms, max(place.sequence - 1, -1)), place


@dataclass(frozen=True, slots=True)
class _Found:
    """One answer of a search: events with their streams' names, and where to go on (None: nothing is left)."""

    events: list[tuple[str, Stored]]
    resume_after: Key | None


async def filter_log_events(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: streams are always interleaved and ``searchedLogStreams`` is empty; a page may be short or empty before the end.

    Differs: tokens do not expire.
    """
    key = key_of(context, rules.group_asked_for(context, params))
    if "logStreamNames" in params and "logStreamNamePrefix" in params:
        raise rules.invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
    forward, after = _direction(params)
    wanted = compile_pattern(params.get("filterPattern", ""))
    now_ms = room.now_ms()
    await room.settle(context, key.name)

    def work(connection: Connection) -> _Found:
        group = find_group(connection, key)
        scope = _scope(connection, group.id, params)
        window = _window(params, group, now_ms, params.get("endTime", TIME_MAX_MS))
        if after is not None and forward:
            window = Window(max(window.first_ms, after[0]), window.last_ms)
        elif after is not None:
            window = Window(window.first_ms, min(window.last_ms, after[0]))
        events = scan(connection, scope, window, group_key, forward=forward)
        beyond = (event for event in events if after is None or _is_beyond(group_key(event), after, forward=forward))
        found, resume_after = _search(beyond, wanted, params.get("limit", rules.PAGE_EVENTS_MAX))
        names = _stream_names(connection, {event.stream_id for event in found})
        return _Found([(names[event.stream_id], event) for event in found], resume_after)

    try:
        answer = await room.store.read(work)
    except pattern.PatternError as error:
        raise rules.invalid(str(error)) from error
    result: dict[str, Any] = {"events": [_filtered(name, event) for name, event in answer.events], "searchedLogStreams": []}
    if answer.resume_after is not None:
        result["nextToken"] = rules.render_token([forward, *answer.resume_after])
    return result


def compile_pattern(text: str) -> pattern.Pattern:
    """The pattern in AWS's filter language.

    Raises:
        AwsError: InvalidParameterException.
    """
    try:
        return pattern.parse(text)
    except pattern.PatternError as error:
        raise rules.invalid(str(error)) from error


def _direction(params: Mapping[str, Any]) -> tuple[bool, Key | None]:
    """Ascending or not, and the last event already looked at."""
    forward = bool(params.get("startFromHead", True))
    if not forward and params.get("startTime", DESCENDING_SINCE_MS) < DESCENDING_SINCE_MS:
        raise rules.invalid("startFromHead can be false only if startTime is on or after 2024-01-01T00:00:00Z.")
    token = params.get("nextToken")
    if token is None:
        return forward, None
    forward, *after = rules.parse_token(token, tuple[bool, int, int, int, int])
    if not 0 <= after[0] <= TIME_MAX_MS:
        raise rules.bad_token()
    return forward, tuple(after)


def _scope(connection: Connection, group_id: int, params: Mapping[str, Any]) -> ColumnElement[bool]:
    """The chunks of the streams asked for."""
    if "logStreamNames" in params:
        return CHUNKS.c.stream_id.in_([find_stream(connection, group_id, name).id for name in set(params["logStreamNames"])])
    whole = CHUNKS.c.group_id == group_id
    if "logStreamNamePrefix" in params:
        named = starts_with(STREAMS.c.name, params["logStreamNamePrefix"])
        return and_(whole, CHUNKS.c.stream_id.in_(select(STREAMS.c.id).where(STREAMS.c.group_id == group_id, named)))
    deleted = select(TRASH.c.stream_id).where(TRASH.c.group_id == group_id, TRASH.c.stream_id.is_not(None))
    return and_(whole, CHUNKS.c.stream_id.not_in(deleted))


def _search(events: Iterator[Stored], wanted: pattern.Pattern, limit: int) -> tuple[list[Stored], Key | None]:
    """The matching events of one page, and the last event looked at when there may be more."""
    found: list[Stored] = []
    seen_bytes = found_bytes = 0
    last: Key | None = None
    for event in events:
        if len(found) >= limit or seen_bytes >= SEARCH_BYTES_MAX:
            return found, last
        size = event_bytes(event.message)
        if wanted.matches(event.message):
            if found and found_bytes + size > rules.PAGE_BYTES_MAX:
                return found, last
            found.append(event)
            found_bytes += size
        seen_bytes += size
        last = group_key(event)
    return found, None


def _stream_names(connection: Connection, stream_ids: set[int]) -> dict[int, str]:
    ids = sorted(stream_ids)
    names: dict[int, str] = {}
    for start in range(0, len(ids), _NAMES_PER_QUERY):
        some = ids[start : start + _NAMES_PER_QUERY]
        rows = connection.execute(select(STREAMS.c.id, STREAMS.c.name).where(STREAMS.c.id.in_(some)))
        names.update({row.id: row.name for row in rows})
    return names


def _filtered(name: str, event: Stored) -> dict[str, Any]:
    return {
        "logStreamName": name,
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
        "eventId": rules.event_id(event.timestamp_ms, event.stream_id, event.sequence),
    }


async def test_metric_filter(_room: Room, _context: CallContext, params: dict[str, Any]) -> dict[str, Any]:  # noqa: PT019  no fixture: the API's name
    """AWS: ``eventNumber`` counts from 1; ``extractedValues`` has the pattern's fields."""
    wanted = compile_pattern(params["filterPattern"])
    matches = []
    try:
        for number, message in enumerate(params["logEventMessages"], 1):
            if wanted.matches(message):
                matches.append({"eventNumber": number, "eventMessage": message, "extractedValues": wanted.extract(message)})
    except pattern.PatternError as error:
        raise rules.invalid(str(error)) from error
    return {"matches": matches}
