"""Timestamps: one value (aware UTC datetime), three spellings (epoch seconds, ISO 8601, RFC 822).

Reading is lenient about the spelling, as AWS's SDKs are with one another; writing is exact and at most to the millisecond,
which is the precision of AWS's own answers.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from functory.aws.codec.malformed import Malformed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{0,18})?([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST = 64


def parse(value: Any) -> datetime:
    """The moment that a number of epoch seconds or a text in any of the three spellings means.

    Raises:
        Malformed: it means none, or one outside the years 1 to 9999.
    """
    try:
        if isinstance(value, str):
            return _parse_text(value.strip())
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return EPOCH + timedelta(seconds=value)
    except (ValueError, OverflowError, TypeError, IndexError):
        pass
    raise Malformed("Unable to parse timestamp")


def _parse_text(text: str) -> datetime:
    if len(text) > _LONGEST:
        raise ValueError(text[:_LONGEST])
    if _NUMBER.fullmatch(text):
        return EPOCH + timedelta(seconds=float(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = email.utils.parsedate_to_datetime(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _milliseconds(value: Any) -> int:
    """Whole milliseconds since the epoch of a datetime or of epoch seconds."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError(f"timestamp without time zone: {value!r}")
        return (value - EPOCH) // _MILLISECOND
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return round(value * 1000)
    raise TypeError(f"expected a timestamp, got {type(value).__name__}")


def epoch_seconds(value: Any) -> int | float:
    """Epoch seconds as a number, with a fraction only where there is one."""
    whole, rest = divmod(_milliseconds(value), 1000)
    return whole if rest == 0 else (whole * 1000 + rest) / 1000


def iso8601(value: Any) -> str:
    """``2026-01-02T03:04:05Z``, with milliseconds where there are any."""
    milliseconds = _milliseconds(value)
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds") + "Z"


def iso8601_ms(value: Any) -> str:
    """``2026-01-02T03:04:05.000Z``: always with milliseconds, as S3 and EC2 write it."""
    moment = EPOCH + timedelta(milliseconds=_milliseconds(value))
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def rfc822(value: Any) -> str:
    """``Fri, 02 Jan 2026 03:04:05 GMT``."""
    moment = EPOCH + timedelta(milliseconds=_milliseconds(value))
    return email.utils.format_datetime(moment.replace(microsecond=0), usegmt=True)


def _epoch_text(value: Any) -> str:
    return str(epoch_seconds(value))


_TEXT_FORMATS: dict[str, Callable[[Any], str]] = {
    "iso8601": iso8601,
    "iso8601_ms": iso8601_ms,
    "rfc822": rfc822,
    "unixtimestamp": _epoch_text,
}


def text_format(name: str) -> Callable[[Any], str]:
    """The writer of a format as the models name it (``iso8601``, ``rfc822``, ``unixTimestamp``)."""
    return _TEXT_FORMATS[name.lower()]
