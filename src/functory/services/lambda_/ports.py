"""What the Lambda service needs of its surroundings beyond the contracts of the floors below."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from functory.core.calls import CallContext
from functory.core.environments.provisioned import Provisioning, Wish
from functory.core.functions.model import FunctionVersion


@dataclass(frozen=True, slots=True)
class AsyncEvent:
    """An asynchronous invocation that was accepted.

    Attributes:
        request_id: UUID; every attempt carries it.
        account_id: 12 digits.
        region: of the function.
        name: function name alone.
        qualifier: as asked for, ``""`` for none: what it leads to is decided at every attempt.
        payload: JSON bytes.
        trace_id: as in ``Invocation.trace_id``.
        accepted_at: epoch seconds.
        tenant_id: for whom it is, or ``""``.
    """

    request_id: str
    account_id: str
    region: str
    name: str
    qualifier: str
    payload: bytes
    trace_id: str
    accepted_at: float
    tenant_id: str = ""


class ExecutionRoles(Protocol):
    """Who knows whether a function may have a role."""

    async def check(self, ctx: CallContext, role_arn: str, function_arn: str) -> None:
        """Refuse a role that Lambda cannot assume for a function.

        Raises:
            AwsError: it is such a one.
        """

    async def allows(self, version: FunctionVersion, action: str, resource_arn: str) -> bool:
        """Whether a function's role lets it do something that the platform does for it (destinations)."""


class AnyRole:
    """Takes every role: for a node that authenticates nobody."""

    async def check(self, _ctx: CallContext, _role_arn: str, _function_arn: str) -> None:
        """See `ExecutionRoles`."""

    async def allows(self, _version: FunctionVersion, _action: str, _resource_arn: str) -> bool:
        """See `ExecutionRoles`."""
        return True


class Reservations(Protocol):
    """Who enforces reserved concurrency."""

    def reserve(self, account_id: str, region: str, name: str, places: int | None) -> None:
        """Give a function a reservation of so many places, or none."""

    def reserved(self, account_id: str, region: str, name: str) -> int | None:
        """A function's reservation, or None."""

    def provision(self, account_id: str, region: str, name: str, places: int) -> None:
        """Set so many places aside for a function's provisioned environments."""


class Provisioner(Protocol):
    """Who keeps environments ready before anybody calls; see `functory.core.environments.provisioned`."""

    def want(self, wishes: Mapping[tuple[str, str, str, str], Wish]) -> None:
        """This is all there shall be (account, region, name, version), from now on."""

    def state(self, key: tuple[str, str, str, str]) -> Provisioning:
        """What a version has now."""


class Isolations(Protocol):
    """Who knows how functions can be isolated here."""

    async def refusal(self, account_id: str, isolation: str) -> str:
        """Why functions of an account cannot ask for this isolation; ``""`` when they can."""


class Snapshots(Protocol):
    """Who makes and keeps the snapshots of SnapStart."""

    async def refusal(self) -> str:
        """Why no function can have SnapStart on this node; ``""`` when they can."""

    async def publish(self, version: FunctionVersion) -> tuple[str, str] | None:
        """Make the snapshot of a version; AWS's reason code and the reason when that is not possible.

        Its init may take minutes.
        """

    async def sweep(self, is_current: Callable[[FunctionKey, str], Awaitable[bool]]) -> None:
        """Remove the snapshots of what ``is_current`` denies: a version, and one of its epochs."""


FunctionKey = tuple[str, str, str, str]
"""account, region, name, version"""


class FileSystems(Protocol):
    """Which access points this node has."""

    def refusal(self, arn: str, path: str) -> str:
        """Why no function can have an access point at a path; ``""`` when it can."""


class AsyncEvents(Protocol):
    """The durable queue of asynchronous invocations."""

    async def accept(self, event: AsyncEvent) -> None:
        """Keep ``event`` until it was delivered or given up. Durable when it returns."""
