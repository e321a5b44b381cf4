"""Decisions about calls: policies gathered from those who keep them, evaluated, and remembered where that is exact.

**Theory.** A call needs the grants of the user or role it is made with, the limits of its session, and the policy of the
resource. All of it comes from memory (`Identities`, `ResourcePolicies` promise that), and every read sees each acknowledged
change. What is compiled from it is kept as long as exactly the same objects come back. A decision is kept by action,
resource and the resource's policy, when no condition asked for anything that another request may have otherwise.

A document that cannot be evaluated refuses everything it bears on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from functory.core.authorization.context import RESOURCE_TAG, Keys, Values, caller_keys
from functory.core.authorization.errors import PolicyError
from functory.core.authorization.evaluation import Decision, Policies, Policy, Question, Source, evaluate
from functory.core.identity.port import Caller, Grants, Identities, Principal, PrincipalKind, ResourcePolicies
from functory.kernel import log

_CALLERS_MAX = 10_000
_DECISIONS_MAX = 1_000
"""Remembered for each caller."""

_ACCOUNT_DIGITS = 12
_EVERYTHING = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'


class ResourceTags(Protocol):
    """The tags of resources, by the service that owns them."""

    async def tags_of(self, resource_arn: str) -> Mapping[str, str]:
        """The tags of a resource; empty where there is no such resource."""


def _no_keys() -> Values:
    return {}


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What is to be decided.

    Attributes:
        caller: who.
        action: ``lambda:InvokeFunction``.
        resource: ARN, or ``*``.
        keys: makes the condition keys of the request, names in lower case.
        trust_policy: the document to ask instead of the resource's own policy, which must allow even within the account.
    """

    caller: Caller
    action: str
    resource: str
    keys: Callable[[], Values] = _no_keys
    trust_policy: str | None = None


@dataclass(slots=True)
class _Known:
    """What is remembered of a caller.

    Attributes:
        caller: exactly this one.
        grants: exactly these.
        session_documents: of its session's managed policies.
        policies: compiled from both.
        keys: `caller_keys`.
        decisions: (action, resource, resource's policy) -> decision.
    """

    caller: Caller
    grants: Grants | None
    session_documents: tuple[str, ...]
    policies: Policies
    keys: Values
    decisions: dict[tuple[str, str, str | None], Decision] = field(default_factory=dict)


