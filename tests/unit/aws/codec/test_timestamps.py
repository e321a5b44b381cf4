from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.aws.codec import timestamps
from functory.aws.codec.malformed import Malformed

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "spelling",
    [
        1767323045,
        1767323045.0,
        "1767323045",
        "1.767323045E9",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.000Z",
        "2026-01-02T05:04:05+02:00",
        "2026-01-02T03:04:05",
        "20260102T030405Z",
        "Fri, 02 Jan 2026 03:04:05 GMT",
        " Fri, 02 Jan 2026 05:04:05 +0200 ",
    ],
)
def test_every_spelling_means_the_same_moment(spelling: object) -> None:
    parsed = timestamps.parse(spelling)
    assert (parsed, parsed.tzinfo) == (MOMENT, UTC)


def test_fractions_are_kept() -> None:
    assert timestamps.parse(0.123456).microsecond == 123456
    assert timestamps.parse("1970-01-01T00:00:00.5Z").microsecond == 500_000
    assert timestamps.parse(-0.5) == timestamps.EPOCH - timedelta(seconds=0.5)


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "yesterday",
        "1e400",
        1e300,
        float("nan"),
        10**30,
        True,
        None,
        [],
        "9" * 100,
        "0001-01-01T00:00:00+23:00",
        "13 Foo 2026",
    ],
)
def test_nonsense_is_malformed(nonsense: object) -> None:
    with pytest.raises(Malformed):
        timestamps.parse(nonsense)


@pytest.mark.parametrize(
    ("milliseconds", "number", "short", "long"),
    [
        (0, 1767323045, "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
        (7, 1767323045.007, "2026-01-02T03:04:05.007Z", "2026-01-02T03:04:05.007Z"),
    ],
)
def test_writing_has_milliseconds_where_needed(milliseconds: int, number: float, short: str, long: str) -> None:
    moment = MOMENT + timedelta(milliseconds=milliseconds)
    assert timestamps.epoch_seconds(moment) == number
    assert timestamps.iso8601(moment) == short
    assert timestamps.iso8601_ms(moment) == long
    assert timestamps.rfc822(moment) == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert timestamps.text_format("unixTimestamp")(moment) == str(number)


def test_whole_seconds_are_written_as_whole_numbers() -> None:
    assert repr(timestamps.epoch_seconds(1767323045.0)) == "1767323045"


def test_other_zones_are_converted() -> None:
    local = MOMENT.astimezone(timezone(timedelta(hours=2)))
    assert timestamps.iso8601(local) == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize("wrong", [MOMENT.replace(tzinfo=None), "2026-01-02T03:04:05Z", True, None])
def test_values_of_another_type_are_a_bug_of_the_service(wrong: object) -> None:
    with pytest.raises(TypeError):
        timestamps.epoch_seconds(wrong)


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001 - strategies want naive bounds
def test_iso_spelling_reads_back_to_the_millisecond(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC, microsecond=naive.microsecond // 1000 * 1000)
    assert timestamps.parse(timestamps.iso8601(moment)) == moment
    assert timestamps.parse(timestamps.iso8601_ms(moment)) == moment


@given(st.text())
def test_any_text_is_read_or_malformed(text: str) -> None:
    try:
        assert timestamps.parse(text).tzinfo is UTC
    except Malformed:
        return
