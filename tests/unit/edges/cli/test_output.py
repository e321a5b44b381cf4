from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from functory.edges.cli.output import duration, size, table, to_json


def test_a_table_is_aligned_and_has_no_trailing_blanks() -> None:
    assert table(("NAME", "N"), [("a", 1), ("longer", 22)]) == "NAME    N\na       1\nlonger  22"


def test_json_has_times_as_iso_and_bytes_as_base64() -> None:
    assert json.loads(to_json({"at": datetime(2026, 1, 2, tzinfo=UTC), "b": b"hi"})) == {
        "at": "2026-01-02T00:00:00+00:00",
        "b": "aGk=",
    }


def test_json_refuses_what_has_no_form() -> None:
    with pytest.raises(TypeError, match="no JSON form for object"):
        to_json(object())


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (12_582_912, "12.0 MB")])
def test_a_size_is_readable(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(45.9, "45s"), (185, "3m 5s"), (7380, "2h 3m"), (352_800, "4d 2h")])
def test_a_duration_is_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text
