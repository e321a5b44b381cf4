"""XML bodies as a `formats.BodyFormat`, for ``rest-xml``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from functory.aws.codec import xml_read, xml_write
from functory.aws.codec.shapes import Shape


class XmlFormat:
    """Bodies of one operation as XML.

    Args:
        namespace: of the root element; empty for none.
    """

    content_type = "application/xml"

    def __init__(self, namespace: str) -> None:
        self._attributes = f' xmlns="{namespace}"' if namespace else ""
        self._readers = xml_read.XmlReaders()
        self._writers = xml_write.XmlWriters("iso8601_ms")

    def reader(self, shape: Shape) -> Callable[[bytes], Any]:
        """Bytes to a value of the shape; the root's name does not matter."""
        read = self._readers.reader(shape)
        return lambda body: read(xml_read.decode(body))

    def members_reader(self, members: Mapping[str, Shape]) -> Callable[[bytes], dict[str, Any]]:
        """Bytes to those of the members that are there."""
        read = self._readers.members(members)
        return lambda body: read(xml_read.decode(body))

    def writer(self, shape: Shape, root: str) -> Callable[[Any], bytes]:
        """A value of the shape to a document with that root."""
        if shape.type_name == "structure":
            return self.members_writer(shape.members, root)
        write = self._writers.element(shape, root)
        return lambda value: _document(write, value, "", "")

    def members_writer(self, members: Mapping[str, Shape], root: str) -> Callable[[Any], bytes]:
        """A mapping with these members to a document with that root."""
        write = self._writers.members(root, members)
        start, end = f"<{root}{self._attributes}>", f"</{root}>"
        return lambda value: _document(write, value, start, end)


def _document(write: xml_write.PieceWriter, value: Any, start: str, end: str) -> bytes:
    out = [xml_write.DECLARATION, start]
    write(out, value)
    out.append(end)
    return "".join(out).encode("utf-8")
