"""Requests of ``json`` and ``smithy-rpc-v2-cbor``: all members in one body, or in the first event of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.aws.codec import event_input
from functory.aws.codec.formats import BodyFormat
from functory.aws.codec.malformed import Malformed
from functory.aws.codec.rest_request import Parser
from functory.aws.codec.shapes import Shape, input_of
from functory.aws.http import HttpRequest
from functory.aws.model import OperationModel


def parser(operation: OperationModel, body_format: BodyFormat) -> Parser:
    """The parser of an operation's requests."""
    shape = input_of(operation)
    if shape is None:
        return lambda _request, _labels: {}
    if shape.event_stream_name:
        return _stream_parser(shape, shape.event_stream_name, body_format)
    read = body_format.members_reader(shape.members)

    def parse(request: HttpRequest, _labels: Mapping[str, str]) -> dict[str, Any]:
        return read(request.body) if request.body else {}

    return parse


def _stream_parser(shape: Shape, stream: str, body_format: BodyFormat) -> Parser:
    members = {name: member for name, member in shape.members.items() if name != stream}
    read_initial = body_format.members_reader(members)
    read_events = event_input.frames_reader(shape.members[stream], body_format)

    def parse(request: HttpRequest, _labels: Mapping[str, str]) -> dict[str, Any]:
        found = event_input.frames(request.body)
        result: dict[str, Any] = {}
        if found and found[0].headers.get(":event-type") == event_input.INITIAL_REQUEST:
            first = found.pop(0)
            if first.payload:
                result = read_initial(first.payload)
        elif members:
            raise Malformed("The event stream does not begin with its initial request")
        result[stream] = read_events(found)
        return result

    return parse
