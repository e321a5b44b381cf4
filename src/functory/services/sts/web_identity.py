"""AssumeRoleWithWebIdentity: a session of a role for somebody an OpenID Connect provider vouches for.

The provider must be known to IAM in the role's account, the token signed by it, meant for one of the clients it is known
for, and the role's trust policy must name the provider (and usually the subject). A node that authenticates nobody reads the
token and believes it.

AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from functory.core.authorization.authorizer import AccessRequest
from functory.core.authorization.context import Values
from functory.core.calls import CallContext
from functory.core.identity.execution_roles import session_of_role
from functory.core.identity.port import Caller, Principal, PrincipalKind, Role
from functory.services.sts import errors
from functory.services.sts.identity_tokens import Identity, IdentityTokens, read_unverified
from functory.services.sts.role_sessions import SOURCE_IDENTITY, TRANSITIVE, checked_arn, duration_s, unknown_role, user_of
from functory.services.sts.room import Room, issued_at, min_token_bytes, shown
from functory.services.sts.session_limits import limits_of

_DENIED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"


class WebIdentityApi:
    """See the module.

    Args:
        tokens: checks tokens against their providers' keys.
    """

    def __init__(self, room: Room, tokens: IdentityTokens) -> None:
        self._room = room
        self._tokens = tokens

    async def assume_role_with_web_identity(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """See the module."""
        room = self._room
        if "ProviderId" in params:
            raise errors.unsupported("ProviderId (OAuth 2.0 access tokens)")
        limits = limits_of(params)
        role_arn = checked_arn(params["RoleArn"])
        role = await room.identities.find_role(role_arn)
        if room.authorizer is None:
            identity = read_unverified(params["WebIdentityToken"])
        else:
            identity = await self._verified(role_arn, params["WebIdentityToken"])
            role = await self._allowed(ctx, role, identity, params)
        role = role or unknown_role(role_arn)
        expires_at = room.clock.epoch_s() + duration_s(role, params, is_chained=False)
        principal = session_of_role(role, params["RoleSessionName"])
        principal = replace(principal, tags={**principal.tags, **identity.tags})
        keys = {**issued_at(room), "aws:FederatedProvider": identity.provider_arn(role.account_id)}
        if identity.source_identity:
            keys[SOURCE_IDENTITY] = identity.source_identity
        if identity.transitive:
            keys[TRANSITIVE] = "\n".join(identity.transitive)
        credentials = room.sessions.issue(
            principal,
            expires_at=expires_at,
            policies=limits.policies,
            policy_arns=limits.policy_arns,
            keys=keys,
            min_token_bytes=min_token_bytes(params),
        )
        answer = {
            **shown(credentials, limits),
            "SubjectFromWebIdentityToken": identity.subject,
            "AssumedRoleUser": user_of(principal),
            "Provider": identity.issuer,
            "Audience": identity.audience,
        }
        if identity.source_identity:
            answer["SourceIdentity"] = identity.source_identity
        return answer

    async def _verified(self, role_arn: str, token: str) -> Identity:
        claimed = read_unverified(token)
        account = role_arn.split(":")[4]
        clients = await self._room.identities.clients_of_provider(claimed.provider_arn(account))
        if clients is None:
            raise errors.bad_token(f"No OpenIDConnect provider found in your account for {claimed.issuer}")
        return await self._tokens.verify(token, claimed, clients)

    async def _allowed(self, ctx: CallContext, role: Role | None, identity: Identity, params: Mapping[str, Any]) -> Role:
        authorizer = self._room.authorizer
        if role is None or authorizer is None:
            raise errors.denied(_DENIED)
        source = {"aws:FederatedProvider": identity.provider_arn(role.account_id)}
        caller = Caller(Principal(PrincipalKind.ANONYMOUS, "", "", source=source))
        keys = _keys(role, identity, params)
        actions = ["sts:AssumeRoleWithWebIdentity"]
        actions += ["sts:TagSession"] if identity.tags else []
        actions += ["sts:SetSourceIdentity"] if identity.source_identity else []
        for action in actions:
            request = AccessRequest(caller, action, role.arn, lambda: {**ctx.request_keys(), **keys}, role.trust_policy)
            if not (await authorizer.decide(request)).allowed:
                raise errors.denied(_DENIED)
        return role


def _keys(role: Role, identity: Identity, params: Mapping[str, Any]) -> Values:
    """Condition keys: the token's claims under the provider's name, and those of assuming a role."""
    found: dict[str, tuple[str, ...]] = {"sts:rolesessionname": (params["RoleSessionName"],)}
    found |= {f"{identity.provider.lower()}:{name.lower()}": values for name, values in identity.claims.items()}
    found |= {f"aws:requesttag/{key.lower()}": (value,) for key, value in identity.tags.items()}
    if identity.tags:
        found["aws:tagkeys"] = tuple(identity.tags)
    if identity.transitive:
        found["sts:transitivetagkeys"] = identity.transitive
    if identity.source_identity:
        found["sts:sourceidentity"] = (identity.source_identity,)
    found |= {f"aws:resourcetag/{key.lower()}": (value,) for key, value in role.tags.items()}
    return found
