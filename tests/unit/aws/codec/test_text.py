import math

import pytest

from functory.aws.codec import text
from functory.aws.codec.malformed import Malformed
from tests.unit.aws.codec.shapes_of import scalar


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("string", " a ", " a "),
        ("integer", "-12", -12),
        ("long", " 9223372036854775807 ", 2**63 - 1),
        ("double", "1e3", 1000.0),
        ("float", ".5", 0.5),
        ("double", "Infinity", math.inf),
        ("boolean", "TRUE", True),
        ("boolean", "false", False),
        ("blob", "aGk=", b"hi"),
    ],
)
def test_scalars_are_read(kind: str, raw: str, value: object) -> None:
    assert text.reader(scalar(kind))(raw) == value


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("integer", ""),
        ("integer", "1_000"),
        ("integer", "\u0663"),
        ("integer", "1.0"),
        ("integer", "9" * 5000),
        ("long", "9223372036854775808"),
        ("double", "1e999"),
        ("double", "nan"),
        ("double", "0x1"),
        ("boolean", "1"),
        ("blob", "a"),
        ("blob", "a\u00e9=="),
        ("timestamp", "soon"),
    ],
)
def test_other_text_is_malformed(kind: str, raw: str) -> None:
    with pytest.raises(Malformed):
        text.reader(scalar(kind))(raw)


@pytest.mark.parametrize(
    ("kind", "value", "raw"),
    [
        ("string", "a", "a"),
        ("integer", 7, "7"),
        ("double", 0.1, "0.1"),
        ("double", 2, "2"),
        ("double", math.nan, "NaN"),
        ("double", -math.inf, "-Infinity"),
        ("boolean", True, "true"),
        ("blob", bytearray(b"hi"), "aGk="),
        ("timestamp", 0, "1970-01-01T00:00:00Z"),
    ],
)
def test_scalars_are_written(kind: str, value: object, raw: str) -> None:
    assert text.writer(scalar(kind), "iso8601")(value) == raw


@pytest.mark.parametrize(
    ("kind", "value"),
    [("string", 1), ("string", b"a"), ("integer", True), ("integer", 1.0), ("boolean", 1), ("blob", "a"), ("double", "1")],
)
def test_a_value_of_another_type_names_its_shape(kind: str, value: object) -> None:
    with pytest.raises(TypeError, match="Thing"):
        text.writer(scalar(kind), "iso8601")(value)


def test_the_model_prescribes_the_timestamp_format() -> None:
    shape = scalar("timestamp", timestampFormat="rfc822")
    assert text.writer(shape, "iso8601")(0) == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_text_that_is_not_utf8_is_malformed() -> None:
    assert text.utf8("\u20ac".encode()) == "\u20ac"
    with pytest.raises(Malformed):
        text.utf8(b"\xff")