class Authorizer:
    """See the module.

    Args:
        identities: users and roles.
        resource_policies: by the service of the resource's ARN (``lambda``).
        resource_tags: the same.
    """

    def __init__(
        self,
        identities: Identities,
        resource_policies: Mapping[str, ResourcePolicies],
        resource_tags: Mapping[str, ResourceTags],
    ) -> None:
        self._identities = identities
        self._resource_policies = resource_policies
        self._resource_tags = resource_tags
        self._known: dict[str, _Known] = {}
        self._log = log.get("core.authorization")

    async def decide(self, request: AccessRequest) -> Decision:
        """Whether the caller may do it; a refusal is in the log."""
        try:
            decision = await self._decide(request)
        except PolicyError as error:
            self._log.error("policy_not_evaluated", principal=request.caller.principal.arn, reason=str(error))
            decision = Decision(allowed=False, explicit=True, source=Source.IDENTITY)
        if not decision.allowed:
            self._log.warning(
                "access_denied",
                principal=request.caller.principal.arn or "anonymous",
                action=request.action,
                resource=request.resource,
                by=decision.source.value if decision.source else "",
                explicit=decision.explicit,
                policy=decision.policy,
                statement=decision.statement,
            )
        return decision

    async def _decide(self, request: AccessRequest) -> Decision:
        known = await self._know(request.caller)
        document = request.trust_policy
        if document is None:
            document = await self._policy_of(request.resource)
            kept = known.decisions.get((request.action, request.resource, document))
            if kept is not None:
                return kept
        policies = known.policies
        if document is not None:
            is_trust = request.trust_policy is not None
            source = Source.TRUST if is_trust else Source.RESOURCE
            policies = Policies(
                identity=policies.identity,
                boundary=policies.boundary,
                session=policies.session,
                resource=Policy.of(request.resource, document),
                needs_resource=is_trust,
                resource_source=source,
            )
        keys = Keys(known.keys, request.keys)
        decision = evaluate(_question(request, keys), policies)
        if keys.wants_resource_tags and (tags := await self._tags_of(request.resource)):
            keys = Keys(known.keys, lambda: {**request.keys(), **tags})
            decision = evaluate(_question(request, keys), policies)
        if not keys.consulted and request.trust_policy is None:
            if len(known.decisions) >= _DECISIONS_MAX:
                known.decisions.clear()
            known.decisions[request.action, request.resource, document] = decision
        return decision

    async def _policy_of(self, resource: str) -> str | None:
        owner = self._resource_policies.get(_part(resource, 2))
        return await owner.policy_of(resource) if owner is not None else None

    async def _tags_of(self, resource: str) -> Values:
        owner = self._resource_tags.get(_part(resource, 2))
        if owner is None:
            return {}
        tags = await owner.tags_of(resource)
        return {f"{RESOURCE_TAG}{name.lower()}": (value,) for name, value in tags.items()}

    async def _know(self, caller: Caller) -> _Known:
        """What bears on a caller, compiled."""
        owner = _owner_of_grants(caller.principal)
        grants = await self._identities.grants_of(owner) if owner else None
        arns = caller.session_policy_arns
        documents = tuple([await self._identities.find_policy(arn) or "" for arn in arns]) if arns else ()
        name = caller.access_key_id or caller.principal.arn
        known = self._known.get(name)
        if known is not None and known.grants is grants and known.session_documents == documents and known.caller == caller:
            return known
        policies = await self._compiled(caller, grants, documents)
        known = _Known(caller, grants, documents, policies, caller_keys(caller))
        while len(self._known) >= _CALLERS_MAX:
            del self._known[next(iter(self._known))]
        self._known[name] = known
        return known

    async def _compiled(self, caller: Caller, grants: Grants | None, documents: tuple[str, ...]) -> Policies:
        principal = caller.principal
        if principal.kind is PrincipalKind.FEDERATED_USER and principal.issuer_arn.endswith(":root"):
            grants = Grants((("root", _EVERYTHING),))
        if grants is None or not await self._is_still_the_same_role(principal):
            grants = Grants()
        session: tuple[Policy, ...] | None = None
        if caller.session_policies is not None or caller.session_policy_arns:
            inline = [Policy.of(name, text) for name, text in caller.session_policies or ()]
            managed = [Policy.of(arn, text) for arn, text in zip(caller.session_policy_arns, documents, strict=True) if text]
            session = (*inline, *managed)
        return Policies(
            identity=tuple(Policy.of(name, text) for name, text in grants.policies),
            boundary=None if grants.boundary is None else Policy.of("boundary", grants.boundary),
            session=session,
        )

    async def _is_still_the_same_role(self, principal: Principal) -> bool:
        """A role that was made anew under its old name is another one: sessions of the old have nothing of it."""
        if principal.kind is not PrincipalKind.ASSUMED_ROLE:
            return True
        role = await self._identities.find_role(principal.issuer_arn)
        return role is not None and role.role_id == principal.user_id.partition(":")[0]


def _question(request: AccessRequest, keys: Keys) -> Question:
    account_id = _part(request.resource, 4)
    owner = account_id if len(account_id) == _ACCOUNT_DIGITS and account_id.isdigit() else ""  # AWS's own belong to all
    return Question(request.caller.principal, request.action, request.resource, owner, keys.get)


def _owner_of_grants(principal: Principal) -> str:
    """The ARN of the user or role whose policies apply; ``""`` for callers that have none."""
    if principal.kind is PrincipalKind.USER:
        return principal.arn
    if principal.kind in (PrincipalKind.ASSUMED_ROLE, PrincipalKind.FEDERATED_USER):
        return "" if principal.issuer_arn.endswith(":root") else principal.issuer_arn
    return ""


def _part(arn: str, index: int) -> str:
    """A part of an ARN, ``""`` where there is none."""
    parts = arn.split(":", index + 1)
    return parts[index] if len(parts) > index + 1 else ""
