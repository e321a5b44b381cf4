"""Writing XML bodies: ``rest-xml``, and the answers of ``query`` and ``ec2``.

Writers append text to a list of pieces. Characters that XML cannot hold are written as references (``&#x1;``), as S3 does:
strict parsers refuse such a document, and no other spelling of such a key exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from functory.aws.codec import text
from functory.aws.codec.shapes import Shape

Pieces = list[str]
PieceWriter = Callable[[Pieces, Any], None]

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPECIAL = re.compile(r"[&<>\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\ufffe\uffff]")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def _reference(match: re.Match[str]) -> str:
    character = match.group()
    return _NAMED.get(character) or f"&#x{ord(character):x};"


def escape(value: str) -> str:
    """Text for inside an element."""
    return _SPECIAL.sub(_reference, value)


def escape_attribute(value: str) -> str:
    """Text for inside double quotes."""
    return escape(value).replace('"', "&quot;").replace("\n", "&#xa;").replace("\t", "&#x9;")


class XmlWriters:
    """Writers of elements for the shapes of one operation.

    Args:
        timestamp_format: for timestamps whose shape prescribes none.
    """

    def __init__(self, timestamp_format: str) -> None:
        self._timestamp_format = timestamp_format
        self._structures: dict[str, PieceWriter] = {}

    def element(self, shape: Shape, tag: str) -> PieceWriter:
        """The writer of a value as the element ``tag`` (a flattened list or map: as any number of them)."""
        kind = shape.type_name
        if kind == "structure":
            return self._element_of_structure(shape, tag)
        if kind == "list":
            return self._list(shape, tag)
        if kind == "map":
            return self._map(shape, tag)
        convert, start, end = text.writer(shape, self._timestamp_format), f"<{tag}>", f"</{tag}>"
        is_text = kind in ("string", "character")

        def write(out: Pieces, value: Any) -> None:
            converted = convert(value)
            out.append(f"{start}{escape(converted) if is_text else converted}{end}")

        return write

    def members(self, owner: str, members: Mapping[str, Shape]) -> PieceWriter:
        """The writer of a mapping's members as elements, one after the other; attributes are left to the start tag."""
        fields: dict[str, PieceWriter | None] = {}
        for name, shape in members.items():
            is_attribute = shape.serialization.get("xmlAttribute")
            fields[name] = None if is_attribute else self.element(shape, _tag(shape, name))

        def write(out: Pieces, value: Any) -> None:
            if not isinstance(value, Mapping):
                raise TypeError(f"{owner}: unexpected {type(value).__name__}")
            for name, item in value.items():
                if name not in fields:
                    raise KeyError(f"{owner} has no member {name}")
                write_member = fields[name]
                if item is not None and write_member is not None:
                    write_member(out, item)

        return write

    def _element_of_structure(self, shape: Shape, tag: str) -> PieceWriter:
        write_members = self._structure(shape)
        attributes = [
            (name, member.serialization["name"], text.writer(member, self._timestamp_format))
            for name, member in shape.members.items()
            if member.serialization.get("xmlAttribute")
        ]
        start, end = f"<{tag}{_prefixed_namespace(shape)}", f"</{tag}>"

        def write(out: Pieces, value: Any) -> None:
            out.append(start)
            for name, attribute, convert in attributes:
                if isinstance(value, Mapping) and value.get(name) is not None:
                    out.append(f' {attribute}="{escape_attribute(convert(value[name]))}"')
            out.append(">")
            write_members(out, value)
            out.append(end)

        return write

    def _structure(self, shape: Shape) -> PieceWriter:
        known = self._structures.get(shape.name)
        if known is not None:
            return known
        finished: list[PieceWriter] = []

        def late(out: Pieces, value: Any) -> None:
            finished[0](out, value)

        self._structures[shape.name] = late
        finished.append(self.members(shape.name, shape.members))
        self._structures[shape.name] = finished[0]
        return finished[0]

    def _list(self, shape: Shape, tag: str) -> PieceWriter:
        if shape.serialization.get("flattened"):
            return _each(shape.name, self.element(shape.member, tag), "", "")
        item_tag = shape.member.serialization.get("name", "member")
        return _each(shape.name, self.element(shape.member, item_tag), f"<{tag}>", f"</{tag}>")

    def _map(self, shape: Shape, tag: str) -> PieceWriter:
        write_key = self.element(shape.key, shape.key.serialization.get("name", "key"))
        write_value = self.element(shape.value, shape.value.serialization.get("name", "value"))
        is_flat = shape.serialization.get("flattened")
        start, end = ("", "") if is_flat else (f"<{tag}>", f"</{tag}>")
        entry = tag if is_flat else "entry"

        def write_entry(out: Pieces, pair: Any) -> None:
            out.append(f"<{entry}>")
            write_key(out, pair[0])
            write_value(out, pair[1])
            out.append(f"</{entry}>")

        write_entries = _each(shape.name, write_entry, start, end)

        def write(out: Pieces, value: Any) -> None:
            write_entries(out, list(value.items()))

        return write


def _each(owner: str, write_one: PieceWriter, start: str, end: str) -> PieceWriter:
    def write(out: Pieces, value: Any) -> None:
        if isinstance(value, (str, bytes, Mapping)):
            raise TypeError(f"{owner}: unexpected {type(value).__name__}")
        out.append(start)
        for item in value:
            write_one(out, item)
        out.append(end)

    return write


def _tag(shape: Shape, member: str) -> str:
    """A member's element name; that of a flattened list may stand at the list's own member."""
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        inner: str | None = shape.member.serialization.get("name")
        if inner is not None:
            return inner
    tag: str = shape.serialization.get("name", member)
    return tag


def _prefixed_namespace(shape: Shape) -> str:
    namespace = shape.serialization.get("xmlNamespace")
    if isinstance(namespace, dict) and namespace.get("prefix"):
        return f' xmlns:{namespace["prefix"]}="{namespace["uri"]}"'
    return ""
