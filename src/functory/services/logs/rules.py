"""Pure rules of the Logs API: names, ARNs, limits, tokens, and AWS's words when one is broken.

Constraints the botocore model states (lengths, patterns, ranges) were checked before an operation runs; here is what the
model does not say.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.logs.chunks import Event, event_bytes

RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
BATCH_BYTES_MAX = 1_048_576
EVENT_BYTES_MAX = 1_048_576
BATCH_SPAN_MS_MAX = 24 * 3_600_000
FUTURE_MS_MAX = 2 * 3_600_000
PAST_MS_MAX = 14 * 24 * 3_600_000
DAY_MS = 24 * 3_600_000
TAGS_MAX = 50
PAGE_BYTES_MAX = 1_048_576
PAGE_EVENTS_MAX = 10_000

_STREAM_BITS, _SEQUENCE_BITS = 80, 64
_ID_DIGITS = 56
_EVENT_TOKEN = re.compile(r"([fb])/(\d{56})/s\Z")
_GROUP_ARN = re.compile(r"arn:aws[a-z-]*:logs:([^:]+):(\d{12}):log-group:([.\-_/#A-Za-z0-9]{1,512})\Z")


def invalid(message: str) -> AwsError:
    """The error for a parameter that cannot be used."""
    return AwsError("InvalidParameterException", message)


def no_group() -> AwsError:
    """The error for an unknown log group."""
    return AwsError("ResourceNotFoundException", "The specified log group does not exist.")


def no_stream() -> AwsError:
    """The error for an unknown log stream."""
    return AwsError("ResourceNotFoundException", "The specified log stream does not exist.")


# Names and ARNs


def check_group_name(name: str) -> None:
    """Refuse names that AWS keeps for itself.

    Raises:
        AwsError: InvalidParameterException.
    """
    if name.lower().startswith("aws/"):
        raise invalid("Log groups starting with AWS/ are reserved for AWS.")


def group_arn(context: CallContext, name: str) -> str:
    """The ARN without the trailing ``:*`` (``logGroupArn``)."""
    return f"arn:aws:logs:{context.region}:{context.account_id}:log-group:{name}"


def stream_arn(context: CallContext, group: str, stream: str) -> str:
    """The ARN of a log stream."""
    return f"{group_arn(context, group)}:log-stream:{stream}"


def group_of_arn(context: CallContext, arn: str) -> str:
    """The name in a log group's ARN.

    Raises:
        AwsError: InvalidParameterException for what is no such ARN; ResourceNotFoundException when it points to another
            account or region.
    """
    match = _GROUP_ARN.match(arn)
    if match is None:
        raise invalid("The specified ARN is not the ARN of a log group.")
    if match[1] != context.region or match[2] != context.account_id:
        raise no_group()
    return match[3]


def group_of_identifier(context: CallContext, identifier: str) -> str:
    """The name in a ``logGroupIdentifier``: a name or an ARN.

    Raises:
        AwsError: see `group_of_arn`.
    """
    return group_of_arn(context, identifier) if identifier.startswith("arn:") else identifier


def group_asked_for(context: CallContext, params: Mapping[str, Any]) -> str:
    """The group named by ``logGroupName`` or ``logGroupIdentifier``, of which exactly one must be there.

    Raises:
        AwsError: InvalidParameterException, or see `group_of_arn`.
    """
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if name is not None and identifier is not None:
        raise invalid("LogGroup name and LogGroup ARN are mutually exclusive parameters.")
    if name is not None:
        return str(name)
    if identifier is None:
        raise invalid("Either logGroupName or logGroupIdentifier must be specified.")
    return group_of_identifier(context, identifier)


# Retention and tags


def check_retention(days: int) -> None:
    """Refuse a retention that AWS does not offer.

    Raises:
        AwsError: InvalidParameterException.
    """
    if days not in RETENTION_DAYS:
        raise invalid(f"Invalid retention value. Valid values are: [{', '.join(map(str, RETENTION_DAYS))}]")


def oldest_kept_ms(retention_days: int | None, now_ms: int) -> int:
    """Events before this time have expired; 0 when nothing expires."""
    return 0 if retention_days is None else now_ms - retention_days * DAY_MS


def merge_tags(old: Mapping[str, str], new: Mapping[str, str], arn: str) -> dict[str, str]:
    """The tags after adding ``new``.

    Raises:
        AwsError: TooManyTagsException; InvalidParameterException for keys reserved by AWS.
    """
    if any(key.lower().startswith("aws:") for key in new):
        raise invalid("Tag keys starting with aws: are reserved for AWS.")
    merged = {**old, **new}
    if len(merged) > TAGS_MAX:
        raise AwsError(
            "TooManyTagsException",
            f"The number of tags exceeds the limit of {TAGS_MAX}.",
            members={"resourceName": arn},
        )
    return merged


# PutLogEvents


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch after the rules of time.

    Attributes:
        events: those to keep.
        rejected: ``rejectedLogEventsInfo``; empty when all are kept.
    """

    events: Sequence[Event]
    rejected: dict[str, int]


