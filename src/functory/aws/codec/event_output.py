"""Event streams in responses: an async iterator of ``{event: members}`` as a stream of encoded frames.

A failure after the status line has gone can only travel in the stream: an `AwsError` raised by the iterator becomes an
exception frame when the stream's shape models it, an error frame otherwise, and ends the stream.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any

from functory.aws.codec import event_frames, text
from functory.aws.codec.event_frames import Frame, HeaderValue
from functory.aws.codec.formats import BodyFormat
from functory.aws.codec.shapes import Shape
from functory.aws.codec.timestamps import EPOCH, epoch_seconds
from functory.aws.errors import AwsError

INITIAL_RESPONSE = "initial-response"
EventWriter = Callable[[Any], Frame]
StreamWriter = Callable[[AsyncIterable[Mapping[str, Any]], bytes | None], AsyncIterator[bytes]]


def writer(shape: Shape, body_format: BodyFormat) -> StreamWriter:
    """The writer of a stream of that shape.

    The returned function takes the events, and the body of the initial response where the protocol sends one.
    """
    events = {name: _event_writer(name, member, body_format) for name, member in shape.members.items()}
    failures = {name: body_format.writer(member, name) for name, member in shape.members.items() if _is_exception(member)}
    messages = {name: _message_member(member) for name, member in shape.members.items()}

    def encode_failure(error: AwsError) -> bytes:
        write = failures.get(error.code)
        if write is None:
            return event_frames.encode(_error_frame(error))
        members = dict(error.members)
        if messages[error.code] is not None:
            members.setdefault(str(messages[error.code]), error.message)
        headers = {
            ":message-type": "exception",
            ":exception-type": error.code,
            ":content-type": body_format.content_type,
        }
        return event_frames.encode(Frame(headers, write(members)))

    async def encode_all(source: AsyncIterable[Mapping[str, Any]], initial: bytes | None) -> AsyncIterator[bytes]:
        if initial is not None:
            yield event_frames.encode(_frame(INITIAL_RESPONSE, body_format.content_type, {}, initial))
        try:
            async for event in source:
                yield _encode_event(events, shape.name, event)
        except AwsError as error:
            yield encode_failure(error)
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()  # a reader that leaves early must be noticed now, not when memory is collected

    return encode_all


def _encode_event(events: Mapping[str, EventWriter], owner: str, event: Mapping[str, Any]) -> bytes:
    if len(event) != 1:
        raise TypeError(f"{owner}: an event has exactly one name, not {sorted(event)}")
    ((name, members),) = event.items()
    if name not in events:
        raise KeyError(f"{owner} has no event {name}")
    return event_frames.encode(events[name](members))


def _is_exception(shape: Shape) -> bool:
    return bool(shape.metadata.get("exception"))


def _message_member(shape: Shape) -> str | None:
    return next((name for name in shape.members if name.lower() == "message"), None)


def _error_frame(error: AwsError) -> Frame:
    return Frame({":message-type": "error", ":error-code": error.code, ":error-message": error.message})


def _frame(kind: str, content_type: str | None, headers: Mapping[str, HeaderValue], payload: bytes) -> Frame:
    given: dict[str, HeaderValue] = {":message-type": "event", ":event-type": kind}
    if content_type is not None:
        given[":content-type"] = content_type
    return Frame({**given, **headers}, payload)


def _event_writer(kind: str, shape: Shape, body_format: BodyFormat) -> EventWriter:
    bound = {name: member for name, member in shape.members.items() if member.serialization.get("eventheader")}
    payload = next((name for name, member in shape.members.items() if member.serialization.get("eventpayload")), None)
    content_type, write_payload = _payload_writer(kind, shape, payload, bound, body_format)
    known = set(shape.members)

    def write(members: Mapping[str, Any]) -> Frame:
        unknown = members.keys() - known
        if unknown:
            raise KeyError(f"{shape.name} has no member {min(unknown)}")
        given = {name: value for name, value in members.items() if value is not None}
        headers = {name: _header_value(member, given[name]) for name, member in bound.items() if name in given}
        rest = {name: value for name, value in given.items() if name not in bound}
        return _frame(kind, content_type, headers, write_payload(rest))

    return write


def _payload_writer(
    kind: str, shape: Shape, payload: str | None, bound: Mapping[str, Shape], body_format: BodyFormat
) -> tuple[str | None, Callable[[dict[str, Any]], bytes]]:
    if payload is None:
        members = {name: member for name, member in shape.members.items() if name not in bound}
        if not members and bound:
            return None, lambda _given: b""
        return body_format.content_type, body_format.members_writer(members, kind)
    member = shape.members[payload]
    if member.type_name == "blob":
        check = text.expect((bytes, bytearray, memoryview), member.name)
        return "application/octet-stream", lambda given: bytes(check(given.get(payload, b"")))
    if member.type_name == "string":
        check = text.expect(str, member.name)
        return "text/plain", lambda given: check(given.get(payload, "")).encode("utf-8")
    write = body_format.writer(member, member.serialization.get("name", payload))
    return body_format.content_type, lambda given: write(given.get(payload, {}))


def _header_value(shape: Shape, value: Any) -> HeaderValue:
    kind = shape.type_name
    if kind == "timestamp":
        return EPOCH + timedelta(seconds=epoch_seconds(value))
    if kind == "long":
        return event_frames.Long(text.expect(int, shape.name)(value))
    if kind == "blob":
        return bytes(text.expect((bytes, bytearray, memoryview), shape.name)(value))
    checked: HeaderValue = text.expect({"integer": int, "boolean": bool}.get(kind, str), shape.name)(value)
    return checked
