import uuid
from datetime import UTC, datetime

import botocore.eventstream
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.aws.codec.event_frames import Byte, Decoder, Frame, Long, Short, encode
from functory.aws.codec.malformed import Malformed

EVERY_TYPE = {
    "true": True,
    "false": False,
    "byte": Byte(-128),
    "short": Short(-32768),
    "integer": -(2**31),
    "long": Long(5),
    "big": 2**40,
    "bytes": b"\x00\xff",
    "text": "\u00e9",
    "moment": datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC),
    "uuid": uuid.UUID(int=7),
}
values = (
    st.booleans() | st.binary(max_size=50) | st.text(max_size=50) | st.uuids() | st.integers(-(2**63), 2**63 - 1)
)  # fmt: skip
frames = st.builds(
    Frame, st.dictionaries(st.text("abc:-", min_size=1, max_size=20), values, max_size=5), st.binary(max_size=100)
)


def test_headers_of_every_type_survive() -> None:
    (frame,) = Decoder().feed(encode(Frame(EVERY_TYPE, b"payload")))
    assert (frame.headers, frame.payload) == (EVERY_TYPE, b"payload")
    assert {name: type(value) for name, value in frame.headers.items() if name in ("byte", "short", "long", "integer")} == {
        "byte": Byte, "short": Short, "long": Long, "integer": int,
    }  # fmt: skip


@given(st.lists(frames, max_size=4), st.integers(1, 40))
def test_frames_survive_any_cut(sent: list[Frame], size: int) -> None:
    data = b"".join(map(encode, sent))
    decoder = Decoder()
    received = [frame for start in range(0, len(data), size) for frame in decoder.feed(data[start : start + size])]
    assert received == sent
    assert decoder.is_between_frames


@given(frames)
def test_botocore_reads_our_frames(frame: Frame) -> None:
    buffer = botocore.eventstream.EventStreamBuffer()
    buffer.add_data(encode(frame))
    (message,) = list(buffer)
    expected = {name: value.bytes if isinstance(value, uuid.UUID) else value for name, value in frame.headers.items()}
    assert (message.headers, message.payload) == (expected, frame.payload)


@given(frames, st.data())
def test_any_damage_is_found(frame: Frame, data: st.DataObject) -> None:
    raw = bytearray(encode(frame))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Malformed):
        Decoder().feed(bytes(raw))


@given(st.binary(max_size=200))
def test_noise_is_refused_or_incomplete(noise: bytes) -> None:
    decoder = Decoder()
    try:
        decoder.feed(noise)
    except Malformed:
        return


@pytest.mark.parametrize(
    "frame",
    [
        Frame({"": "x"}),
        Frame({"x" * 256: "y"}),
        Frame({"x": "y" * 70_000}),
        Frame({"x": 2**63}),
        Frame({"x": Byte(200)}),
        Frame({str(number): "y" * 60_000 for number in range(3)}),
        Frame({}, bytes(24 * 1024 * 1024 + 1)),
    ],
)
def test_frames_that_no_reader_takes_are_not_written(frame: Frame) -> None:
    with pytest.raises(ValueError, match="event stream"):
        encode(frame)


def test_repeated_headers_are_refused() -> None:
    raw = encode(Frame({"a": True, "b": True}))
    with pytest.raises(Malformed):
        Decoder().feed(_resealed(raw.replace(b"b", b"a")))


def test_unknown_header_types_are_refused() -> None:
    raw = encode(Frame({"a": True}))
    with pytest.raises(Malformed):
        Decoder().feed(_resealed(raw.replace(b"\x01a\x00", b"\x01a\x0a")))


def _resealed(raw: bytes) -> bytes:
    import zlib

    return raw[:-4] + zlib.crc32(raw[:-4]).to_bytes(4, "big")