def check_batch(events: Sequence[Event], retention_days: int | None, now_ms: int) -> Checked:
    """Apply PutLogEvents' limits.

    AWS: a wrong order or size refuses the whole batch; events too old, expired or too new are only left out. Indices:
    ``tooNewLogEventStartIndex`` is the first refused one, the two ``…EndIndex`` are the first *not* refused.

    Raises:
        AwsError: InvalidParameterException.
    """
    total = 0
    for _, message in events:
        size = event_bytes(message)
        if size > EVENT_BYTES_MAX:
            raise invalid(f"Log event too large: {size} bytes exceeds limit of {EVENT_BYTES_MAX}")
        total += size
    if total > BATCH_BYTES_MAX:
        raise invalid(f"Upload too large: {total} bytes exceeds limit of {BATCH_BYTES_MAX}")
    if any(later[0] < earlier[0] for earlier, later in pairwise(events)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    too_old = sum(1 for event in events if event[0] < now_ms - PAST_MS_MAX)
    expired = sum(1 for event in events if event[0] < oldest_kept_ms(retention_days, now_ms))
    in_time = sum(1 for event in events if event[0] <= now_ms + FUTURE_MS_MAX)
    kept = events[max(too_old, expired) : in_time]
    if kept and kept[-1][0] - kept[0][0] > BATCH_SPAN_MS_MAX:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    rejected: dict[str, int] = {}
    if in_time < len(events):
        rejected["tooNewLogEventStartIndex"] = in_time
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if expired:
        rejected["expiredLogEventEndIndex"] = expired
    return Checked(kept, rejected)


# Positions and tokens


def event_id(timestamp_ms: int, stream_id: int, sequence: int) -> str:
    """56 decimal digits that name one event for ever; later events have greater ids."""
    number = (timestamp_ms << (_STREAM_BITS + _SEQUENCE_BITS)) | (stream_id << _SEQUENCE_BITS) | sequence
    return f"{number:0{_ID_DIGITS}d}"


def sequence_token(stream_id: int, next_sequence: int) -> str:
    """``uploadSequenceToken`` and ``nextSequenceToken``: 56 digits, read by nobody."""
    return f"49{stream_id:027d}{next_sequence:027d}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a GetLogEvents page ended: after (forward) or before (backward) this event of the stream.

    Attributes:
        forward: the direction in which the token goes on.
        timestamp_ms: of the event.
        sequence: of the event; -1 stands before, and one more than an event's stands after it.
    """

    forward: bool
    timestamp_ms: int
    sequence: int


def render_place(place: Place, stream_id: int) -> str:
    """The token: ``f/`` or ``b/``, 56 digits, ``/s``."""
    digits = event_id(place.timestamp_ms, stream_id, place.sequence + 1)
    return f"{'f' if place.forward else 'b'}/{digits}/s"


def parse_place(token: str) -> Place:
    """The place in a token of `render_place`.

    Raises:
        AwsError: InvalidParameterException.
    """
    match = _EVENT_TOKEN.match(token)
    if match is None:
        raise bad_token()
    number = int(match[2])
    sequence = number & ((1 << _SEQUENCE_BITS) - 1)
    return Place(match[1] == "f", number >> (_STREAM_BITS + _SEQUENCE_BITS), sequence - 1)


def bad_token() -> AwsError:
    """The error for a ``nextToken`` that no answer of ours carried."""
    return invalid("The specified nextToken is invalid.")


def render_token(values: Sequence[str | int | bool]) -> str:
    """An opaque token that carries ``values``."""
    return urlsafe_b64encode(msgspec.json.encode(values)).decode()


def parse_token(token: str, shape: Any) -> Any:
    """The values in a token of `render_token`.

    Args:
        token: as the caller sent it.
        shape: the tuple type it must have.

    Raises:
        AwsError: InvalidParameterException.
    """
    try:
        return msgspec.json.decode(urlsafe_b64decode(token.encode("ascii")), type=shape)
    except (ValueError, msgspec.MsgspecError):
        raise bad_token() from None
