"""Permits: the right to run one invocation now.

**Theory.** AWS gives every account 1,000 concurrent executions per Region. A function may *reserve* some of them: then it
has so many for itself and never gets more. *Provisioned* concurrency is set aside, too: within the reservation of a function
that has one, else from what nobody reserved. The rest is the *pool* that all functions without a reservation share.

An invocation on a provisioned environment uses a place that is set aside. Any other one is *on demand*: of a function with a
reservation it needs a place of the reservation that no ready provisioned environment occupies, of any other function one of
the pool; else it is throttled. While environments are still being provisioned, the places set aside for them serve
invocations on demand. Per function:

- ``held``: places set aside, the larger of reservation and provisioned concurrency asked for;
- ``taken``: invocations on demand, and ready provisioned environments (or invocations on them, where these are more);
- ``pooled``: what is taken beyond what is held, which are places of the pool.

Reservations and provisioned concurrency may change while invocations run; those are not touched. Until they end they hold
places of the pool, and no sum of it all lets an account run more at once than its limit. The sums of an account are kept up
to date in constant time. Counting happens on the event loop, so taking a permit can neither race nor wait.

**Rates.** AWS: ten synchronous requests per second for every place of concurrency, of a reservation or of the pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from functory.aws.errors import AwsError
from functory.core.admission.rates import REQUESTS_PER_PLACE, TokenBucket
from functory.core.invocations.outcome import CallerGone
from functory.core.levels import Level
from functory.kernel.clock import Clock
from functory.kernel.settings import LambdaSettings

RETRY_AFTER_S = "1"
"""What a throttled caller is told in ``Retry-After``: a place may be free any moment."""

ACCOUNT_LIMIT = "ConcurrentInvocationLimitExceeded"
RESERVED_LIMIT = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT_RATE = "FunctionInvocationRateLimitExceeded"
RESERVED_RATE = "ReservedFunctionInvocationRateLimitExceeded"


def throttled(reason: str) -> AwsError:
    """The error of an invocation that has no permit; ``reason`` is AWS's ``Reason``."""
    return AwsError(
        "TooManyRequestsException",
        "Rate Exceeded.",
        members={"Reason": reason, "retryAfterSeconds": RETRY_AFTER_S},
    )


class _Function:
    """The counts of one function."""

    __slots__ = ("available", "name", "on_demand", "on_provisioned", "rate", "requested", "reserved")

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.on_demand = 0
        self.on_provisioned = 0
        self.reserved: int | None = None
        self.requested = 0
        self.available = 0
        self.rate = TokenBucket(now)

    @property
    def held(self) -> int:
        """Places set aside."""
        return max(self.reserved or 0, self.requested)

    @property
    def occupied(self) -> int:
        """Places that invocations on demand cannot have."""
        return max(self.available, self.on_provisioned)

    @property
    def pooled(self) -> int:
        """Places of the pool in use."""
        return max(0, self.on_demand + self.occupied - self.held)

    @property
    def is_blank(self) -> bool:
        """Whether nothing is known of it that a new one would not know."""
        return not (self.on_demand or self.on_provisioned or self.requested or self.available) and self.reserved is None


