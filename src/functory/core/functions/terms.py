"""What was agreed about the asynchronous events of a function, version or alias. Pure values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AsyncTerms:
    """How often and how long an event is tried, and who hears how it ended.

    Attributes:
        retries_max: attempts after the first that a function error allows (MaximumRetryAttempts).
        age_s_max: seconds after acceptance at which an event is given up (MaximumEventAgeInSeconds).
        on_success: ARN that is told of successes, or ``""``.
        on_failure: ARN that is told of events that were given up, or ``""``.
    """

    retries_max: int = 2
    age_s_max: int = 21_600
    on_success: str = ""
    on_failure: str = ""


DEFAULT_TERMS = AsyncTerms()
"""What AWS does where nothing was configured."""
