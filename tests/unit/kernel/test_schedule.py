from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.kernel.schedule import Schedule, ScheduleError, parse

START = datetime(2026, 1, 1, tzinfo=UTC)


def instants(text: str, after: str, count: int, zone: str = "UTC") -> list[str]:
    """The next instants as wall times of the zone."""
    schedule, moment, found = parse(text), datetime.fromisoformat(after).replace(tzinfo=UTC), []
    while len(found) < count and (following := schedule.next_after(moment, ZoneInfo(zone), START)) is not None:
        found.append(following.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M"))
        moment = following
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 10 * * ? *)", ["2026-11-25 10:00", "2026-11-26 10:00"]),
        ("cron(15 12 * * ? *)", ["2026-11-25 12:15", "2026-11-26 12:15"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-11-25 18:00", "2026-11-26 18:00", "2026-11-27 18:00", "2026-11-30 18:00"]),
        ("cron(0 8 1 * ? *)", ["2026-12-01 08:00", "2027-01-01 08:00"]),
        ("cron(0/15 * * * ? *)", ["2026-11-25 00:15", "2026-11-25 00:30", "2026-11-25 00:45", "2026-11-25 01:00"]),
        ("cron(*/20 * * * ? *)", ["2026-11-25 00:20", "2026-11-25 00:40"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", ["2026-11-25 08:00", "2026-11-25 08:05"]),
        ("cron(10-30/10 3 * * ? *)", ["2026-11-25 03:10", "2026-11-25 03:20", "2026-11-25 03:30", "2026-11-26 03:10"]),
        ("cron(0 0 L * ? *)", ["2026-11-30 00:00", "2026-12-31 00:00", "2027-01-31 00:00", "2027-02-28 00:00"]),
        ("cron(0 0 LW * ? *)", ["2026-11-30 00:00", "2026-12-31 00:00", "2027-01-29 00:00"]),
        ("cron(0 9 1W * ? *)", ["2026-12-01 09:00", "2027-01-01 09:00", "2027-02-01 09:00", "2027-03-01 09:00"]),
        ("cron(0 9 31W * ? *)", ["2026-12-31 09:00", "2027-01-29 09:00", "2027-03-31 09:00"]),
        ("cron(0 9 15W 5,8 ? *)", ["2027-05-14 09:00", "2027-08-16 09:00"]),
        ("cron(0 9 ? * 2#1 *)", ["2026-12-07 09:00", "2027-01-04 09:00"]),
        ("cron(0 9 ? * sun#5 *)", ["2026-11-29 09:00", "2027-01-31 09:00"]),
        ("cron(0 9 ? * 6L *)", ["2026-11-27 09:00", "2026-12-25 09:00", "2027-01-29 09:00"]),
        ("cron(0 9 ? * L *)", ["2026-11-28 09:00", "2026-12-05 09:00"]),
        ("cron(0 0 29 FEB ? *)", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("cron(59 23 31 12 ? 2026-2027)", ["2026-12-31 23:59", "2027-12-31 23:59"]),
        ("cron(0 0 30 2 ? *)", []),
        ("cron(0 0 1 1 ? 2020)", []),
        ("rate(1 minute)", ["2026-11-25 00:01", "2026-11-25 00:02"]),
        ("rate(5 hours)", ["2026-11-25 03:00", "2026-11-25 08:00"]),
        ("rate(7 days)", ["2026-11-26 00:00", "2026-12-03 00:00"]),
        ("at(2026-12-24T18:00:00)", ["2026-12-24 18:00"]),
        ("at(2026-11-25T00:00:00)", []),
    ],
)
def test_the_next_instants(text: str, expected: list[str]) -> None:
    assert instants(text, "2026-11-25T00:00:00", len(expected) or 2) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "cron()", "cron(0 10 * * ?)", "cron(0 10 * * * *)", "cron(0 10 ? * ? *)", "cron(60 * * * ? *)",
        "cron(* 24 * * ? *)", "cron(* * 0 * ? *)", "cron(* * 32 * ? *)", "cron(* * * 13 ? *)", "cron(* * ? * 8 *)",
        "cron(* * ? * MON#6 *)", "cron(* * * * ? 1969)", "cron(* * * * ? 2200)", "cron(5-1 * * * ? *)", "cron(a * * * ? *)",
        "cron(*/0 * * * ? *)", "cron(1, * * * ? *)", "cron(- * * * ? *)", "cron(* * W * ? *)", "cron(\u0663 * * * ? *)",
        "rate(0 minutes)", "rate(1 minutes)", "rate(2 minute)", "rate(5 weeks)", "rate(-1 hours)", "rate(5)",
        "at(2026-13-01T00:00:00)", "at(2026-01-01)", "at(2026-01-01T00:00:00Z)", "every day", "CRON(0 10 * * ? *)",
    ],
)  # fmt: skip
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(ScheduleError):
        parse(text)


def test_a_wall_time_that_does_not_exist_is_skipped() -> None:
    assert instants("cron(30 2 * * ? *)", "2026-03-28T00:00:00", 2, "Europe/Berlin") == [
        "2026-03-28 02:30",
        "2026-03-30 02:30",
    ]


def test_a_wall_time_that_exists_twice_counts_once() -> None:
    assert instants("cron(30 2 * * ? *)", "2026-10-24T10:00:00", 2, "Europe/Berlin") == [
        "2026-10-25 02:30",
        "2026-10-26 02:30",
    ]
    second_pass = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)  # 02:15 in winter time
    following = parse("cron(30 2 * * ? *)").next_after(second_pass, ZoneInfo("Europe/Berlin"), START)
    assert following == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_at_and_cron_are_wall_time_of_their_zone_and_a_rate_is_not() -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    assert parse("at(2026-12-01T09:00:00)").next_after(START, tokyo, START) == datetime(2026, 12, 1, tzinfo=UTC)
    assert parse("cron(0 9 * * ? *)").next_after(START, tokyo, START) == datetime(2026, 1, 2, tzinfo=UTC)
    assert parse("rate(1 day)").next_after(START - timedelta(1), tokyo, START) == START


def member(low: int, high: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high)
    span = st.tuples(one, one).map(lambda pair: f"{min(pair)}-{max(pair)}")
    return st.one_of(st.just("*"), one.map(str), span, st.tuples(one, st.integers(1, 9)).map(lambda p: f"{p[0]}/{p[1]}"))


@given(member(0, 59), member(0, 23), member(1, 28), st.sampled_from(["UTC", "America/St_Johns", "Australia/Lord_Howe"]))
def test_instants_go_forward_and_are_on_the_wall_times_asked_for(minute: str, hour: str, day: str, zone: str) -> None:
    schedule: Schedule = parse(f"cron({minute} {hour} {day} * ? *)")
    moment, seen = datetime(2026, 3, 7, tzinfo=UTC), []
    for _ in range(5):
        following = schedule.next_after(moment, ZoneInfo(zone), START)
        assert following is not None
        seen.append(moment := following)
    assert all(earlier < later for earlier, later in pairwise(seen))
    walls = {each.astimezone(ZoneInfo(zone)) for each in seen}
    assert {wall.minute for wall in walls} <= set(schedule.minutes)  # type: ignore[union-attr]
    assert {wall.hour for wall in walls} <= set(schedule.hours)  # type: ignore[union-attr]
