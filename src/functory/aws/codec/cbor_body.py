"""CBOR bodies: the ``smithy-rpc-v2-cbor`` protocol.

Of CBOR's tags only 1 (epoch seconds) exists in this protocol; every other tag is refused before cbor2 would build a value
of it (big numbers, regular expressions, shared references …), so nothing but the plain tree ever exists.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import cbor2

from functory.aws.codec import json_body, text, timestamps
from functory.aws.codec.malformed import DEPTH_MAX, Malformed
from functory.aws.codec.shapes import Shape
from functory.aws.codec.trees import Convert, TreeReaders, TreeWriters

_EPOCH_TAG = 1
_KNOWN_TAGS = (0, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What stood under tag 1."""

    seconds: Any


def _refuse_tag(*_arguments: object) -> NoReturn:
    raise Malformed("Unsupported CBOR tag", "syntax")


def _moment(value: Any, _is_immutable: bool) -> _Moment:
    return _Moment(value)


_TAGS: dict[int, Callable[[Any, bool], Any]] = {**dict.fromkeys(_KNOWN_TAGS, _refuse_tag), _EPOCH_TAG: _moment}


def decode(body: bytes) -> Any:
    """The value of a CBOR item; whatever follows it is refused.

    Raises:
        Malformed: it is not CBOR, nested too deeply, or uses tags this protocol does not have.
    """
    decoder = cbor2.CBORDecoder(
        io.BytesIO(body),
        tag_hook=_refuse_tag,
        semantic_decoders=_TAGS,
        max_depth=DEPTH_MAX,
        strict_hashable_types=True,
    )
    try:
        tree = decoder.decode()
        rest = _has_more(decoder)
    except (cbor2.CBORError, RecursionError, ValueError, OverflowError, MemoryError) as error:
        raise Malformed(f"Unable to decode CBOR: {error}", "syntax") from None
    if rest:
        raise Malformed("Unable to decode CBOR: trailing bytes", "syntax")
    return tree


def _has_more(decoder: cbor2.CBORDecoder) -> bool:
    try:
        decoder.decode()
    except cbor2.CBORDecodeEOF:
        return False
    return True


def encode(tree: Any) -> bytes:
    """A tree as CBOR with definite lengths."""
    return cbor2.dumps(tree)


def _read_blob(value: Any) -> bytes:
    if type(value) is not bytes:
        raise json_body.cannot_convert(value, "a Blob")
    return value


def _read_timestamp(value: Any) -> Any:
    seconds = value.seconds if type(value) is _Moment else value
    if type(seconds) not in (int, float):
        raise json_body.cannot_convert(seconds, "a Timestamp")
    return timestamps.parse(seconds)


def _write_timestamp(value: Any) -> cbor2.CBORTag:
    return cbor2.CBORTag(_EPOCH_TAG, timestamps.epoch_seconds(value))


def _write_float(shape: Shape) -> Convert:
    check = text.expect((int, float), shape.name)
    return lambda value: float(check(value))


def _write_blob(shape: Shape) -> Convert:
    check = text.expect((bytes, bytearray, memoryview), shape.name)
    return lambda value: bytes(check(value))


_READERS: dict[str, Callable[[Shape], Convert]] = {
    "string": lambda _shape: json_body.read_string,
    "character": lambda _shape: json_body.read_string,
    "integer": lambda _shape: json_body.read_integer,
    "long": lambda _shape: json_body.read_integer,
    "float": lambda _shape: json_body.read_float,
    "double": lambda _shape: json_body.read_float,
    "boolean": lambda _shape: json_body.read_boolean,
    "blob": lambda _shape: _read_blob,
    "timestamp": lambda _shape: _read_timestamp,
}
_WRITERS: dict[str, Callable[[Shape], Convert]] = {
    "string": lambda shape: _plain(text.expect(str, shape.name), str.__str__),
    "character": lambda shape: _plain(text.expect(str, shape.name), str.__str__),
    "integer": lambda shape: _plain(text.expect(int, shape.name), int),
    "long": lambda shape: _plain(text.expect(int, shape.name), int),
    "float": _write_float,
    "double": _write_float,
    "boolean": lambda shape: text.expect(bool, shape.name),
    "blob": _write_blob,
    "timestamp": lambda _shape: _write_timestamp,
}


def _plain(check: Convert, strip: Convert) -> Convert:
    """Checked, and as the plain type: cbor2 does not encode subclasses such as enumerations."""
    return lambda value: strip(check(value))


class CborFormat:
    """Bodies of one operation as CBOR. See `formats.BodyFormat`."""

    content_type = "application/cbor"

    def __init__(self) -> None:
        self._readers = TreeReaders(_READERS)
        self._writers = TreeWriters(_WRITERS)

    def reader(self, shape: Shape) -> Callable[[bytes], Any]:
        """Bytes to a value of the shape."""
        read = self._readers.reader(shape)
        return lambda body: read(decode(body))

    def members_reader(self, members: Mapping[str, Shape]) -> Callable[[bytes], dict[str, Any]]:
        """Bytes to those of the members that are there."""
        read = self._readers.members(members)
        return lambda body: read(decode(body))

    def writer(self, shape: Shape, root: str) -> Callable[[Any], bytes]:
        """A value of the shape to bytes; CBOR has no name for the root."""
        del root
        write = self._writers.writer(shape)
        return lambda value: encode(write(value))

    def tree_writer(self, members: Mapping[str, Shape], root: str) -> Callable[[Any], dict[str, Any]]:
        """A mapping with these members to the tree that `encode` takes."""
        return self._writers.members(root, members)

    def encode(self, tree: Any) -> bytes:
        """A tree to bytes."""
        return encode(tree)

    def members_writer(self, members: Mapping[str, Shape], root: str) -> Callable[[Any], bytes]:
        """A mapping with these members to bytes; ``root`` names it in complaints only."""
        write = self.tree_writer(members, root)
        return lambda value: encode(write(value))
