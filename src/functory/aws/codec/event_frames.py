"""The binary framing ``application/vnd.amazon.eventstream``: bytes ↔ frames, whatever the frames mean.

::

    total length (4) | headers length (4) | CRC of these 8 (4) | headers | payload | CRC of all before (4)
    header: name length (1) | name | type (1) | value

Numbers are big-endian, CRCs are CRC-32. The decoder takes pieces of any size and holds at most one incomplete frame.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from functory.aws.codec.malformed import Malformed
from functory.aws.codec.timestamps import EPOCH

CONTENT_TYPE = "application/vnd.amazon.eventstream"
HEADERS_BYTES_MAX = 128 * 1024  # AWS: event stream specification
PAYLOAD_BYTES_MAX = 24 * 1024 * 1024  # what the SDKs accept

_PRELUDE = struct.Struct("!II")
_CRC = struct.Struct("!I")
_OVERHEAD = 16
_MILLISECOND = timedelta(milliseconds=1)


class Byte(int):
    """A header number of 8 bits."""


class Short(int):
    """A header number of 16 bits."""


class Long(int):
    """A header number of 64 bits; a plain int is written with 32 where it fits."""


HeaderValue = bool | int | bytes | str | datetime | uuid.UUID


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: headers by name and a payload."""

    headers: Mapping[str, HeaderValue] = field(default_factory=dict)
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """The bytes of a frame.

    Raises:
        ValueError: a header's name or value is too long or too large for its type.
    """
    headers = b"".join(_encode_header(name, value) for name, value in frame.headers.items())
    if len(headers) > HEADERS_BYTES_MAX or len(frame.payload) > PAYLOAD_BYTES_MAX:
        raise ValueError("event stream frame too large")
    prelude = _PRELUDE.pack(len(headers) + len(frame.payload) + _OVERHEAD, len(headers))
    head = prelude + _CRC.pack(zlib.crc32(prelude)) + headers
    return head + frame.payload + _CRC.pack(zlib.crc32(frame.payload, zlib.crc32(head)))


def _encode_header(name: str, value: HeaderValue) -> bytes:
    raw = name.encode("utf-8")
    if not 0 < len(raw) < 256:
        raise ValueError(f"event stream header name of {len(raw)} bytes")
    try:
        return bytes([len(raw)]) + raw + _encode_value(value)
    except struct.error as error:
        raise ValueError(f"event stream header {name}: {error}") from None


def _encode_value(value: HeaderValue) -> bytes:
    if isinstance(value, bool):
        return b"\x00" if value else b"\x01"
    if isinstance(value, Byte):
        return struct.pack("!Bb", 2, value)
    if isinstance(value, Short):
        return struct.pack("!Bh", 3, value)
    if isinstance(value, int):
        fits = -(2**31) <= value < 2**31 and not isinstance(value, Long)
        return struct.pack("!Bi", 4, value) if fits else struct.pack("!Bq", 5, value)
    if isinstance(value, datetime):
        return struct.pack("!Bq", 8, (value - EPOCH) // _MILLISECOND)
    if isinstance(value, uuid.UUID):
        return b"\x09" + value.bytes
    raw = value.encode("utf-8") if isinstance(value, str) else bytes(value)
    return struct.pack("!BH", 7 if isinstance(value, str) else 6, len(raw)) + raw


class Decoder:
    """Finds the frames in a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def is_between_frames(self) -> bool:
        """Whether the stream may end here."""
        return not self._buffer

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes.

        Raises:
            Malformed: a checksum or a length is wrong; the decoder cannot be used afterwards.
        """
        self._buffer += data
        frames = []
        start = 0
        while (length := self._frame_length(start)) and len(self._buffer) - start >= length:
            frames.append(_decode_frame(bytes(self._buffer[start : start + length])))
            start += length
        del self._buffer[:start]
        return frames

    def _frame_length(self, start: int) -> int:
        """The whole length of the frame at ``start``; 0 when its prelude has not come completely."""
        if len(self._buffer) - start < 12:
            return 0
        total, headers = _PRELUDE.unpack_from(self._buffer, start)
        if _CRC.unpack_from(self._buffer, start + 8)[0] != zlib.crc32(self._buffer[start : start + 8]):
            raise Malformed("Event stream prelude checksum mismatch", "syntax")
        payload = total - headers - _OVERHEAD
        if headers > HEADERS_BYTES_MAX or not 0 <= payload <= PAYLOAD_BYTES_MAX:
            raise Malformed("Event stream frame with impossible lengths", "syntax")
        return int(total)


def _decode_frame(raw: bytes) -> Frame:
    if _CRC.unpack_from(raw, len(raw) - 4)[0] != zlib.crc32(raw[:-4]):
        raise Malformed("Event stream message checksum mismatch", "syntax")
    headers_end = 12 + _PRELUDE.unpack_from(raw)[1]
    return Frame(_decode_headers(raw[12:headers_end]), raw[headers_end:-4])


def _decode_headers(raw: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    position = 0
    try:
        while position < len(raw):
            name_end = position + 1 + raw[position]
            name = raw[position + 1 : name_end].decode("utf-8")
            value, position = _VALUES[raw[name_end]](raw, name_end + 1)
            if name in headers or position > len(raw):
                raise Malformed("Event stream headers are damaged", "syntax")
            headers[name] = value
    except (IndexError, KeyError, struct.error, UnicodeDecodeError, OverflowError, ValueError):
        raise Malformed("Event stream headers are damaged", "syntax") from None
    return headers


def _number(layout: str, kind: Callable[[int], int]) -> Callable[[bytes, int], tuple[Any, int]]:
    packed = struct.Struct(layout)
    return lambda raw, start: (kind(packed.unpack_from(raw, start)[0]), start + packed.size)


def _sized(raw: bytes, start: int) -> tuple[bytes, int]:
    end = start + 2 + struct.unpack_from("!H", raw, start)[0]
    return raw[start + 2 : end], end


def _text(raw: bytes, start: int) -> tuple[str, int]:
    value, end = _sized(raw, start)
    return value.decode("utf-8"), end


def _moment(raw: bytes, start: int) -> tuple[datetime, int]:
    return EPOCH + timedelta(milliseconds=struct.unpack_from("!q", raw, start)[0]), start + 8


_VALUES: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    0: lambda _raw, start: (True, start),
    1: lambda _raw, start: (False, start),
    2: _number("!b", Byte),
    3: _number("!h", Short),
    4: _number("!i", int),
    5: _number("!q", Long),
    6: _sized,
    7: _text,
    8: _moment,
    9: lambda raw, start: (uuid.UUID(bytes=raw[start : start + 16]), start + 16),
}
