"""Values as trees of dicts, lists and scalars: what JSON and CBOR have in common.

Readers and writers are closures compiled once per shape; a call walks values only, never the model. Structures are
remembered by name, which is what ends the compilation of recursive shapes (a cycle in a Smithy model always passes a
structure).
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Mapping
from typing import Any

from functory.aws.codec.malformed import DEPTH_MAX, Malformed
from functory.aws.codec.shapes import Shape

Convert = Callable[[Any], Any]
Scalars = Mapping[str, Callable[[Shape], Convert]]
"""By the shape's type: what makes the reader or writer of a scalar of that shape."""


def check_depth(tree: Any) -> None:
    """Refuse a tree that is nested too deeply; the cost is one visit per value, without recursion."""
    level = [tree]
    for _ in range(DEPTH_MAX + 1):
        children: list[Any] = []
        for value in level:
            if type(value) is dict:
                children.extend(value.values())
            elif type(value) is list:
                children.extend(value)
        if not children:
            return
        level = children
    raise Malformed("The request is nested too deeply", "syntax")


def wire_name(shape: Shape, member: str) -> str:
    """A member's name in JSON and CBOR."""
    name: str = shape.serialization.get("name", member)
    return name


class TreeReaders:
    """Readers of parsed trees for the shapes of one operation.

    Attributes:
        is_unbounded: a reader was made whose values can be nested without end, so `check_depth` must go first.
    """

    def __init__(self, scalars: Scalars) -> None:
        self.is_unbounded = False
        self._scalars = scalars
        self._structures: dict[str, Convert] = {}
        self._unfinished: set[str] = set()

    def reader(self, shape: Shape) -> Convert:
        """The reader of a shape: raises `Malformed` for a value of another type."""
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape)
        if kind == "list":
            return self._list(shape)
        if kind == "map":
            return self._map(shape)
        return self._scalars[kind](shape)

    def members(self, members: Mapping[str, Shape]) -> Convert:
        """The reader of an object with these members; others in it are ignored, as AWS does."""
        fields = {wire_name(shape, name): (name, self.reader(shape)) for name, shape in members.items()}

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise Malformed("Unexpected value where a structure or map was expected")
            result = {}
            for wire, raw in value.items():
                field = fields.get(wire)
                if field is not None and raw is not None:
                    result[field[0]] = field[1](raw)
            return result

        return read

    def _structure(self, shape: Shape) -> Convert:
        if shape.is_document_type:
            self.is_unbounded = True
            return lambda value: value
        known = self._structures.get(shape.name)
        if known is not None:
            self.is_unbounded = self.is_unbounded or shape.name in self._unfinished
            return known
        finished: list[Convert] = []

        def late(value: Any) -> Any:
            return finished[0](value)

        self._structures[shape.name] = late
        self._unfinished.add(shape.name)
        finished.append(self.members(shape.members))
        self._unfinished.discard(shape.name)
        self._structures[shape.name] = finished[0]
        return finished[0]

    def _list(self, shape: Shape) -> Convert:
        read_member = self.reader(shape.member)

        def read(value: Any) -> list[Any]:
            if type(value) is not list:
                raise Malformed("Expected list or null")
            if None in value:
                raise Malformed("A list must not contain null")
            return [read_member(item) for item in value]

        return read

    def _map(self, shape: Shape) -> Convert:
        read_value = self.reader(shape.value)

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise Malformed("Expected map or null")
            result = {}
            for key, item in value.items():
                if item is None or type(key) is not str:
                    raise Malformed("A map must have string keys and must not contain null")
                result[key] = read_value(item)
            return result

        return read


class TreeWriters:
    """Writers of trees for the shapes of one operation; a value that the model does not have is a bug and raises."""

    def __init__(self, scalars: Scalars) -> None:
        self._scalars = scalars
        self._structures: dict[str, Convert] = {}

    def writer(self, shape: Shape) -> Convert:
        """The writer of a shape: raises `TypeError` or `KeyError` naming what does not fit."""
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape)
        if kind == "list":
            return self._list(shape)
        if kind == "map":
            return self._map(shape)
        return self._scalars[kind](shape)

    def members(self, owner: str, members: Mapping[str, Shape]) -> Convert:
        """The writer of a mapping with these members, None meaning absent."""
        fields = {name: (wire_name(shape, name), self.writer(shape)) for name, shape in members.items()}

        def write(value: Any) -> dict[str, Any]:
            result = {}
            for name, item in _items(owner, value):
                field = fields.get(name)
                if field is None:
                    raise KeyError(f"{owner} has no member {name}")
                if item is not None:
                    result[field[0]] = field[1](item)
            return result

        return write

    def _structure(self, shape: Shape) -> Convert:
        if shape.is_document_type:
            return lambda value: value
        known = self._structures.get(shape.name)
        if known is not None:
            return known
        finished: list[Convert] = []

        def late(value: Any) -> Any:
            return finished[0](value)

        self._structures[shape.name] = late
        finished.append(self.members(shape.name, shape.members))
        self._structures[shape.name] = finished[0]
        return finished[0]

    def _list(self, shape: Shape) -> Convert:
        write_member, owner = self.writer(shape.member), shape.name

        def write(value: Any) -> list[Any]:
            if isinstance(value, (str, bytes, Mapping)):
                raise TypeError(f"{owner}: unexpected {type(value).__name__}")
            return [write_member(item) for item in value]

        return write

    def _map(self, shape: Shape) -> Convert:
        write_value, owner = self.writer(shape.value), shape.name

        def write(value: Any) -> dict[str, Any]:
            return {str(key): write_value(item) for key, item in _items(owner, value)}

        return write


def _items(owner: str, value: Any) -> ItemsView[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{owner}: unexpected {type(value).__name__}")
    return value.items()
