"""When a failed delivery is attempted again: pure decisions over values.

Two kinds of failure have two policies. A *function error* is retried a few times with long waits; what is exhausted is the
number of retries. A *throttle or system error* says nothing about the event, so it is retried for as long as the event may
live, with waits that double. A wait never reaches beyond the event's age limit: an event that will be too old by then
becomes due at that very moment, and expires.

AWS: Lambda Developer Guide, "Asynchronous invocation": two retries, one minute before the first and two before the
second; throttles and 5xx return to the queue for up to 6 hours, the interval grows from 1 second to 5 minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

from functory.core.deliveries.port import DEFAULT_LIFE_S, Drop, ErrorKind, RetryAt, Tally

RETRIES_EXHAUSTED = "RetriesExhausted"
EVENT_AGE_EXCEEDED = "EventAgeExceeded"
RETRIES_MAX = 2
EVENT_AGE_S_MIN = 60.0
EVENT_AGE_S_MAX = DEFAULT_LIFE_S
SYSTEM_WAIT_S_MIN = 1.0
SYSTEM_WAIT_S_MAX = 300.0


@dataclass(frozen=True, slots=True)
class AsyncPolicy:
    """How one function's asynchronous events are retried.

    Attributes:
        retries_max: retries after function errors, 0..2 (``MaximumRetryAttempts``).
        event_age_s_max: 60..21,600 (``MaximumEventAgeInSeconds``).
        base_s: the wait before the first retry after a function error; the second waits twice that.

    Raises:
        ValueError: out of range.
    """

    retries_max: int = RETRIES_MAX
    event_age_s_max: float = EVENT_AGE_S_MAX
    base_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0 <= self.retries_max <= RETRIES_MAX:
            raise ValueError(f"retries_max must be 0..{RETRIES_MAX}: {self.retries_max}")
        if not EVENT_AGE_S_MIN <= self.event_age_s_max <= EVENT_AGE_S_MAX:
            raise ValueError(f"event_age_s_max must be {EVENT_AGE_S_MIN:.0f}..{EVENT_AGE_S_MAX:.0f}: {self.event_age_s_max}")
        if self.base_s < 0:
            raise ValueError(f"base_s must not be negative: {self.base_s}")

    def expires_at(self, created_at: float) -> float:
        """When an event accepted at ``created_at`` is too old."""
        return created_at + self.event_age_s_max


def decide_async_retry(
    now: float, created_at: float, tally: Tally, kind: ErrorKind, policy: AsyncPolicy, error: str
) -> RetryAt | Drop:
    """What follows a failed attempt of an asynchronous event.

    Args:
        now: epoch seconds.
        created_at: when the event was accepted.
        tally: attempts before the one that failed now.
        kind: whose fault it was.
        policy: of the function now; it may have changed since the event was accepted.
        error: what to remember about this failure.
    """
    if kind is ErrorKind.FUNCTION and tally.function_errors >= policy.retries_max:
        return Drop(RETRIES_EXHAUSTED)
    expires_at = policy.expires_at(created_at)
    if now >= expires_at:
        return Drop(EVENT_AGE_EXCEEDED)
    wait_s = policy.base_s * 2**tally.function_errors if kind is ErrorKind.FUNCTION else system_wait_s(tally.system_errors)
    return RetryAt(min(now + wait_s, expires_at), error, kind)


def system_wait_s(errors: int) -> float:
    """The wait after one more throttle or system error, when ``errors`` came in a row before it: 1 s doubling to 5 min."""
    return min(SYSTEM_WAIT_S_MAX, SYSTEM_WAIT_S_MIN * 2.0 ** min(errors, 16))


def retry_after_fault(now: float, tally: Tally, error: str) -> RetryAt:
    """What follows when the target itself broke: as after a system error."""
    return RetryAt(now + system_wait_s(tally.system_errors), error, ErrorKind.SYSTEM)
