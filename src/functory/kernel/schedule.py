"""Schedule expressions of AWS: ``at(…)``, ``rate(…)``, ``cron(…)``. Pure: text in, instants out.

**Cron as AWS has it**: six fields, *minutes hours day-of-month month day-of-week year*, with ``,`` ``-`` ``*`` ``/``, names
of months and days, ``?`` in exactly one of the two day fields, ``L`` (last day of the month or, after a weekday, its last
occurrence), ``W`` (the weekday nearest to a day, within its month) and ``#`` (the n-th weekday of the month). Sunday is 1.

**Time zones.** A cron or at expression is wall time of its zone. AWS (EventBridge Scheduler): a time that does not exist on
the day the clocks go forward is skipped, one that exists twice counts once. An instant is an aware datetime in UTC.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

YEAR_MIN, YEAR_MAX = 1970, 2199

_RATE = re.compile(r"rate\(\s*([1-9][0-9]{0,9})\s+(minute|minutes|hour|hours|day|days)\s*\)")
_AT = re.compile(r"at\(\s*([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\s*\)")
_CRON = re.compile(r"cron\((.*)\)")
_UNITS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, start=1)}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
_FRIDAY = 4
_LOOK_BACK = timedelta(hours=3)
"""More than any clock is ever turned."""


class ScheduleError(ValueError):
    """The text is none of AWS's schedule expressions."""


@dataclass(frozen=True, slots=True)
class At:
    """Once.

    Attributes:
        wall: naive wall time.
    """

    wall: datetime

    def next_after(self, after: datetime, zone: tzinfo, _start: datetime) -> datetime | None:
        """See `Schedule`."""
        instant = self.wall.replace(tzinfo=zone).astimezone(UTC)
        return instant if instant > after else None


@dataclass(frozen=True, slots=True)
class Rate:
    """Again and again.

    Attributes:
        every_s: seconds between two instants.
    """

    every_s: int

    def next_after(self, after: datetime, _zone: tzinfo, start: datetime) -> datetime | None:
        """See `Schedule`; the first instant is ``start``."""
        if after < start:
            return start
        rounds = (after - start) // timedelta(seconds=self.every_s) + 1
        try:
            return start + rounds * timedelta(seconds=self.every_s)
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class DayOfMonth:
    """Which days of a month; ``None`` in `days` stands for every one.

    Attributes:
        days: plain days.
        last: the last one.
        weekday_near: the weekday nearest to this day.
        last_weekday: the last one that is a weekday.
    """

    days: frozenset[int] | None = None
    last: bool = False
    weekday_near: int = 0
    last_weekday: bool = False

    def of(self, year: int, month: int) -> set[int]:
        """The days of that month."""
        length = calendar.monthrange(year, month)[1]
        if self.last:
            return {length}
        if self.last_weekday:
            return {_nearest_weekday(year, month, length)}
        if self.weekday_near:
            return {_nearest_weekday(year, month, self.weekday_near)} if self.weekday_near <= length else set()
        every = set(range(1, length + 1))
        return every if self.days is None else every & self.days


@dataclass(frozen=True, slots=True)
class DayOfWeek:
    """Which weekdays; Sunday is 1.

    Attributes:
        days: plain weekdays.
        last: the last one of this weekday in the month.
        nth: weekday and its how-manieth occurrence.
    """

    days: frozenset[int] = frozenset()
    last: int = 0
    nth: tuple[int, int] = (0, 0)

    def of(self, year: int, month: int) -> set[int]:
        """The days of that month."""
        first, length = calendar.monthrange(year, month)
        by_weekday: dict[int, list[int]] = {}
        for day in range(1, length + 1):
            by_weekday.setdefault((first + day) % 7 + 1, []).append(day)
        if self.last:
            return {by_weekday[self.last][-1]}
        if self.nth[0]:
            found = by_weekday[self.nth[0]]
            return {found[self.nth[1] - 1]} if self.nth[1] <= len(found) else set()
        return {day for weekday in self.days for day in by_weekday[weekday]}


@dataclass(frozen=True, slots=True)
class Cron:
    """At wall times; every tuple is sorted."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DayOfMonth | DayOfWeek
    months: tuple[int, ...]
    years: tuple[int, ...]

    def next_after(self, after: datetime, zone: tzinfo, _start: datetime) -> datetime | None:
        """See `Schedule`."""
        wall = after.astimezone(zone).replace(tzinfo=None) - _LOOK_BACK
        for day in self._days_from(wall.date()):
            for hour in self.hours:
                for minute in self.minutes:
                    candidate = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001  wall time
                    if candidate < wall:
                        continue
                    instant = _instant(candidate, zone)
                    if instant is not None and instant > after:
                        return instant
        return None

    def _days_from(self, first: date) -> Iterator[date]:
        for year in self.years:
            if year < first.year:
                continue
            for month in self.months:
                if (year, month) < (first.year, first.month):
                    continue
                for day in sorted(self.days.of(year, month)):
                    if (found := date(year, month, day)) >= first:
                        yield found


Schedule = At | Rate | Cron
"""``next_after(after, zone, start)``: the first instant later than ``after``, or None when there is none.

