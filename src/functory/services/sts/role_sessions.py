"""AssumeRole: a session of a role, for whom its trust policy lets.

**Theory.** Three things can be asked of the trust policy: to assume the role, to tag the session (when tags are given), to
set the source identity (when one is). Each is a decision of the authorizer about the role, with the trust policy as the
policy of the resource, which must allow even within the account. A role that does not exist looks like one that may not be
assumed.

A session made from a session of a role (*chaining*) lasts an hour at most; its source identity and transitive tags go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from functory.aws.arn import Arn
from functory.core.authorization.authorizer import AccessRequest
from functory.core.authorization.context import Values
from functory.core.calls import CallContext
from functory.core.identity.execution_roles import session_of_role
from functory.core.identity.port import Caller, Principal, PrincipalKind, Role
from functory.services.sts import errors
from functory.services.sts.room import DEFAULT_S, Room, issued_at, min_token_bytes, shown
from functory.services.sts.session_limits import Limits, limits_of

CHAINED_MAX_S = 3600
SOURCE_IDENTITY = "aws:SourceIdentity"
TRANSITIVE = "functory:TransitiveTagKeys"
"""The keys of a session's transitive tags, one to a line, among the condition keys of its credentials."""


async def assume_role(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """See the module."""
    if "SerialNumber" in params or "TokenCode" in params:
        raise errors.unsupported("Multi-factor authentication")
    if params.get("ProvidedContexts"):
        raise errors.unsupported("ProvidedContexts")
    limits, caller = limits_of(params), ctx.caller
    role_arn = checked_arn(params["RoleArn"])
    source_identity = _source_identity(caller, params)
    role = await room.identities.find_role(role_arn)
    if room.authorizer is not None:
        role = await _allowed(room, ctx, role, role_arn, limits, params)
    role = role or unknown_role(role_arn)
    expires_at = room.clock.epoch_s() + duration_s(role, params, is_chained=_is_chained(caller))
    inherited = _transitive_tags(caller)
    principal = session_of_role(role, params["RoleSessionName"])
    principal = replace(principal, tags={**principal.tags, **limits.tags, **inherited})
    keys = issued_at(room)
    if source_identity:
        keys[SOURCE_IDENTITY] = source_identity
    if transitive := [*inherited, *(key for key in limits.transitive if key not in inherited)]:
        keys[TRANSITIVE] = "\n".join(transitive)
    credentials = room.sessions.issue(
        principal,
        expires_at=expires_at,
        policies=limits.policies,
        policy_arns=limits.policy_arns,
        keys=keys,
        min_token_bytes=min_token_bytes(params),
    )
    answer = {**shown(credentials, limits), "AssumedRoleUser": user_of(principal)}
    if source_identity:
        answer["SourceIdentity"] = source_identity
    return answer


def user_of(principal: Principal) -> dict[str, str]:
    """``AssumedRoleUser``."""
    return {"AssumedRoleId": principal.user_id, "Arn": principal.arn}


def checked_arn(text: str) -> str:
    """The ARN of a role.

    Raises:
        AwsError: ValidationError: it is none.
    """
    arn = Arn.parse(text)
    if arn is None or arn.service != "iam" or arn.resource_type != "role" or not arn.account_id.isdigit():
        raise errors.invalid(f"{text} is invalid")
    return text


def unknown_role(role_arn: str) -> Role:
    """A role that is not kept here, for a node that takes any; its id follows from its ARN."""
    digest = hashlib.sha256(role_arn.encode()).hexdigest().upper()
    return Role(role_arn, f"AROA{digest[:17]}", role_arn.rpartition("/")[2], role_arn.split(":")[4], "", 43_200)


def duration_s(role: Role, params: Mapping[str, Any], *, is_chained: bool) -> int:
    """How long the session lasts.

    Raises:
        AwsError: ValidationError: longer than it may.
    """
    asked = int(params.get("DurationSeconds", DEFAULT_S))
    if is_chained and asked > CHAINED_MAX_S:
        raise errors.invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    if asked > role.max_session_s:
        raise errors.invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    return asked


def _is_chained(caller: Caller | None) -> bool:
    return caller is not None and caller.principal.kind is PrincipalKind.ASSUMED_ROLE


def _source_identity(caller: Caller | None, params: Mapping[str, Any]) -> str:
    """The source identity of the new session: once set it cannot be changed.

    Raises:
        AwsError: another one is asked for.
    """
    asked: str = params.get("SourceIdentity", "")
    if asked.lower().startswith("aws:"):
        raise errors.invalid("The source identity value cannot begin with aws:.")
    held = caller.keys.get(SOURCE_IDENTITY, "") if caller is not None else ""
    if held and asked and asked != held:
        raise errors.denied("Source identity value cannot be changed once it is set.")
    return held or asked


def _transitive_tags(caller: Caller | None) -> dict[str, str]:
    if caller is None or TRANSITIVE not in caller.keys:
        return {}
    tags = caller.principal.tags
    return {key: tags[key] for key in caller.keys[TRANSITIVE].split("\n") if key in tags}


async def _allowed(
    room: Room, ctx: CallContext, role: Role | None, role_arn: str, limits: Limits, params: Mapping[str, Any]
) -> Role:
    """The role, when the caller may assume it in this way.

    Raises:
        AwsError: AccessDenied.
    """
    caller = ctx.caller
    if caller is None or role is None or room.authorizer is None:
        who = caller.principal.arn if caller is not None else "anonymous"
        raise errors.denied(f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {role_arn}")
    if caller.principal.kind is PrincipalKind.ROOT:
        raise errors.denied("Roles may not be assumed by root accounts.")
    keys = _keys(role, limits, params)
    actions = ["sts:AssumeRole"]
    actions += ["sts:TagSession"] if limits.tags else []
    actions += ["sts:SetSourceIdentity"] if "SourceIdentity" in params else []
    for action in actions:
        request = AccessRequest(caller, action, role.arn, lambda: {**ctx.request_keys(), **keys}, role.trust_policy)
        if not (await room.authorizer.decide(request)).allowed:
            raise errors.denied(
                f"User: {caller.principal.arn} is not authorized to perform: {action} on resource: {role_arn}"
            )
    return role


def _keys(role: Role, limits: Limits, params: Mapping[str, Any]) -> Values:
    """Condition keys of assuming a role."""
    found: dict[str, tuple[str, ...]] = {"sts:rolesessionname": (params["RoleSessionName"],)}
    if "ExternalId" in params:
        found["sts:externalid"] = (params["ExternalId"],)
    if "SourceIdentity" in params:
        found["sts:sourceidentity"] = (params["SourceIdentity"],)
    if limits.tags:
        found["aws:tagkeys"] = tuple(limits.tags)
        found |= {f"aws:requesttag/{key.lower()}": (value,) for key, value in limits.tags.items()}
    if limits.transitive:
        found["sts:transitivetagkeys"] = limits.transitive
    found |= {f"aws:resourcetag/{key.lower()}": (value,) for key, value in role.tags.items()}
    return found
