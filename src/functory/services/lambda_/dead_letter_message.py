"""What a dead-letter queue is told of an event that was given up. Pure.

The message is the event itself; three attributes say what became of it. AWS: "Adding a dead-letter queue".
"""

from __future__ import annotations

import msgspec

from functory.core.deliveries.port import Delivery
from functory.core.targets.port import NoticeAttribute
from functory.services.lambda_.async_target import Attempt, AttemptKind

MESSAGE_BYTES_MAX = 1_024
"""AWS: of ErrorMessage."""
_NEVER_TRIED = 500


def remembered(attempt: Attempt) -> str:
    """What a delivery remembers of an attempt that failed, for `attributes`."""
    return attempt.error if attempt.kind is AttemptKind.FUNCTION_ERROR else f"{attempt.status} {attempt.error}"


def attributes(request_id: str, delivery: Delivery, reason: str, attempt: Attempt | None) -> tuple[NoticeAttribute, ...]:
    """The message attributes of a dead letter.

    Args:
        request_id: of the event.
        delivery: what is given up.
        reason: ``RetriesExhausted``, ``EventAgeExceeded`` …
        attempt: the last one, None when there was no time for one more.
    """
    status, text = _recalled(delivery) if attempt is None else (attempt.status, _text_of(attempt))
    return (
        NoticeAttribute("RequestID", "String", request_id),
        NoticeAttribute("ErrorCode", "Number", str(status)),
        NoticeAttribute(
            "ErrorMessage", "String", (text or reason).encode(errors="replace")[:MESSAGE_BYTES_MAX].decode(errors="ignore")
        ),
    )


def _recalled(delivery: Delivery) -> tuple[int, str]:
    """Status and text of the attempt before, as `remembered`."""
    if delivery.tally.function_errors and not delivery.tally.system_errors:
        return 200, delivery.last_error
    status, _, text = delivery.last_error.partition(" ")
    return (int(status), text) if status.isdecimal() else (_NEVER_TRIED, delivery.last_error)


def _text_of(attempt: Attempt) -> str:
    """The function's own ``errorMessage`` where it ran."""
    if attempt.outcome is None:
        return attempt.error
    try:
        return str(msgspec.json.decode(attempt.outcome.payload, type=_Failure).errorMessage) or attempt.error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return attempt.error


class _Failure(msgspec.Struct):
    """What a runtime answers when the function failed."""

    errorMessage: str = ""  # noqa: N815  the runtime's spelling
