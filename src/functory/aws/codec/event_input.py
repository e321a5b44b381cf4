"""Event streams in requests: the frames of a body as a list of ``{event: members}``.

A signed stream wraps every frame in another one that carries the signature (``:chunk-signature``); the wrapping is taken
off here, its signatures are not this room's business. An exception frame from a client ends nothing: it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from functory.aws.codec import text
from functory.aws.codec.event_frames import Decoder, Frame, HeaderValue
from functory.aws.codec.formats import BodyFormat
from functory.aws.codec.malformed import Malformed
from functory.aws.codec.shapes import Shape

EventReader = Callable[[Frame], dict[str, Any]]
INITIAL_REQUEST = "initial-request"


def frames(body: bytes) -> list[Frame]:
    """The frames of a whole body, signature wrapping removed.

    Raises:
        Malformed: it is not a sequence of complete frames.
    """
    decoder = Decoder()
    found: list[Frame] = []
    for frame in decoder.feed(body):
        if ":chunk-signature" not in frame.headers:
            found.append(frame)
        elif frame.payload:
            found.extend(_unwrapped(frame.payload))
    if not decoder.is_between_frames:
        raise Malformed("The event stream is cut short", "syntax")
    return found


def _unwrapped(payload: bytes) -> list[Frame]:
    inner = Decoder()
    found = inner.feed(payload)
    if not inner.is_between_frames:
        raise Malformed("A signed event is cut short", "syntax")
    return found


def reader(shape: Shape, body_format: BodyFormat) -> Callable[[bytes], list[dict[str, Any]]]:
    """The reader of a body that is one event stream of that shape."""
    read_events = frames_reader(shape, body_format)
    return lambda body: read_events(frames(body))


def frames_reader(shape: Shape, body_format: BodyFormat) -> Callable[[list[Frame]], list[dict[str, Any]]]:
    """The reader of frames as events of that shape."""
    events = {name: event_reader(member, body_format) for name, member in shape.members.items()}

    def read(found: list[Frame]) -> list[dict[str, Any]]:
        result = []
        for frame in found:
            kind = frame.headers.get(":event-type")
            if frame.headers.get(":message-type") != "event" or not isinstance(kind, str) or kind not in events:
                raise Malformed("Unexpected message in the event stream")
            result.append({kind: events[kind](frame)})
        return result

    return read


def event_reader(shape: Shape, body_format: BodyFormat) -> EventReader:
    """The reader of one event: members bound to headers, one to the payload, or all in a structured payload."""
    headers = {name: member for name, member in shape.members.items() if member.serialization.get("eventheader")}
    payload = next((name for name, member in shape.members.items() if member.serialization.get("eventpayload")), None)
    read_payload = _payload_reader(shape, payload, headers, body_format)

    def read(frame: Frame) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, member in headers.items():
            if name in frame.headers:
                result[name] = _header_value(member, frame.headers[name])
        result.update(read_payload(frame.payload))
        return result

    return read


def _payload_reader(
    shape: Shape, payload: str | None, headers: Mapping[str, Shape], body_format: BodyFormat
) -> Callable[[bytes], dict[str, Any]]:
    if payload is None:
        members = {name: member for name, member in shape.members.items() if name not in headers}
        read_members = body_format.members_reader(members)
        return lambda raw: read_members(raw) if raw and members else {}
    kind = shape.members[payload].type_name
    if kind == "blob":
        return lambda raw: {payload: raw}
    if kind == "string":
        return lambda raw: {payload: text.utf8(raw)}
    read = body_format.reader(shape.members[payload])
    return lambda raw: {payload: read(raw)} if raw else {}


_HEADER_TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,), "blob": (bytes,)}


def _header_value(shape: Shape, value: HeaderValue) -> Any:
    kind = shape.type_name
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if kind in ("integer", "long") and is_number:
        return int(value)  # type: ignore[arg-type]
    if kind == "timestamp" and hasattr(value, "tzinfo"):
        return value
    if isinstance(value, _HEADER_TYPES.get(kind, ())):
        return value
    raise Malformed("An event header has the wrong type")
