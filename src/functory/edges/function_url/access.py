"""Who may call a function URL: the seam between the edge and whoever knows callers and policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from functory.aws import sigv4
from functory.aws.auth_failure import AuthenticationFailed
from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest
from functory.core.authorization.context import Values, request_keys
from functory.core.authorization.guard import Guard
from functory.core.calls import CallContext
from functory.core.functions.urls import AUTH_NONE, FunctionUrl
from functory.core.identity.authenticator import Authenticator
from functory.core.identity.port import Caller, Principal, PrincipalKind


class Forbidden(Exception):  # noqa: N818  named as AWS names it
    """The caller may not call this URL."""


@dataclass(frozen=True, slots=True)
class UrlCaller:
    """Who signed a request to a URL with AuthType AWS_IAM."""

    access_key: str
    principal: Principal


class UrlAccess(Protocol):
    """Decides about every request but those that the platform answers by itself (CORS preflights)."""

    async def admit(self, url: FunctionUrl, request: HttpRequest) -> UrlCaller | None:
        """The caller; None for an anonymous one (AuthType NONE).

        Raises:
            Forbidden: unsigned, wrongly signed, or not allowed by any policy.
        """


class OpenAccess:
    """Of a node that authenticates nobody: AuthType NONE is open, AWS_IAM wants a signature that could be one.

    Args:
        default_account: of access keys that name no account.
    """

    def __init__(self, default_account: str) -> None:
        self._default_account = default_account

    async def admit(self, url: FunctionUrl, request: HttpRequest) -> UrlCaller | None:
        """See `UrlAccess`."""
        if url.auth_type == AUTH_NONE:
            return None
        access_key = claimed_key(request)
        account = sigv4.account_id(access_key, self._default_account)
        root = Principal(PrincipalKind.ROOT, account, f"arn:aws:iam::{account}:root", user_id=account)
        return UrlCaller(access_key, root)


class IamAccess:
    """Of a node that authenticates: the function's policy lets in whom it names, with AuthType NONE nobody in particular.

    AWS: since October 2025 both lambda:InvokeFunctionUrl and lambda:InvokeFunction must be allowed.
    """

    def __init__(self, authenticator: Authenticator, guard: Guard) -> None:
        self._authenticator = authenticator
        self._guard = guard

    async def admit(self, url: FunctionUrl, request: HttpRequest) -> UrlCaller | None:
        """See `UrlAccess`."""
        caller = _NOBODY
        try:
            if url.auth_type != AUTH_NONE:
                caller = (await self._authenticator.authenticate(request, "lambda")).caller
            ctx = CallContext(caller.principal.account_id or url.account_id, url.region, "", caller=caller)
            for action in ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction"):
                await self._guard.require(ctx, action, url.arn, keys=lambda: _keys_of(url, request))
        except (AuthenticationFailed, AwsError):
            raise Forbidden from None
        return None if caller is _NOBODY else UrlCaller(caller.access_key_id, caller.principal)


_NOBODY = Caller(Principal(PrincipalKind.ANONYMOUS, "", ""))


def _keys_of(url: FunctionUrl, request: HttpRequest) -> Values:
    via = {"lambda:functionurlauthtype": (url.auth_type,), "lambda:invokedviafunctionurl": ("true",)}
    return {**request_keys(request), **via}


def claimed_key(request: HttpRequest) -> str:
    """The access key of a request whose signature is complete and for ``lambda``; nothing is verified.

    Raises:
        Forbidden: it is not.
    """
    try:
        scope = sigv4.parse_scope(request)
    except AwsError:
        raise Forbidden from None
    if scope is None or scope.algorithm != sigv4.V4 or scope.service != "lambda":
        raise Forbidden
    if scope.presigned:
        is_complete = "X-Amz-Signature=" in request.query and "X-Amz-SignedHeaders=" in request.query
    else:
        fields = sigv4.authorization_fields(request.headers["authorization"])
        is_complete = bool(fields.get("Signature") and fields.get("SignedHeaders"))
    if not is_complete:
        raise Forbidden
    return scope.access_key
