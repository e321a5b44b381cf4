"""Sessions of a user without a role: GetSessionToken, GetFederationToken.

AWS: they are for long-term credentials only, and their sessions reach neither IAM nor, but for assuming roles, STS; nobody
here has a second factor with which they would.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from functory.aws.access_keys import TEMPORARY
from functory.core.calls import CallContext
from functory.core.identity.port import Principal, PrincipalKind
from functory.services.sts import errors
from functory.services.sts.room import LONG_DEFAULT_S, ROOT_MAX_S, Room, issued_at, min_token_bytes, shown
from functory.services.sts.session_limits import limits_of


def _policy(*statements: tuple[str, list[str]]) -> str:
    """A document of (effect, actions) on everything."""
    each = [{"Effect": effect, "Action": actions, "Resource": "*"} for effect, actions in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": each})


_SESSION_ONLY = (
    "GetSessionToken",
    _policy(("Allow", ["*"]), ("Deny", ["iam:*", "sts:Get*", "sts:Decode*"])),
)
_FEDERATION_ONLY = ("GetFederationToken", _policy(("Deny", ["iam:*", "sts:*"])))


async def get_session_token(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """A session of the caller itself."""
    if "SerialNumber" in params or "TokenCode" in params:
        raise errors.unsupported("Multi-factor authentication")
    caller = _long_term(ctx, "GetSessionToken")
    expires_at = room.clock.epoch_s() + _duration_s(caller, params)
    credentials = room.sessions.issue(
        caller,
        expires_at=expires_at,
        policies=None if room.authorizer is None else (_SESSION_ONLY,),
        keys=issued_at(room),
        min_token_bytes=min_token_bytes(params),
    )
    return shown(credentials)


async def get_federation_token(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """A session of somebody the caller vouches for; without session policies it may nothing."""
    caller, limits, name = _long_term(ctx, "GetFederationToken"), limits_of(params), params["Name"]
    account = caller.account_id
    principal = Principal(
        kind=PrincipalKind.FEDERATED_USER,
        account_id=account,
        arn=f"arn:aws:sts::{account}:federated-user/{name}",
        user_id=f"{account}:{name}",
        name=name,
        issuer_arn=caller.arn,
        tags={**caller.tags, **limits.tags},
    )
    credentials = room.sessions.issue(
        principal,
        expires_at=room.clock.epoch_s() + _duration_s(caller, params),
        policies=(_FEDERATION_ONLY, *(limits.policies or ())),
        policy_arns=limits.policy_arns,
        keys=issued_at(room),
        min_token_bytes=min_token_bytes(params),
    )
    user = {"FederatedUserId": principal.user_id, "Arn": principal.arn}
    return {**shown(credentials, limits), "FederatedUser": user}


def _long_term(ctx: CallContext, operation: str) -> Principal:
    """The user or root user that called with its own keys.

    Raises:
        AwsError: AccessDenied: it is a session.
    """
    caller = ctx.caller
    if caller is None:
        account = ctx.account_id
        return Principal(PrincipalKind.ROOT, account, f"arn:aws:iam::{account}:root", account, account)
    is_user = caller.principal.kind in (PrincipalKind.USER, PrincipalKind.ROOT)
    if not is_user or caller.access_key_id.startswith(TEMPORARY):
        raise errors.denied(f"Cannot call {operation} with session credentials")
    return caller.principal


def _duration_s(caller: Principal, params: Mapping[str, Any]) -> int:
    """AWS: 12 hours by default, one hour at most for the root user."""
    asked = int(params.get("DurationSeconds", LONG_DEFAULT_S))
    return min(asked, ROOT_MAX_S) if caller.kind is PrincipalKind.ROOT else asked
