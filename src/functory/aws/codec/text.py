"""Scalars as text: in XML elements, form fields, headers, query parameters and path labels."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any

from functory.aws.codec import timestamps
from functory.aws.codec.malformed import Malformed
from functory.aws.codec.shapes import Shape

TextReader = Callable[[str], Any]
TextWriter = Callable[[Any], str]

INTEGER_MAX = 2**63 - 1
INTEGER_MIN = -(2**63)
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FLOAT = re.compile(r"[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][+-]?\d{1,5})?", re.ASCII)


def utf8(raw: bytes) -> str:
    """The text of a body that is text.

    Raises:
        Malformed: it is not UTF-8.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("Invalid UTF-8", "syntax") from None


def read_string(text: str) -> str:
    """As it is."""
    return text


def read_integer(text: str) -> int:
    """A decimal number of at most 64 bits."""
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped):
        value = int(stripped)
        if INTEGER_MIN <= value <= INTEGER_MAX:
            return value
    raise Malformed("STRING_VALUE can not be converted to an Integer")


def read_float(text: str) -> float:
    """A decimal number, or one of the three special values by Smithy's names."""
    stripped = text.strip()
    if stripped in _SPECIAL:
        return _SPECIAL[stripped]
    if _FLOAT.fullmatch(stripped):
        value = float(stripped)
        if math.isfinite(value):
            return value
    raise Malformed("STRING_VALUE can not be converted to a Double")


def read_boolean(text: str) -> bool:
    """``true`` or ``false`` in any case."""
    lower = text.strip().lower()
    if lower == "true":
        return True
    if lower == "false":
        return False
    raise Malformed("STRING_VALUE can not be converted to a Boolean")


def read_blob(text: str) -> bytes:
    """Base64, strictly."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("Unable to decode base64 value") from None


_READERS: dict[str, TextReader] = {
    "string": read_string,
    "character": read_string,
    "integer": read_integer,
    "long": read_integer,
    "float": read_float,
    "double": read_float,
    "boolean": read_boolean,
    "blob": read_blob,
    "timestamp": timestamps.parse,
}


def reader(shape: Shape) -> TextReader:
    """How to read a scalar of that shape."""
    return _READERS[shape.type_name]


def expect(kind: type | tuple[type, ...], name: str) -> Callable[[Any], Any]:
    """A check that a result's value has its type; bool never counts as a number.

    Raises:
        TypeError: in the returned function; naming the shape, for it is a bug of the service.
    """
    wants_bool = kind is bool

    def check(value: Any) -> Any:
        if not isinstance(value, kind) or (not wants_bool and value is True) or (not wants_bool and value is False):
            raise TypeError(f"{name}: unexpected {type(value).__name__}")
        return value

    return check


def float_name(value: float) -> str | None:
    """Smithy's name of a special value, None for an ordinary number."""
    if math.isfinite(value):
        return None
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _write_float(value: Any) -> str:
    return float_name(value) or (str(value) if isinstance(value, int) else repr(float(value)))


def writer(shape: Shape, timestamp_format: str) -> TextWriter:
    """How to write a scalar of that shape; ``timestamp_format`` applies when the model does not prescribe one."""
    kind, name = shape.type_name, shape.name
    if kind == "timestamp":
        return timestamps.text_format(shape.serialization.get("timestampFormat", timestamp_format))
    if kind == "boolean":
        check = expect(bool, name)
        return lambda value: "true" if check(value) else "false"
    if kind in ("integer", "long"):
        check = expect(int, name)
        return lambda value: int.__repr__(check(value))
    if kind in ("float", "double"):
        check = expect((int, float), name)
        return lambda value: _write_float(check(value))
    if kind == "blob":
        check = expect((bytes, bytearray, memoryview), name)
        return lambda value: base64.b64encode(check(value)).decode("ascii")
    check = expect(str, name)
    return lambda value: str.__str__(check(value))