class _Account:
    """The counts of one account in one region."""

    __slots__ = ("_held", "_pooled", "_total", "functions", "limit", "rate", "unreserved")

    def __init__(self, limit: int, now: float) -> None:
        self.limit = limit
        self.functions: dict[str, _Function] = {}
        self.rate = TokenBucket(now)
        self.unreserved = 0
        self._total = 0
        self._held = 0
        self._pooled = 0

    @property
    def total(self) -> int:
        """Invocations that run."""
        return self._total

    @property
    def held(self) -> int:
        """Places that are set aside."""
        return self._held

    @property
    def pool(self) -> int:
        """Places that nobody set aside."""
        return max(0, self.limit - self._held)

    def refusal(self, function: _Function) -> str:
        """Why one more invocation on demand has to wait, as AWS's ``Reason``; ``""`` when it may run."""
        reserved = function.reserved
        taken = function.on_demand + function.occupied
        if reserved is not None and taken >= reserved:
            return RESERVED_LIMIT
        needs_pool = reserved is None and taken >= function.held
        return ACCOUNT_LIMIT if (needs_pool and self._pooled >= self.pool) or self._total >= self.limit else ""

    def refusal_provisioned(self, function: _Function) -> str:
        """The same of one more invocation on a provisioned environment."""
        reserved = function.reserved
        if reserved is not None and function.on_demand + function.on_provisioned >= reserved:
            return RESERVED_LIMIT
        return ACCOUNT_LIMIT if self._total >= self.limit else ""

    def has_rate(self, function: _Function, now: float) -> bool:
        """Take a synchronous request from the rate its function may have; False when that is used up."""
        if function.reserved is None:
            places, bucket = self.pool, self.rate
        else:
            places, bucket = function.reserved - function.occupied, function.rate
        rate_per_s = float(max(places, 1) * REQUESTS_PER_PLACE)
        return bucket.take(now, 1, rate_per_s, rate_per_s) == 1

    def run(self, function: _Function, on_demand: int, on_provisioned: int) -> None:
        """So many more invocations run, or fewer when negative."""
        before = function.pooled
        function.on_demand += on_demand
        function.on_provisioned += on_provisioned
        self._total += on_demand + on_provisioned
        if function.reserved is None:
            self.unreserved += on_demand + on_provisioned
        self._pooled += function.pooled - before

    def set_aside(self, function: _Function, reserved: int | None, requested: int, available: int) -> None:
        """Change what a function has for itself."""
        held, pooled = function.held, function.pooled
        running = function.on_demand + function.on_provisioned
        self.unreserved += running * ((reserved is None) - (function.reserved is None))
        function.reserved, function.requested, function.available = reserved, requested, available
        self._held += function.held - held
        self._pooled += function.pooled - pooled

    def forget_blank(self, function: _Function) -> None:
        """Drop what is known of a function when that is nothing."""
        if function.is_blank:
            self.functions.pop(function.name, None)


class Permit:
    """One permit, held for a ``with`` block; when its caller goes away, until the function has ended.

    Attributes:
        function_running: how many invocations of the function run, this one included, when it was taken.
        account_running: the same of the account.
        unreserved_running: the same of its functions without a reservation.
    """

    __slots__ = (
        "_account", "_admission", "_function", "_is_provisioned", "_scope", "account_running", "function_running",
        "unreserved_running",
    )  # fmt: skip

    def __init__(
        self, admission: Admission, scope: tuple[str, str], account: _Account, function: _Function, *, is_provisioned: bool
    ) -> None:
        self._admission = admission
        self._scope = scope
        self._account = account
        self._function = function
        self._is_provisioned = is_provisioned
        self.function_running = function.on_demand + function.on_provisioned
        self.account_running = account.total
        self.unreserved_running = account.unreserved

    def __enter__(self) -> Permit:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, CallerGone):
            error.outcome.add_done_callback(self._give_back)
        else:
            self._give_back()

    def _give_back(self, _outcome: object = None) -> None:
        if self._is_provisioned:
            self._account.run(self._function, 0, -1)
        else:
            self._account.run(self._function, -1, 0)
        self._account.forget_blank(self._function)
        self._admission.forget_blank(self._scope, self._account)


