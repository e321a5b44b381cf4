"""Permits: the right to run one invocation now.

Only the account's limit so far: AWS gives every account 1,000 concurrent executions per Region, counted over all its
functions; a call beyond it is throttled. Counting happens on the event loop, so taking a permit can neither race nor wait.
"""

from __future__ import annotations

from types import TracebackType

from functory.aws.errors import AwsError
from functory.kernel.settings import LambdaSettings

Scope = tuple[str, str]
"""account, region"""


class Permit:
    """One permit, held for a ``with`` block."""

    __slots__ = ("_counts", "_scope")

    def __init__(self, counts: dict[Scope, int], scope: Scope) -> None:
        self._counts = counts
        self._scope = scope

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        left = self._counts[self._scope] - 1
        if left:
            self._counts[self._scope] = left
        else:
            del self._counts[self._scope]


RETRY_AFTER_S = "1"
"""What a throttled caller is told in ``Retry-After``: a place may be free any moment."""


class Admission:
    """Gives permits; see the module."""

    def __init__(self, settings: LambdaSettings) -> None:
        self._limit = settings.account_concurrency
        self._running: dict[Scope, int] = {}

    def running(self, account_id: str, region: str) -> int:
        """How many invocations hold a permit."""
        return self._running.get((account_id, region), 0)

    def permit(self, account_id: str, region: str) -> Permit:
        """A permit that is already taken; leaving its ``with`` block gives it back.

        Raises:
            AwsError: ``TooManyRequestsException``, Reason ``ConcurrentInvocationLimitExceeded``.
        """
        scope = (account_id, region)
        running = self._running.get(scope, 0)
        if running >= self._limit:
            raise AwsError(
                "TooManyRequestsException",
                "Rate Exceeded.",
                members={"Reason": "ConcurrentInvocationLimitExceeded", "retryAfterSeconds": RETRY_AFTER_S},
            )
        self._running[scope] = running + 1
        return Permit(self._running, scope)
