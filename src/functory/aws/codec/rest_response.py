"""Responses of ``rest-json`` and ``rest-xml``: members to status, headers and body."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from functory.aws.codec import event_frames, event_output, json_body, s3_answers, text
from functory.aws.codec.formats import BodyFormat
from functory.aws.codec.shapes import Shape, output_of
from functory.aws.http import HttpResponse
from functory.aws.model import OperationModel

Serializer = Callable[[Mapping[str, Any], str], HttpResponse]
HeaderWriter = Callable[[Any], str]
BodyWriter = Callable[[Mapping[str, Any], HttpResponse], None]

BODILESS = (204, 304)
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# AWS: answers whose blob is JSON although the model binds no Content-Type
_PAYLOAD_TYPES = {
    ("lambda", "Invoke"): "application/json",
    ("s3", "GetBucketPolicy"): "application/json",
}


def header_text(name: str, value: str) -> str:
    """A header value that cannot end the header.

    Raises:
        ValueError: it has control characters; nothing of it may reach the wire.
    """
    if _FORBIDDEN.search(value):
        raise ValueError(f"control character in header {name}")
    return value


def request_id_headers(service: str, protocol: str, request_id: str) -> list[tuple[str, str]]:
    """The headers that carry the request id; S3 has its own, the second of which SDKs only print."""
    if protocol == "rest-xml" and service in ("s3", "s3control"):
        return [("x-amz-request-id", request_id), ("x-amz-id-2", s3_answers.host_id(request_id))]
    return [("x-amzn-RequestId", request_id)]


@dataclass(slots=True)
class _Bindings:
    """Where an operation's result members go, apart from the body."""

    status: str | None = None
    headers: list[tuple[str, str, HeaderWriter]] = field(default_factory=list)
    prefixes: list[tuple[str, str]] = field(default_factory=list)

    def write(self, result: Mapping[str, Any], response: HttpResponse) -> None:
        if self.status is not None and result.get(self.status) is not None:
            response.status = int(result[self.status])
        for wire, name, convert in self.headers:
            value = result.get(name)
            if value is not None:
                response.headers.append((wire, header_text(wire, convert(value))))
        for prefix, name in self.prefixes:
            for key, value in (result.get(name) or {}).items():
                response.headers.append((header_text(prefix, prefix + key), header_text(prefix, value)))


def serializer(operation: OperationModel, protocol: str, body_format: BodyFormat) -> Serializer:
    """The serializer of an operation's results."""
    service = operation.service_model.service_name
    status = int(operation.http.get("responseCode", 200))
    shape = output_of(operation)
    known = set(shape.members) if shape is not None else set()
    bindings = _bindings(shape.members) if shape is not None else _Bindings()
    write_body = _body_writer(operation, shape, body_format) if shape is not None else None

    def serialize(result: Mapping[str, Any], request_id: str) -> HttpResponse:
        unknown = result.keys() - known
        if unknown:
            raise KeyError(f"{operation.name} has no result member {min(unknown)}")
        response = HttpResponse(status, request_id_headers(service, protocol, request_id))
        bindings.write(result, response)
        if write_body is not None and response.status not in BODILESS:
            write_body(result, response)
        return response

    return serialize


def header_bindings(members: Mapping[str, Shape]) -> Callable[[Mapping[str, Any], HttpResponse], None]:
    """What writes those of the members that are bound to status or headers; for errors."""
    return _bindings(members).write


def _bindings(members: Mapping[str, Shape]) -> _Bindings:
    bindings = _Bindings()
    for name, member in members.items():
        location = member.serialization.get("location")
        wire = member.serialization.get("name", name)
        if location == "statusCode":
            bindings.status = name
        elif location == "header":
            bindings.headers.append((wire, name, _header_writer(member)))
        elif location == "headers":
            bindings.prefixes.append((member.serialization.get("name", ""), name))
    return bindings


def _header_writer(shape: Shape) -> HeaderWriter:
    if shape.serialization.get("jsonvalue"):
        return lambda value: base64.b64encode(json_body.encode(value)).decode("ascii")
    if shape.type_name == "list":
        convert = text.writer(shape.member, "rfc822")
        if shape.member.type_name == "string":
            return lambda value: ", ".join(_quoted(convert(item)) for item in value)
        return lambda value: ", ".join(convert(item) for item in value)
    return text.writer(shape, "rfc822")


