"""May this call be made: the operation's `Access`, asked of the `Authorizer`, answered in AWS's words.

Every way into an operation passes here when a node authorises: the HTTP endpoint, function URLs, and services that call
one another on behalf of somebody (``core.calls``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from functory.core.authorization.access import Access, Place, nothing
from functory.core.authorization.authorizer import AccessRequest, Authorizer
from functory.core.authorization.context import Values, time_keys
from functory.core.authorization.refusals import refusal
from functory.core.calls import CallContext
from functory.kernel.clock import Clock

_QUERY_CODES = frozenset({"sqs"})
"""Services whose JSON protocol kept the codes of the query protocol."""

AccessTable = Mapping[str, Access]
"""Operation -> what it needs."""


class FullNames(Protocol):
    """Knows what of a resource's ARN is not in an operation's parameters: the paths of IAM."""

    async def full_arn(self, resource_arn: str) -> str:
        """The ARN of the resource as it is; the given one where there is no such resource."""


class Guard:
    """See the module.

    Args:
        tables: by botocore's name of the service.
        names: completes the ARNs of a service's resources, by its name.
    """

    def __init__(
        self, authorizer: Authorizer, tables: Mapping[str, AccessTable], names: Mapping[str, FullNames], clock: Clock
    ) -> None:
        self._authorizer = authorizer
        self._tables = tables
        self._names = names
        self._clock = clock

    async def allow(
        self,
        ctx: CallContext,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        protocol: str = "rest-json",
        keys: Callable[[], Values] = dict,
    ) -> CallContext:
        """Let a call pass; returns the context it runs in, which is another account's when it acts there.

        Args:
            ctx: with the caller.
            params: the operation's, typed and validated.
            protocol: decides how a refusal looks.
            keys: makes the condition keys of the request itself (address, user agent …).

        Raises:
            AwsError: it is not allowed.
        """
        if service in _QUERY_CODES:
            protocol = "query"
        access = self._tables.get(service, {}).get(operation) or Access(f"{service}:{operation}")
        return await self._check(ctx, access, params, protocol, keys)

    async def require(
        self,
        ctx: CallContext,
        action: str,
        resource: str,
        *,
        protocol: str = "rest-json",
        keys: Callable[[], Values] = dict,
    ) -> None:
        """Let a single action pass, for what an operation's table cannot say.

        Raises:
            AwsError: it is not allowed.
        """
        caller = ctx.caller
        if caller is None:
            return
        request = AccessRequest(caller, action, resource, lambda: {**self._keys(ctx, resource), **keys()})
        decision = await self._authorizer.decide(request)
        if not decision.allowed:
            raise refusal(caller.principal, action, resource, decision, protocol)

    async def _check(
        self,
        ctx: CallContext,
        access: Access,
        params: Mapping[str, Any],
        protocol: str,
        keys: Callable[[], Values],
        *,
        is_primary: bool = True,
    ) -> CallContext:
        place = Place(ctx.account_id, ctx.region, ctx.principal.arn if ctx.principal is not None else "")
        names = self._names.get(access.action.partition(":")[0])
        owner = ctx.account_id
        resources = tuple(access.resources(place, params))
        if not resources and is_primary and access.resources is not nothing:
            resources = ("*",)  # a parameter that names the resource was left out
        for named in resources:
            resource = await names.full_arn(named) if names is not None else named
            await self.require(
                ctx, access.action, resource, protocol=protocol, keys=lambda: {**keys(), **access.keys(place, params)}
            )
            if access.moves and resource != "*":
                owner = resource.split(":", 5)[4] or owner
        for more in access.also:
            await self._check(ctx, more, params, protocol, keys, is_primary=False)
        return ctx if owner == ctx.account_id else dataclasses.replace(ctx, account_id=owner)

    def _keys(self, ctx: CallContext, resource: str) -> Values:
        parts = resource.split(":", 5)
        found = {**time_keys(self._clock.epoch_s()), "aws:requestedregion": (ctx.region,), "aws:viaawsservice": ("false",)}
        if len(parts) > 5 and parts[4]:
            found["aws:resourceaccount"] = (parts[4],)
        elif ctx.caller is not None and ctx.caller.principal.account_id:
            found["aws:resourceaccount"] = (ctx.caller.principal.account_id,)
        return found
