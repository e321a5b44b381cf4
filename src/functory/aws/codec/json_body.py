"""JSON bodies: the ``json`` and ``rest-json`` protocols.

msgspec decodes and encodes: it refuses NaN, trailing text, lone surrogates and invalid UTF-8, keeps integers of any size
exact, and of a repeated key the last value wins, as in AWS's own parser.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from functory.aws.codec import text, timestamps
from functory.aws.codec.malformed import Malformed
from functory.aws.codec.shapes import Shape
from functory.aws.codec.trees import Convert, TreeReaders, TreeWriters, check_depth

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_TOKENS = {bool: "BOOLEAN_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE", str: "STRING_VALUE"}
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def decode(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        Malformed: it is not JSON.
    """
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Malformed(str(error), "syntax") from None
    except UnicodeDecodeError:
        raise Malformed("Invalid UTF-8", "syntax") from None
    except (RecursionError, ValueError, OverflowError):
        raise Malformed("The request is nested too deeply or has a number too large", "syntax") from None


def encode(tree: Any) -> bytes:
    """A tree as JSON without spaces; UTF-8, not escaped."""
    return _encoder.encode(tree)


def cannot_convert(value: Any, target: str) -> Malformed:
    """The fault of a value of the wrong type, in AWS's words."""
    if value is True:
        kind = "TRUE_VALUE"
    elif value is False:
        kind = "FALSE_VALUE"
    elif isinstance(value, dict):
        return Malformed("Start of structure or map found where not expected.")
    elif isinstance(value, list):
        return Malformed("Start of list found where not expected.")
    else:
        kind = _TOKENS.get(type(value), "VALUE")
    return Malformed(f"{kind} can not be converted to {target}")


def read_string(value: Any) -> str:
    """A string."""
    if type(value) is not str:
        raise cannot_convert(value, "a String")
    return value


def read_integer(value: Any) -> int:
    """A whole number of at most 64 bits; ``3.0`` counts as one."""
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not text.INTEGER_MIN <= value <= text.INTEGER_MAX:
        raise cannot_convert(value, "an Integer")
    return value


def read_float(value: Any) -> float:
    """A number, or one of Smithy's names of the special values."""
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise cannot_convert(value, "a Double") from None
    if type(value) is str and value in _SPECIAL:
        return _SPECIAL[value]
    raise cannot_convert(value, "a Double")


def read_boolean(value: Any) -> bool:
    """``true`` or ``false``."""
    if type(value) is not bool:
        raise cannot_convert(value, "a Boolean")
    return value


def _read_blob(value: Any) -> bytes:
    if type(value) is not str:
        raise cannot_convert(value, "a Blob")
    return text.read_blob(value)


def _read_timestamp(value: Any) -> Any:
    if type(value) not in (int, float, str):
        raise cannot_convert(value, "a Timestamp")
    return timestamps.parse(value)


def _always(convert: Convert) -> Callable[[Shape], Convert]:
    return lambda _shape: convert


_READERS: dict[str, Callable[[Shape], Convert]] = {
    "string": _always(read_string),
    "character": _always(read_string),
    "integer": _always(read_integer),
    "long": _always(read_integer),
    "float": _always(read_float),
    "double": _always(read_float),
    "boolean": _always(read_boolean),
    "blob": _always(_read_blob),
    "timestamp": _always(_read_timestamp),
}


def _write_float(shape: Shape) -> Convert:
    check = text.expect((int, float), shape.name)

    def write(value: Any) -> Any:
        return text.float_name(check(value)) or value

    return write


def _write_blob(shape: Shape) -> Convert:
    check = text.expect((bytes, bytearray, memoryview), shape.name)
    return lambda value: base64.b64encode(check(value)).decode("ascii")


def _write_timestamp(shape: Shape) -> Convert:
    spelling: str = shape.serialization.get("timestampFormat", "unixTimestamp")
    return timestamps.epoch_seconds if spelling.lower() == "unixtimestamp" else timestamps.text_format(spelling)


_WRITERS: dict[str, Callable[[Shape], Convert]] = {
    "string": lambda shape: text.expect(str, shape.name),
    "character": lambda shape: text.expect(str, shape.name),
    "integer": lambda shape: text.expect(int, shape.name),
    "long": lambda shape: text.expect(int, shape.name),
    "float": _write_float,
    "double": _write_float,
    "boolean": lambda shape: text.expect(bool, shape.name),
    "blob": _write_blob,
    "timestamp": _write_timestamp,
}


class JsonFormat:
    """Bodies of one operation as JSON. See `formats.BodyFormat`."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type
        self._readers = TreeReaders(_READERS)
        self._writers = TreeWriters(_WRITERS)

    def reader(self, shape: Shape) -> Callable[[bytes], Any]:
        """Bytes to a value of the shape."""
        return self._from_bytes(self._readers.reader(shape))

    def members_reader(self, members: Mapping[str, Shape]) -> Callable[[bytes], dict[str, Any]]:
        """Bytes to those of the members that are there."""
        return self._from_bytes(self._readers.members(members))

    def writer(self, shape: Shape, root: str) -> Callable[[Any], bytes]:
        """A value of the shape to bytes; JSON has no name for the root."""
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

    def _from_bytes(self, read: Convert) -> Callable[[bytes], Any]:
        def read_body(body: bytes) -> Any:
            tree = decode(body)
            if self._readers.is_unbounded:
                check_depth(tree)
            return read(tree)

        return read_body
