"""Permits: the right to run one invocation now.

**Theory.** AWS gives every account 1,000 concurrent executions per Region. A function may *reserve* some of them: then it
has so many for itself and never gets more. What nobody reserved is the *pool* that all other functions share. An invocation
of a function with a reservation needs a free place in it, any other one a free place in the pool; else it is throttled.

A reservation may change while invocations run; those are not touched. Until they end, running invocations over a function's
reservation (one that was lowered, or removed) hold places of the pool, and no sum of reservations and pool lets an account
run more at once than its limit. Three counts per account say all that is needed, each kept up to date in constant time:

- ``running``: every invocation, per function and together;
- ``reserved``: the sum of the reservations;
- ``pooled``: invocations that hold places of the pool, which are those over their function's reservation (of a function
  without one: all).

Counting happens on the event loop, so taking a permit can neither race nor wait.
"""

from __future__ import annotations

from types import TracebackType

from functory.aws.errors import AwsError
from functory.kernel.settings import LambdaSettings

RETRY_AFTER_S = "1"
"""What a throttled caller is told in ``Retry-After``: a place may be free any moment."""


class _Account:
    """The counts of one account in one region."""

    __slots__ = ("pooled", "reservations", "reserved", "running", "total")

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.total = 0
        self.reservations: dict[str, int] = {}
        self.reserved = 0
        self.pooled = 0

    def refusal(self, name: str, limit: int) -> str:
        """Why one more invocation of a function has to wait, as AWS's ``Reason``; ``""`` when it may run."""
        reservation = self.reservations.get(name)
        if reservation is not None and self.running.get(name, 0) >= reservation:
            return "ReservedFunctionConcurrentInvocationLimitExceeded"
        is_pool_full = reservation is None and self.pooled >= limit - self.reserved
        return "ConcurrentInvocationLimitExceeded" if is_pool_full or self.total >= limit else ""

    def begin(self, name: str) -> None:
        """One more invocation runs."""
        running = self.running.get(name, 0)
        self.running[name] = running + 1
        self.total += 1
        if running >= self.reservations.get(name, 0):
            self.pooled += 1

    def end(self, name: str) -> None:
        """One invocation has ended."""
        running = self.running[name]
        if running > self.reservations.get(name, 0):
            self.pooled -= 1
        self.total -= 1
        if running > 1:
            self.running[name] = running - 1
        else:
            del self.running[name]

    def reserve(self, name: str, places: int | None) -> None:
        """Change a function's reservation."""
        before = self.reservations.get(name, 0)
        if places is None:
            self.reservations.pop(name, None)
        else:
            self.reservations[name] = places
        after = places or 0
        running = self.running.get(name, 0)
        self.reserved += after - before
        self.pooled += max(0, running - after) - max(0, running - before)

    @property
    def is_blank(self) -> bool:
        """Whether nothing is known of it that a new one would not know."""
        return not self.running and not self.reservations


class Permit:
    """One permit, held for a ``with`` block."""

    __slots__ = ("_admission", "_name", "_scope")

    def __init__(self, admission: Admission, scope: tuple[str, str], name: str) -> None:
        self._admission = admission
        self._scope = scope
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._admission._end(self._scope, self._name)


class Admission:
    """Gives permits; see the module.

    Reservations are told to it (`reserve`); it keeps none of them durably.
    """

    def __init__(self, settings: LambdaSettings) -> None:
        self._limit = settings.account_concurrency
        self._accounts: dict[tuple[str, str], _Account] = {}

    def running(self, account_id: str, region: str, name: str = "") -> int:
        """How many invocations hold a permit: of one function, or of the whole account."""
        account = self._accounts.get((account_id, region))
        if account is None:
            return 0
        return account.running.get(name, 0) if name else account.total

    def reserve(self, account_id: str, region: str, name: str, places: int | None) -> None:
        """Give a function a reservation of so many places, or none. What runs goes on."""
        scope = (account_id, region)
        account = self._accounts.get(scope)
        if account is None:
            if places is None:
                return
            account = self._accounts[scope] = _Account()
        account.reserve(name, places)
        self._forget_blank(scope, account)

    def reserved(self, account_id: str, region: str, name: str) -> int | None:
        """A function's reservation, or None."""
        account = self._accounts.get((account_id, region))
        return account.reservations.get(name) if account is not None else None

    def permit(self, account_id: str, region: str, name: str) -> Permit:
        """A permit that is already taken; leaving its ``with`` block gives it back.

        Raises:
            AwsError: ``TooManyRequestsException``; its Reason tells whether the function's reservation or the account's
                limit is used up.
        """
        scope = (account_id, region)
        account = self._accounts.get(scope)
        if account is None:
            account = _Account()
        reason = account.refusal(name, self._limit)
        if reason:
            raise AwsError(
                "TooManyRequestsException",
                "Rate Exceeded.",
                members={"Reason": reason, "retryAfterSeconds": RETRY_AFTER_S},
            )
        self._accounts[scope] = account
        account.begin(name)
        return Permit(self, scope, name)

    def _end(self, scope: tuple[str, str], name: str) -> None:
        account = self._accounts[scope]
        account.end(name)
        self._forget_blank(scope, account)

    def _forget_blank(self, scope: tuple[str, str], account: _Account) -> None:
        if account.is_blank:
            del self._accounts[scope]
