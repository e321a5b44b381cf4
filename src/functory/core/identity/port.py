"""The words of identity, and what authentication and authorisation need from those who keep it.

Owns no rule and no state: users, roles and keys are kept by ``services/iam``, sessions are made by ``services/sts``,
documents are evaluated by ``core/authorization``; ``wiring`` brings them together through the protocols here.

A *policy document* is the JSON text as it was given: whoever evaluates it compiles it once per text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


class PrincipalKind(Enum):
    """What sort of caller, as AWS's ``aws:PrincipalType`` words it."""

    ROOT = "Account"
    USER = "User"
    ASSUMED_ROLE = "AssumedRole"
    FEDERATED_USER = "FederatedUser"
    SERVICE = "Service"
    ANONYMOUS = "Anonymous"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller.

    Attributes:
        kind: see `PrincipalKind`.
        account_id: 12 digits; of a service or an anonymous caller ``""``.
        arn: as GetCallerIdentity gives it: ``arn:aws:iam::A:root``, ``arn:aws:iam::A:user/PATH/N``,
            ``arn:aws:sts::A:assumed-role/R/SESSION``, ``arn:aws:sts::A:federated-user/N``; of a service its name
            (``s3.amazonaws.com``).
        user_id: ``aws:userid``: the account id, ``AIDA…``, ``AROA…:SESSION``, ``A:N``.
        name: the user's name, the role's name, the service's name.
        issuer_arn: of a session the ARN of the role or user it was made from (with its path), else ``""``.
        tags: principal tags, session tags over those of the user or role.
        source: who a service acts for, as condition keys: ``aws:SourceArn``, ``aws:SourceAccount``,
            ``lambda:SourceFunctionArn`` …
    """

    kind: PrincipalKind
    account_id: str
    arn: str
    user_id: str = ""
    name: str = ""
    issuer_arn: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal as it signs: with which credentials, and how far these reach.

    Attributes:
        principal: who.
        access_key_id: what signed; ``""`` for a service or an anonymous caller.
        session_policies: (name, document): nothing is allowed that none of them allows; None for no such limit.
        session_policy_arns: managed policies that limit it in the same way, read whenever they are needed.
        keys: condition keys of the credentials: ``aws:TokenIssueTime``, ``aws:SourceIdentity``,
            ``lambda:SourceFunctionArn`` …
        expires_at: epoch seconds; None for credentials that do not end.
    """

    principal: Principal
    access_key_id: str = ""
    session_policies: tuple[tuple[str, str], ...] | None = None
    session_policy_arns: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key as a verifier needs it.

    Attributes:
        access_key_id: ``AKIA…`` of a user or the account's root.
        secret: the secret access key; never logged.
        principal: whom it stands for.
        is_active: False after UpdateAccessKey made it ``Inactive``.
    """

    access_key_id: str
    secret: str = field(repr=False)
    principal: Principal
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Grants:
    """What a user or role has been given.

    Attributes:
        policies: all identity policies that apply (inline, managed, of a user's groups): (name or ARN, document).
        boundary: the permissions boundary's document; None where there is none.
    """

    policies: tuple[tuple[str, str], ...] = ()
    boundary: str | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """A role as AssumeRole and Lambda need it.

    Attributes:
        arn: with its path.
        role_id: ``AROA…``.
        trust_policy: the AssumeRolePolicyDocument.
        max_session_s: MaxSessionDuration.
        tags: the role's own.
    """

    arn: str
    role_id: str
    name: str
    account_id: str
    trust_policy: str
    max_session_s: int
    tags: Mapping[str, str] = field(default_factory=dict)


class Identities(Protocol):
    """Users, roles and keys, read. Every read sees each change that was acknowledged before it."""

    async def find_key(self, access_key_id: str) -> AccessKey | None:
        """The long-term key, active or not; None when there is none (temporary keys are STS's)."""

    async def grants_of(self, arn: str) -> Grants | None:
        """What the user or role (by its IAM ARN, with path) has been given; None when it does not exist any more."""

    async def find_role(self, arn: str) -> Role | None:
        """The role, or None."""

    async def find_policy(self, arn: str) -> str | None:
        """The default version of a managed policy (a customer's or AWS's), or None."""

    async def clients_of_provider(self, arn: str) -> tuple[str, ...] | None:
        """The client ids (audiences) an OpenID Connect provider is known for; None when there is no such provider."""

    async def has_any(self) -> bool:
        """Whether any access key exists on this node: without one nobody can sign (``functory iam bootstrap``)."""


class Uses(Protocol):
    """Told of every call that was signed, for AWS's answers about when something was last used."""

    def note(self, principal: Principal, access_key_id: str, service: str, region: str) -> None:
        """A call was made. Costs a dictionary entry.

        Args:
            principal: who signed.
            access_key_id: with what.
            service: the signing name: ``lambda``, ``s3`` …
            region: that the signature is for.
        """


class ResourcePolicies(Protocol):
    """The policies that are attached to resources, by the service that owns them."""

    async def policy_of(self, resource_arn: str) -> str | None:
        """The document attached to a resource (for Lambda: exactly that function, version or alias), or None."""
