"""Reading XML bodies: the ``rest-xml`` protocol.

expat parses; a document type is refused, so entities cannot be defined, and depth and number of elements are bounded.
Namespace prefixes are dropped: no AWS shape has two members that differ by namespace alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from xml.parsers import expat

from functory.aws.codec import text
from functory.aws.codec.malformed import DEPTH_MAX, Malformed
from functory.aws.codec.shapes import Shape

ELEMENTS_MAX = 500_000  # ours; S3's largest bodies (1,000 keys to delete, 10,000 parts) stay below 50,000


class Node:
    """One element: its text (concatenated), attributes and child elements by local name."""

    __slots__ = ("attributes", "children", "name", "pieces")

    def __init__(self, name: str, attributes: Mapping[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Node] = []
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        """All text directly inside."""
        return "".join(self.pieces)


NodeReader = Callable[[Node], Any]


def _local(name: str) -> str:
    return name.rpartition(":")[2]


class _Builder:
    """Collects expat's events into a tree."""

    def __init__(self) -> None:
        self.root = Node("", {})
        self._open = [self.root]
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) > DEPTH_MAX or self._count > ELEMENTS_MAX:
            raise Malformed("The XML is nested too deeply or too large", "syntax")
        node = Node(_local(name), {_local(key): value for key, value in attributes.items()})
        self._open[-1].children.append(node)
        self._open.append(node)

    def end(self, _name: str) -> None:
        self._open.pop()

    def data(self, piece: str) -> None:
        self._open[-1].pieces.append(piece)


def _refuse_doctype(*_arguments: object) -> NoReturn:
    raise Malformed("Document types are not allowed", "syntax")


def decode(body: bytes) -> Node:
    """The root element of a document.

    Raises:
        Malformed: not well-formed, has a document type, or is too deep or too large.
    """
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Malformed(str(error), "syntax") from None
    return builder.root.children[0]


class XmlReaders:
    """Readers of elements for the shapes of one operation."""

    def __init__(self) -> None:
        self._structures: dict[str, NodeReader] = {}

    def reader(self, shape: Shape) -> NodeReader:
        """The reader of one element with a value of the shape."""
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape)
        if kind == "list":
            return self._list(shape)
        if kind == "map":
            return self._map(shape)
        read = text.reader(shape)
        return lambda node: read(node.text)

    def members(self, members: Mapping[str, Shape]) -> NodeReader:
        """The reader of an element with these members as children or attributes; others are ignored."""
        single: dict[str, tuple[str, NodeReader]] = {}
        repeated: dict[str, tuple[str, NodeReader]] = {}
        maps: dict[str, tuple[str, Callable[[Node, dict[str, Any]], None]]] = {}
        attributes: list[tuple[str, str, text.TextReader]] = []
        for name, shape in members.items():
            tag = shape.serialization.get("name", name)
            if shape.serialization.get("xmlAttribute"):
                attributes.append((_local(tag), name, text.reader(shape)))
            elif not shape.serialization.get("flattened"):
                single[tag] = (name, self.reader(shape))
            elif shape.type_name == "map":
                maps[tag] = (name, self._entry(shape))
            else:
                repeated[tag] = (name, self.reader(shape.member))

        def read(node: Node) -> dict[str, Any]:
            result: dict[str, Any] = {}
            for child in node.children:
                tag = child.name
                if tag in single:
                    name, read_one = single[tag]
                    result[name] = read_one(child)
                if tag in repeated:  # S3's old notification configuration has both under one name
                    name, read_one = repeated[tag]
                    result.setdefault(name, []).append(read_one(child))
                elif tag in maps:
                    name, read_entry = maps[tag]
                    read_entry(child, result.setdefault(name, {}))
            for tag, name, read_text in attributes:
                if tag in node.attributes:
                    result[name] = read_text(node.attributes[tag])
            return result

        return read

    def _structure(self, shape: Shape) -> NodeReader:
        known = self._structures.get(shape.name)
        if known is not None:
            return known
        finished: list[NodeReader] = []

        def late(node: Node) -> Any:
            return finished[0](node)

        self._structures[shape.name] = late
        finished.append(self.members(shape.members))
        self._structures[shape.name] = finished[0]
        return finished[0]

    def _list(self, shape: Shape) -> NodeReader:
        tag = shape.member.serialization.get("name", "member")
        read_one = self.reader(shape.member)
        return lambda node: [read_one(child) for child in node.children if child.name == tag]

    def _map(self, shape: Shape) -> NodeReader:
        read_entry = self._entry(shape)

        def read(node: Node) -> dict[str, Any]:
            result: dict[str, Any] = {}
            for child in node.children:
                if child.name == "entry":
                    read_entry(child, result)
            return result

        return read

    def _entry(self, shape: Shape) -> Callable[[Node, dict[str, Any]], None]:
        key_tag = shape.key.serialization.get("name", "key")
        value_tag = shape.value.serialization.get("name", "value")
        read_value = self.reader(shape.value)

        def read(node: Node, into: dict[str, Any]) -> None:
            found = {child.name: child for child in node.children}
            if key_tag not in found or value_tag not in found:
                raise Malformed("A map entry has no key or no value")
            into[found[key_tag].text] = read_value(found[value_tag])

        return read