class Admission:
    """Gives permits; see the module.

    Reservations and provisioned concurrency are told to it; it keeps none of them durably.
    """

    def __init__(self, settings: LambdaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._accounts: dict[tuple[str, str], _Account] = {}

    def running(self, account_id: str, region: str, name: str = "") -> int:
        """How many invocations hold a permit: of one function, or of the whole account."""
        account = self._accounts.get((account_id, region))
        if account is None:
            return 0
        if not name:
            return account.total
        function = account.functions.get(name)
        return function.on_demand + function.on_provisioned if function is not None else 0

    def levels(self) -> Iterator[Level]:
        """How much runs now, for the metrics of a minute."""
        for (account_id, region), account in self._accounts.items():
            yield Level(account_id, region, "ClaimedAccountConcurrency", account.unreserved + account.held)
            if account.total:
                yield Level(account_id, region, "ConcurrentExecutions", account.total)
            if account.unreserved:
                yield Level(account_id, region, "UnreservedConcurrentExecutions", account.unreserved)
            for name, function in account.functions.items():
                if running := function.on_demand + function.on_provisioned:
                    of_function = (("FunctionName", name),)
                    yield Level(account_id, region, "ConcurrentExecutions", running, of_function)

    # -- what is set aside

    def reserve(self, account_id: str, region: str, name: str, places: int | None) -> None:
        """Give a function a reservation of so many places, or none. What runs goes on."""
        account, function = self._find(account_id, region, name)
        if places is None:
            function.rate = TokenBucket(self._clock.monotonic_s())
        self._set_aside((account_id, region), account, function, places, function.requested, function.available)

    def reserved(self, account_id: str, region: str, name: str) -> int | None:
        """A function's reservation, or None."""
        account = self._accounts.get((account_id, region))
        function = account.functions.get(name) if account is not None else None
        return function.reserved if function is not None else None

    def provision(self, account_id: str, region: str, name: str, places: int) -> None:
        """Set so many places aside for the provisioned environments of all versions of a function; 0 gives them back."""
        account, function = self._find(account_id, region, name)
        self._set_aside((account_id, region), account, function, function.reserved, places, function.available)

    def provisioned(self, account_id: str, region: str, name: str, ready: int) -> None:
        """So many provisioned environments of a function are ready now."""
        account, function = self._find(account_id, region, name)
        self._set_aside((account_id, region), account, function, function.reserved, function.requested, ready)

    # -- permits

    def permit(self, account_id: str, region: str, name: str, *, is_synchronous: bool = True) -> Permit:
        """A permit on demand that is already taken; leaving its ``with`` block gives it back.

        Args:
            account_id: of the function.
            region: of the function.
            name: of the function.
            is_synchronous: whether a caller waits. AWS: others have no rate.

        Raises:
            AwsError: ``TooManyRequestsException``; its Reason tells which limit of whom is used up.
        """
        account, function = self._find(account_id, region, name)
        reason = account.refusal(function)
        if not reason and is_synchronous and not account.has_rate(function, self._clock.monotonic_s()):
            reason = ACCOUNT_RATE if function.reserved is None else RESERVED_RATE
        if reason:
            raise throttled(reason)
        account.functions[name] = function
        self._accounts[account_id, region] = account
        account.run(function, 1, 0)
        return Permit(self, (account_id, region), account, function, is_provisioned=False)

    def permit_provisioned(self, account_id: str, region: str, name: str) -> Permit:
        """A permit for an invocation on a provisioned environment; whoever asks has one that is ready.

        Raises:
            AwsError: as `permit`; only while something else still runs on places that were set aside for it.
        """
        account, function = self._find(account_id, region, name)
        reason = account.refusal_provisioned(function)
        if reason:
            raise throttled(reason)
        account.functions[name] = function
        self._accounts[account_id, region] = account
        account.run(function, 0, 1)
        return Permit(self, (account_id, region), account, function, is_provisioned=True)

    # -- inside

    def _find(self, account_id: str, region: str, name: str) -> tuple[_Account, _Function]:
        """The counts, new ones where nothing is known yet; they are kept once something is counted."""
        account = self._accounts.get((account_id, region))
        if account is None:
            limit = self._settings.concurrency_of(account_id, region)
            account = _Account(limit, self._clock.monotonic_s())
        function = account.functions.get(name)
        if function is None:
            function = _Function(name, self._clock.monotonic_s())
        return account, function

    def _set_aside(
        self,
        scope: tuple[str, str],
        account: _Account,
        function: _Function,
        reserved: int | None,
        requested: int,
        available: int,
    ) -> None:
        self._accounts[scope] = account
        account.functions[function.name] = function
        account.set_aside(function, reserved, requested, available)
        account.forget_blank(function)
        self.forget_blank(scope, account)

    def forget_blank(self, scope: tuple[str, str], account: _Account) -> None:
        """Drop what is known of an account when that is nothing; its rate is something until it has recovered."""
        if not account.functions and account.rate.is_full(
            self._clock.monotonic_s(), float(max(account.pool, 1) * REQUESTS_PER_PLACE)
        ):
            self._accounts.pop(scope, None)