def _quoted(item: str) -> str:
    if "," not in item and '"' not in item:
        return item
    return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _body_writer(operation: OperationModel, shape: Shape, body_format: BodyFormat) -> BodyWriter | None:
    if operation.http.get("method") == "HEAD":
        return None
    payload = shape.serialization.get("payload")
    if payload is not None:
        return _payload_writer(operation, shape.members[payload], payload, body_format)
    if operation.service_model.service_name == "s3" and operation.name == "GetBucketLocation":
        return _write_bucket_location
    members = {name: member for name, member in shape.members.items() if "location" not in member.serialization}
    is_xml = body_format.content_type == "application/xml"
    if not members and is_xml:
        return None
    write = body_format.members_writer(members, _root(operation, shape))

    def write_body(result: Mapping[str, Any], response: HttpResponse) -> None:
        _set_body(response, write({name: result[name] for name in members if name in result}), body_format.content_type)

    return write_body


def _root(operation: OperationModel, shape: Shape) -> str:
    """The root element's name, which only strict clients look at."""
    if operation.service_model.service_name == "s3" and operation.name in s3_answers.ROOTS:
        return s3_answers.ROOTS[operation.name]
    return str(shape.serialization.get("name", shape.name))


def _write_bucket_location(result: Mapping[str, Any], response: HttpResponse) -> None:
    _set_body(response, s3_answers.bucket_location(result.get("LocationConstraint")), "application/xml")


def _payload_writer(operation: OperationModel, member: Shape, name: str, body_format: BodyFormat) -> BodyWriter:
    if member.serialization.get("eventstream"):
        return _stream_writer(event_output.writer(member, body_format), name)
    if member.type_name == "blob":
        return _blob_writer(member, name, _payload_type(operation, "application/octet-stream"))
    if member.type_name == "string":
        return _string_writer(member, name, _payload_type(operation, "text/plain"))
    write = body_format.writer(member, _root_of_payload(member))

    def write_body(result: Mapping[str, Any], response: HttpResponse) -> None:
        if result.get(name) is not None:
            _set_body(response, write(result[name]), body_format.content_type)

    return write_body


def _payload_type(operation: OperationModel, default: str) -> str | None:
    """The type of an opaque payload; None where a member says it, or nobody does."""
    shape = output_of(operation)
    members = shape.members.values() if shape is not None else ()
    if any(member.serialization.get("name", "").lower() == "content-type" for member in members):
        return None
    return _PAYLOAD_TYPES.get((operation.service_model.service_name, operation.name), default)


def _root_of_payload(member: Shape) -> str:
    return str(member.serialization.get("name", member.name))


def _stream_writer(write: event_output.StreamWriter, name: str) -> BodyWriter:
    def write_body(result: Mapping[str, Any], response: HttpResponse) -> None:
        if not isinstance(result.get(name), AsyncIterable):
            raise TypeError(f"{name}: expected an async iterator of events")
        if response.header("content-type") is None:
            response.headers.append(("Content-Type", event_frames.CONTENT_TYPE))
        response.stream = write(result[name], None)

    return write_body


def _string_writer(member: Shape, name: str, content_type: str | None) -> BodyWriter:
    check = text.expect(str, member.name)

    def write_body(result: Mapping[str, Any], response: HttpResponse) -> None:
        if result.get(name) is not None:
            _set_body(response, check(result[name]).encode("utf-8"), content_type)

    return write_body


def _blob_writer(member: Shape, name: str, content_type: str | None) -> BodyWriter:
    check = text.expect((bytes, bytearray, memoryview), member.name)

    def write_body(result: Mapping[str, Any], response: HttpResponse) -> None:
        value = result.get(name)
        if value is None:
            return
        if isinstance(value, AsyncIterable):
            response.stream = aiter(value)
            _set_body(response, b"", content_type)
        else:
            _set_body(response, bytes(check(value)), content_type)

    return write_body


def _set_body(response: HttpResponse, body: bytes, content_type: str | None) -> None:
    response.body = body
    if content_type is not None:
        response.headers.append(("Content-Type", content_type))
