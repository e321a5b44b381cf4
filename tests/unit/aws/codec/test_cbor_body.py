from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest

from functory.aws.codec import cbor_body, parse_request
from functory.aws.codec.malformed import Malformed
from functory.aws.http import HttpRequest
from tests.unit.aws.codec.shapes_of import operation, structure

SHAPE = structure(text="Text", real="Real", moment="Moment", bytes="Bytes", texts="Texts", map="TextMap")


def read(body: bytes) -> dict[str, Any]:
    return parse_request(operation({"In": SHAPE}), "smithy-rpc-v2-cbor", HttpRequest("POST", "/", body=body), {})


def test_indefinite_lengths_are_read() -> None:
    #            map _  text: (_ "a" "b")               texts: [_ "x"]           bytes: (_ h'01' h'02')
    body = "bf" "6474657874" "7f61616162ff" "657465787473" "9f6178ff" "656279746573" "5f41014102ff" "ff"  # fmt: skip
    assert read(bytes.fromhex(body)) == {"text": "ab", "texts": ["x"], "bytes": b"\x01\x02"}


@pytest.mark.parametrize("number", ["f93e00", "fa3fc00000", "fb3ff8000000000000"])
def test_floats_of_every_size_are_read(number: str) -> None:
    assert read(bytes.fromhex("a1647265616c" + number)) == {"real": 1.5}


@pytest.mark.parametrize("seconds", [1, 1.0])
def test_timestamps_may_be_tagged_or_plain(seconds: float) -> None:
    expected = {"moment": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)}
    assert read(cbor2.dumps({"moment": cbor2.CBORTag(1, seconds)})) == expected
    assert read(cbor2.dumps({"moment": seconds})) == expected


def test_null_counts_as_absent() -> None:
    assert read(cbor2.dumps({"text": None})) == {}


@pytest.mark.parametrize(
    "body",
    [
        cbor2.dumps({"a": 2**64}),
        cbor2.dumps({"a": {1, 2}}),
        cbor2.dumps({1: 2}),
        cbor2.dumps(cbor2.CBORTag(9999, 1)),
        bytes.fromhex("d9d9f7a0"),
        bytes.fromhex("d81c80"),
        b"\xff",
        b"\xa1",
        b"\x62\xff\xff",
        b"\xa0\xa0",
        b"",
    ],
)
def test_everything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        cbor_body.decode(body)