``after`` is aware; ``zone`` is that of the wall times; ``start`` (aware) is where a rate begins to count.
"""


def parse(text: str) -> Schedule:
    """What a schedule expression says.

    Raises:
        ScheduleError: it is none.
    """
    if found := _RATE.fullmatch(text):
        count, unit = int(found[1]), found[2]
        if (count == 1) == unit.endswith("s"):
            raise ScheduleError(f"rate: {count} and {unit} do not go together")
        return Rate(count * _UNITS[unit.rstrip("s")])
    if found := _AT.fullmatch(text):
        try:
            return At(datetime.fromisoformat(found[1]))
        except ValueError as error:
            raise ScheduleError(f"at: {error}") from error
    if found := _CRON.fullmatch(text):
        return _cron(found[1])
    raise ScheduleError("expected at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(fields)")


def _cron(text: str) -> Cron:
    fields = text.upper().split()
    if len(fields) != 6:
        raise ScheduleError("cron: six fields are needed: minutes hours day-of-month month day-of-week year")
    minutes, hours, of_month, month, of_week, year = fields
    if (of_month == "?") == (of_week == "?"):
        raise ScheduleError("cron: exactly one of day-of-month and day-of-week must be ?")
    return Cron(
        _values(minutes, 0, 59, "minutes"),
        _values(hours, 0, 23, "hours"),
        _day_of_week(of_week) if of_month == "?" else _day_of_month(of_month),
        _values(month, 1, 12, "month", _MONTHS),
        _values(year, YEAR_MIN, YEAR_MAX, "year"),
    )


def _day_of_month(text: str) -> DayOfMonth:
    if text == "*":
        return DayOfMonth()
    if text == "L":
        return DayOfMonth(last=True)
    if text == "LW":
        return DayOfMonth(last_weekday=True)
    if text.endswith("W"):
        return DayOfMonth(weekday_near=_number(text[:-1], 1, 31, "day-of-month", {}))
    return DayOfMonth(frozenset(_values(text, 1, 31, "day-of-month")))


def _day_of_week(text: str) -> DayOfWeek:
    field = "day-of-week"
    if text == "L":
        return DayOfWeek(frozenset({7}))
    if text.endswith("L"):
        return DayOfWeek(last=_number(text[:-1], 1, 7, field, _DAYS))
    if "#" in text:
        day, _, nth = text.partition("#")
        return DayOfWeek(nth=(_number(day, 1, 7, field, _DAYS), _number(nth, 1, 5, field, {})))
    return DayOfWeek(frozenset(_values(text, 1, 7, field, _DAYS)))


def _values(text: str, low: int, high: int, field: str, names: dict[str, int] | None = None) -> tuple[int, ...]:
    """What a field of numbers, ranges, steps and lists of these allows."""
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, 1, high, field, {}) if slash else 1
        first_text, dash, last_text = span.partition("-")
        if span == "*":
            first, last = low, high
        else:
            first = _number(first_text, low, high, field, names or {})
            last = _number(last_text, low, high, field, names or {}) if dash else (high if slash else first)
        if last < first:
            raise ScheduleError(f"cron: {part} in {field} ends before it begins")
        found.update(range(first, last + 1, step))
    return tuple(sorted(found))


def _number(text: str, low: int, high: int, field: str, names: dict[str, int]) -> int:
    value = names.get(text, int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else None)
    if value is None or not low <= value <= high:
        raise ScheduleError(f"cron: {text or 'nothing'} is no {field} ({low}-{high})")
    return value


def _nearest_weekday(year: int, month: int, day: int) -> int:
    """The weekday nearest to a day, not leaving its month."""
    weekday, length = date(year, month, day).weekday(), calendar.monthrange(year, month)[1]
    if weekday <= _FRIDAY:
        return day
    if weekday == _FRIDAY + 1:  # Saturday
        return day - 1 if day > 1 else day + 2
    return day + 1 if day < length else day - 2


def _instant(wall: datetime, zone: tzinfo) -> datetime | None:
    """The (first) instant of a wall time; None when the clocks skip it."""
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    return instant if instant.astimezone(zone).replace(tzinfo=None) == wall else None
