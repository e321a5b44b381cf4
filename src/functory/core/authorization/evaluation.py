"""AWS's decision about one request. Pure: policies and facts in, a `Decision` out.

**Theory.** Nothing is allowed that no policy allows, and a ``Deny`` anywhere wins. Within one account either the resource's
policy or the caller's own policies may allow. The caller's own allow only what *all* of them allow: identity policies, then
the permissions boundary, then the session policies. How far a resource's policy reaches depends on the name it uses for the
caller (`principals.Reach`):

==========  ==========================================================================
SELF        allowed, whatever the caller's own policies leave out
ISSUER      needs no identity policy; boundary and session policies still limit it
ACCOUNT     allows nothing by itself: the account decides with its own policies
==========  ==========================================================================

Across accounts both sides must allow: the resource's policy by any of these names, and the caller's own policies. Roles
(their trust policy) must allow in their own account too: `Policies.needs_resource`. An account's root user is not subject to
identity policies. A service and an anonymous caller have nothing but the resource's policy.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from functory.core.authorization.documents import Statement, compile_document
from functory.core.authorization.patterns import Lookup
from functory.core.authorization.principals import Reach
from functory.core.identity.port import Principal, PrincipalKind


class Source(Enum):
    """What a policy is to the request, in the words of AWS's error texts."""

    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    RESOURCE = "resource-based policy"
    TRUST = "role trust policy"


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled document and what it is called."""

    name: str
    statements: tuple[Statement, ...]

    @classmethod
    def of(cls, name: str, document: str) -> Policy:
        """A document, compiled.

        Raises:
            PolicyError: it cannot be evaluated.
        """
        return cls(name, compile_document(document))


@dataclass(frozen=True, slots=True)
class Policies:
    """Everything that bears on a request.

    Attributes:
        identity: of the user or role, groups' included.
        boundary: None where there is none.
        session: None where the session is not limited further; one of them must allow.
        resource: attached to the resource; None where it has none.
        needs_resource: the resource's policy must allow even within the account (role trust policies).
        resource_source: what to call it.
    """

    identity: Sequence[Policy] = ()
    boundary: Policy | None = None
    session: Sequence[Policy] | None = None
    resource: Policy | None = None
    needs_resource: bool = False
    resource_source: Source = Source.RESOURCE


@dataclass(frozen=True, slots=True)
class Decision:
    """What came out.

    Attributes:
        allowed: the answer.
        explicit: a ``Deny`` decided.
        source: which policy decided, or which one did not allow; None when nobody was asked (the root user).
        policy: the name of the deciding document, ``""`` when none allows.
        statement: the statement id that decided, or ``""``.
    """

    allowed: bool
    explicit: bool = False
    source: Source | None = None
    policy: str = ""
    statement: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One request.

    Attributes:
        caller: who.
        action: ``lambda:InvokeFunction``.
        resource: an ARN, or ``*`` for an action without resource.
        resource_account: whose resource it is; ``""`` means the caller's.
        lookup: condition keys.
    """

    caller: Principal
    action: str
    resource: str
    resource_account: str = ""
    lookup: Lookup = field(default=lambda _key: None)


def evaluate(question: Question, policies: Policies) -> Decision:
    """Decide."""
    denied = _explicit_deny(question, policies)
    if denied is not None:
        return denied
    granted, reach = _resource_grant(question, policies)
    caller = question.caller
    if caller.kind in (PrincipalKind.SERVICE, PrincipalKind.ANONYMOUS):
        return granted or Decision(allowed=False, source=policies.resource_source)
    is_foreign = question.resource_account not in ("", caller.account_id)
    if (is_foreign or policies.needs_resource) and granted is None:
        own = _own_policies(question, policies, needs_identity=True)
        return (
            own
            if own is not None and not own.allowed and is_foreign
            else Decision(allowed=False, source=policies.resource_source)
        )
    if granted is not None and not is_foreign and reach is Reach.SELF:
        return granted
    needs_identity = is_foreign or reach is not Reach.ISSUER
    return _own_policies(question, policies, needs_identity=needs_identity) or granted or Decision(allowed=True)


def _own_policies(question: Question, policies: Policies, *, needs_identity: bool) -> Decision | None:
    """What the caller's side says: the first kind of policy that does not allow, else the statement that does.

    None: nothing of its own had to be asked and nothing limits it.
    """
    allowing: Decision | None = None
    if needs_identity and question.caller.kind is not PrincipalKind.ROOT:
        allowing = _first_allow(question, policies.identity, Source.IDENTITY)
        if allowing is None:
            return Decision(allowed=False, source=Source.IDENTITY)
    elif needs_identity:
        allowing = Decision(allowed=True)
    limits = (((policies.boundary,) if policies.boundary else None, Source.BOUNDARY), (policies.session, Source.SESSION))
    for documents, source in limits:
        if documents is not None and _first_allow(question, documents, source) is None:
            return Decision(allowed=False, source=source)
    return allowing


def _explicit_deny(question: Question, policies: Policies) -> Decision | None:
    for source, documents in _all(policies):
        for policy in documents:
            for statement in policy.statements:
                if statement.is_deny and _applies(question, statement, source):
                    return Decision(False, True, source, policy.name, statement.sid)
    return None


def _all(policies: Policies) -> Iterator[tuple[Source, Sequence[Policy]]]:
    if policies.resource:
        yield policies.resource_source, (policies.resource,)
    yield Source.IDENTITY, policies.identity
    if policies.boundary:
        yield Source.BOUNDARY, (policies.boundary,)
    yield Source.SESSION, policies.session or ()


def _applies(question: Question, statement: Statement, source: Source) -> bool:
    if source in (Source.RESOURCE, Source.TRUST) and (
        statement.principal is None or statement.principal.reach(question.caller) is Reach.NOBODY
    ):
        return False
    return statement.applies(question.action.lower(), question.resource, question.lookup)


def _resource_grant(question: Question, policies: Policies) -> tuple[Decision | None, Reach]:
    """The resource's statement that reaches furthest, and how far."""
    best, furthest = None, Reach.NOBODY
    if policies.resource is None:
        return best, furthest
    for statement in policies.resource.statements:
        if statement.is_deny or statement.principal is None:
            continue
        reach = statement.principal.reach(question.caller)
        if reach > furthest and _applies(question, statement, Source.IDENTITY):
            furthest = reach
            best = Decision(
                allowed=True, source=policies.resource_source, policy=policies.resource.name, statement=statement.sid
            )
    return best, furthest


def _first_allow(question: Question, documents: Sequence[Policy], source: Source) -> Decision | None:
    for policy in documents:
        for statement in policy.statements:
            if not statement.is_deny and _applies(question, statement, source):
                return Decision(allowed=True, source=source, policy=policy.name, statement=statement.sid)
    return None
