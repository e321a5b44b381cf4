"""Who may come in: the two ways a node treats its callers.

`OpenGate` asks nobody (``--auth off``): any credentials work, and what a request says of itself is believed. `IamGate`
verifies every signature and asks the guard for every operation (``--auth iam``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from functory.aws import model, sigv4
from functory.aws.access_keys import TEMPORARY
from functory.aws.auth_failure import AuthenticationFailed, Failure, aws_error
from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest
from functory.core.authorization.context import request_keys
from functory.core.authorization.guard import Guard
from functory.core.calls import CallContext
from functory.core.identity.authenticator import Authenticator
from functory.core.identity.port import Caller, Principal, PrincipalKind
from functory.core.identity.sessions import Sessions
from functory.kernel import log

_ANONYMOUS = Caller(Principal(PrincipalKind.ANONYMOUS, "", ""))


class Gate(Protocol):
    """What the pipeline asks of it."""

    async def identify(
        self, request: HttpRequest, service: str, operation: str, protocol: str
    ) -> tuple[Caller | None, HttpRequest]:
        """Who sent a request, None for nobody in particular; and the request without the coding of signed chunks.

        Raises:
            AwsError: it is not signed by whom it claims.
        """

    async def allow(
        self, ctx: CallContext, request: HttpRequest, service: str, operation: str, params: Mapping[str, Any], protocol: str
    ) -> CallContext:
        """Let a call pass; the context it runs in.

        Raises:
            AwsError: it is not allowed.
        """


class OpenGate:
    """See the module. A session of this node's own STS is recognised, so that who assumes a role acts in its account."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def identify(
        self, request: HttpRequest, _service: str, _operation: str, _protocol: str
    ) -> tuple[Caller | None, HttpRequest]:
        """See `Gate`."""
        token = request.headers.get("x-amz-security-token", "")
        if not token:
            return None, request
        scope = sigv4.parse_scope(request)
        if scope is None or not scope.access_key.startswith(TEMPORARY):
            return None, request
        session = self._sessions.open(scope.access_key, token)
        return (session.caller if session is not None else None), request

    async def allow(
        self,
        ctx: CallContext,
        _request: HttpRequest,
        _service: str,
        _operation: str,
        _params: Mapping[str, Any],
        _protocol: str,
    ) -> CallContext:
        """See `Gate`."""
        return ctx


class IamGate:
    """See the module."""

    def __init__(self, authenticator: Authenticator, guard: Guard) -> None:
        self._authenticator = authenticator
        self._guard = guard
        self._log = log.get("edges.aws_api")

    async def identify(
        self, request: HttpRequest, service: str, operation: str, protocol: str
    ) -> tuple[Caller | None, HttpRequest]:
        """See `Gate`."""
        signing_name = "lambda" if service == "lambda" else ""  # others were routed by the name in the signature
        try:
            found = await self._authenticator.authenticate(request, signing_name)
        except AuthenticationFailed as failed:
            if failed.failure is Failure.MISSING and _needs_no_signature(service, operation):
                return _ANONYMOUS, request
            raise self._refused(failed, request, service, protocol) from failed
        if found.body is not None:
            request = dataclasses.replace(request, body=found.body)
        return found.caller, request

    async def allow(
        self, ctx: CallContext, request: HttpRequest, service: str, operation: str, params: Mapping[str, Any], protocol: str
    ) -> CallContext:
        """See `Gate`."""
        return await self._guard.allow(
            ctx, service, operation, params, protocol=protocol, keys=lambda: request_keys(request)
        )

    def _refused(self, failed: AuthenticationFailed, request: HttpRequest, service: str, protocol: str) -> AwsError:
        scope = None if failed.failure is Failure.MISSING else sigv4.parse_scope(request)
        self._log.warning(
            "authentication_failed",
            reason=failed.failure.value,
            access_key_id=scope.access_key if scope is not None else "",
            peer=request.peer,
            service=service,
        )
        return aws_error(failed, service, protocol, presigned=scope is not None and scope.presigned)


def _needs_no_signature(service: str, operation: str) -> bool:
    """Whether AWS takes an operation from everybody (AssumeRoleWithWebIdentity)."""
    return bool(operation) and model.operation(service, operation).auth_type == "none"
