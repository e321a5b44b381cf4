"""Calling an AWS operation in process.

The HTTP edge and every room that needs another service go through `Calls`: the same operation tables, the same
validation. A service is a name and a table of operations; an operation takes a context and the parameters as botocore
names them, and returns the result as botocore names it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from functory.aws.validation import validate
from functory.core.identity.port import Caller, Principal


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who asks, and where.

    Attributes:
        account_id: 12 digits.
        region: e.g. ``eu-central-1``; any name works.
        request_id: UUID that the answer carries.
        trace_id: value of ``X-Amzn-Trace-Id`` as the caller gave it, or ``""``.
        endpoint: base URL under which the caller reached the node, without a trailing slash, for URLs in answers.
        request_keys: makes the condition keys of the request (address, user agent …), names in lower case.
        caller: who calls; None where nobody is authenticated: then the caller may do everything in the account.
    """

    account_id: str
    region: str
    request_id: str
    endpoint: str = "http://127.0.0.1:4566"
    trace_id: str = ""
    caller: Caller | None = None
    request_keys: Callable[[], Mapping[str, tuple[str, ...]]] = dict

    @property
    def principal(self) -> Principal | None:
        """Who asks; None on a node that asks nobody."""
        return self.caller.principal if self.caller is not None else None


Operation = Callable[[CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]
"""One API operation.

Parameters and result use the member names of the botocore model; timestamps are epoch seconds (float) or aware datetimes,
blobs bytes. Parameters have been validated against the model. An absent member is an absent key: results never carry
None. Errors are `functory.aws.errors.AwsError`.
"""


class Service(Protocol):
    """One AWS service."""

    name: str
    """As botocore names it: ``lambda``, ``logs`` …"""

    operations: Mapping[str, Operation]
    """By API name (``CreateFunction``); an operation that is not in the table is refused as not supported."""


class CallGuard(Protocol):
    """Who decides whether a call may be made (``core.authorization.guard``)."""

    async def allow(self, ctx: CallContext, service: str, operation: str, params: Mapping[str, Any]) -> CallContext:
        """Let a call pass; returns the context it runs in.

        Raises:
            AwsError: it is not allowed.
        """


class Calls:
    """Every service of this node, by name.

    Args:
        guard: asked by `call`; None on a node that authorises nothing.
    """

    def __init__(self, services: Iterable[Service] = (), guard: CallGuard | None = None) -> None:
        self._services = {service.name: service for service in services}
        self._guard = guard

    def register(self, *services: Service) -> None:
        """Add services; their names must be new."""
        for service in services:
            if service.name in self._services:
                raise ValueError(f"service {service.name} is registered twice")
            self._services[service.name] = service

    def names(self) -> list[str]:
        """The names of all services, sorted."""
        return sorted(self._services)

    def find(self, service: str, operation: str) -> Operation | None:
        """The operation, or None when this node does not have it."""
        entry = self._services.get(service)
        return entry.operations.get(operation) if entry else None

    async def call(self, ctx: CallContext, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Call an operation on behalf of ``ctx.caller``, as if it had come over the wire.

        A service that acts for a resource of its own gives a caller of kind ``SERVICE`` whose ``source`` names the resource
        (``aws:SourceArn``, ``aws:SourceAccount``), and as ``ctx.account_id`` the account of what is called.

        Raises:
            AwsError: the parameters are invalid, the call is not allowed, or the operation refused it.
            KeyError: this node has no such operation.
        """
        found = self.find(service, operation)
        if found is None:
            raise KeyError(f"{service}:{operation}")
        validate(service, operation, params)
        if self._guard is not None and ctx.caller is not None:
            ctx = await self._guard.allow(ctx, service, operation, params)
        return await found(ctx, params)
