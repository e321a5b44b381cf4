"""Requests of ``rest-json`` and ``rest-xml``: members from path labels, query, headers and body.

Where each member is, is compiled once per operation; a call looks only at the places that the operation has.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from functory.aws.codec import event_input, json_body, text, timestamps
from functory.aws.codec.formats import BodyFormat
from functory.aws.codec.malformed import Malformed
from functory.aws.codec.shapes import Shape, input_of
from functory.aws.http import HttpRequest
from functory.aws.model import OperationModel

Parser = Callable[[HttpRequest, Mapping[str, str]], dict[str, Any]]
BodyReader = Callable[[bytes], dict[str, Any]]

QUERY_FIELDS_MAX = 10_000
_QUOTED_OR_PLAIN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*?))\s*(?:,|$)')


@dataclass(slots=True)
class _Bindings:
    """Where an operation's members are, apart from the body."""

    labels: list[tuple[str, str, text.TextReader]] = field(default_factory=list)
    headers: list[tuple[str, str, Callable[[str], Any]]] = field(default_factory=list)
    prefixes: list[tuple[str, str]] = field(default_factory=list)
    query: dict[str, tuple[str, text.TextReader, bool]] = field(default_factory=dict)
    query_maps: list[tuple[str, bool]] = field(default_factory=list)
    literals: frozenset[str] = frozenset()

    def read(self, request: HttpRequest, labels: Mapping[str, str]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for wire, name, read in self.labels:
            if wire in labels:
                result[name] = read(labels[wire])
        for wire, name, read in self.headers:
            raw = request.headers.get(wire)
            if raw is not None:
                result[name] = read(raw)
        for prefix, name in self.prefixes:
            found = {key[len(prefix) :]: raw for key, raw in request.headers.items() if key.startswith(prefix)}
            if found:
                result[name] = found
        if request.query and (self.query or self.query_maps):
            self._read_query(request.query, result)
        return result

    def _read_query(self, query: str, result: dict[str, Any]) -> None:
        rest: dict[str, list[str]] = {}
        for key, raw in _fields(query):
            bound = self.query.get(key)
            if bound is None:
                if self.query_maps and key not in self.literals:
                    rest.setdefault(key, []).append(raw)
                continue
            name, read, is_list = bound
            if is_list:
                result.setdefault(name, []).append(read(raw))
            elif name not in result:
                result[name] = read(raw)
        for name, has_lists in self.query_maps:
            if rest:
                result[name] = rest if has_lists else {key: values[0] for key, values in rest.items()}


def _fields(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        raise Malformed("Unable to parse the query string", "parameter") from None


def parser(operation: OperationModel, body_format: BodyFormat) -> Parser:
    """The parser of an operation's requests."""
    shape = input_of(operation)
    if shape is None:
        return lambda _request, _labels: {}
    bindings = _bindings(operation, shape)
    read_body = _body_reader(shape, body_format)

    def parse(request: HttpRequest, labels: Mapping[str, str]) -> dict[str, Any]:
        try:
            result = bindings.read(request, labels)
        except Malformed as fault:
            raise Malformed(fault.text, "parameter") from None
        if read_body is not None:
            result.update(read_body(request.body))
        return result

    return parse


def _bindings(operation: OperationModel, shape: Shape) -> _Bindings:
    literal_query = operation.http.get("requestUri", "").partition("?")[2]
    bindings = _Bindings(literals=frozenset(part.partition("=")[0] for part in literal_query.split("&") if part))
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire = member.serialization.get("name", name)
        if location == "uri":
            bindings.labels.append((wire, name, text.reader(member)))
        elif location == "header":
            bindings.headers.append((wire.lower(), name, _header_reader(member)))
        elif location == "headers":
            bindings.prefixes.append((member.serialization.get("name", "").lower(), name))
        elif location == "querystring":
            if member.type_name == "map":
                bindings.query_maps.append((name, member.value.type_name == "list"))
            elif member.type_name == "list":
                bindings.query[wire] = (name, text.reader(member.member), True)
            else:
                bindings.query[wire] = (name, text.reader(member), False)
    return bindings


def _header_reader(shape: Shape) -> Callable[[str], Any]:
    if shape.serialization.get("jsonvalue"):
        return _read_json_value
    if shape.type_name == "list":
        read = text.reader(shape.member)
        if shape.member.type_name == "timestamp":
            return lambda raw: [timestamps.parse(part) for part in _split_dates(raw)]
        return lambda raw: [read(part) for part in split_list(raw)]
    return text.reader(shape)


def _read_json_value(raw: str) -> Any:
    try:
        return json_body.decode(base64.b64decode(raw, validate=True))
    except (binascii.Error, ValueError):
        raise Malformed("Unable to decode base64 value") from None


def split_list(raw: str) -> list[str]:
    r"""The items of a header list; an item in double quotes may contain ``,`` and ``\"``."""
    items, position = [], 0
    while position < len(raw):
        match = _QUOTED_OR_PLAIN.match(raw, position)
        if match is None or match.end() == position:
            raise Malformed("Unable to parse a header list")
        quoted, plain = match.groups()
        items.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain)
        position = match.end()
    return items


def _split_dates(raw: str) -> list[str]:
    """Dates of RFC 822 contain one comma each; those of ISO 8601 none."""
    parts = [part.strip() for part in raw.split(",")]
    if parts and parts[0].isalpha():
        return [", ".join(parts[index : index + 2]) for index in range(0, len(parts), 2)]
    return parts


def _body_reader(shape: Shape, body_format: BodyFormat) -> BodyReader | None:
    payload = shape.serialization.get("payload")
    if payload is not None:
        return _payload_reader(shape, payload, body_format)
    members = {name: member for name, member in shape.members.items() if "location" not in member.serialization}
    if not members:
        return None
    read = body_format.members_reader(members)
    return lambda body: read(body) if body else {}


def _payload_reader(shape: Shape, name: str, body_format: BodyFormat) -> BodyReader:
    member = shape.members[name]
    if member.serialization.get("eventstream"):
        read_events = event_input.reader(member, body_format)
        return lambda body: {name: read_events(body)}
    is_always_there = bool(member.serialization.get("streaming")) or name in shape.required_members
    if member.type_name == "blob":
        return lambda body: {name: body} if body or is_always_there else {}
    if member.type_name == "string":
        return lambda body: {name: text.utf8(body)} if body or is_always_there else {}
    read = body_format.reader(member)
    return lambda body: {name: read(body)} if body else {}
