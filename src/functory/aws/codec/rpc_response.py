"""Responses of ``json`` and ``smithy-rpc-v2-cbor``: all members in one body, or in the first event of a stream."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from typing import Any

from functory.aws.codec import event_frames, event_output
from functory.aws.codec.formats import BodyFormat
from functory.aws.codec.rest_response import Serializer
from functory.aws.codec.shapes import Shape, output_of
from functory.aws.http import HttpResponse
from functory.aws.model import OperationModel

CBOR_PROTOCOL_HEADER = ("smithy-protocol", "rpc-v2-cbor")


def headers(protocol: str, request_id: str) -> list[tuple[str, str]]:
    """The headers of every answer of the protocol but its content type."""
    given = [("x-amzn-RequestId", request_id)]
    return [*given, CBOR_PROTOCOL_HEADER] if protocol == "smithy-rpc-v2-cbor" else given


def serializer(operation: OperationModel, protocol: str, body_format: BodyFormat) -> Serializer:
    """The serializer of an operation's results."""
    shape = output_of(operation)
    if shape is not None and shape.event_stream_name:
        return _stream_serializer(shape, shape.event_stream_name, protocol, body_format)
    write = body_format.members_writer(shape.members if shape is not None else {}, f"result of {operation.name}")
    has_body = shape is not None or protocol == "smithy-rpc-v2-cbor"

    def serialize(result: Mapping[str, Any], request_id: str) -> HttpResponse:
        body = write(result)
        given = [*headers(protocol, request_id), ("Content-Type", body_format.content_type)]
        return HttpResponse(200, given, body if has_body else b"")

    return serialize


def _stream_serializer(shape: Shape, stream: str, protocol: str, body_format: BodyFormat) -> Serializer:
    members = {name: member for name, member in shape.members.items() if name != stream}
    write_initial = body_format.members_writer(members, shape.name)
    write_events = event_output.writer(shape.members[stream], body_format)

    def serialize(result: Mapping[str, Any], request_id: str) -> HttpResponse:
        initial = write_initial({name: value for name, value in result.items() if name != stream})
        source = result.get(stream)
        if not isinstance(source, AsyncIterable):
            raise TypeError(f"{shape.name}: {stream} must be an async iterator of events")
        given = [*headers(protocol, request_id), ("Content-Type", event_frames.CONTENT_TYPE)]
        return HttpResponse(200, given, stream=write_events(source, initial))

    return serialize
