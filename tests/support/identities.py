"""Users, roles and keys for tests, without IAM's tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from functory.core.identity.port import AccessKey, Grants, Principal, PrincipalKind, Role

ACCOUNT = "111122223333"
OTHER = "444455556666"
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ANN = Principal(PrincipalKind.USER, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/team/ann", "AIDAANN", "ann", tags={"Team": "red"})
WORKER = f"arn:aws:iam::{ACCOUNT}:role/team/worker"
BY_LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def role(trust: str, arn: str = WORKER, *, max_session_s: int = 3600, role_id: str = "AROAWORKER") -> Role:
    return Role(arn, role_id, arn.rpartition("/")[2], arn.split(":")[4], trust, max_session_s)


@dataclass
class FakeIdentities:
    """Implements `functory.core.identity.port.Identities`; counts how often it was asked."""

    keys: dict[str, AccessKey] = field(default_factory=dict)
    grants: dict[str, Grants] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    clients: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def give(self, arn: str, *statements: dict[str, Any], boundary: str | None = None) -> None:
        self.grants[arn] = Grants((("inline", document(*statements)),), boundary)

    async def find_key(self, access_key_id: str) -> AccessKey | None:
        return self.keys.get(access_key_id)

    async def grants_of(self, arn: str) -> Grants | None:
        return self.grants.get(arn)

    async def find_role(self, arn: str) -> Role | None:
        return self.roles.get(arn)

    async def find_policy(self, arn: str) -> str | None:
        return self.policies.get(arn)

    async def clients_of_provider(self, arn: str) -> tuple[str, ...] | None:
        return self.clients.get(arn)

    async def has_any(self) -> bool:
        return bool(self.keys)


@dataclass
class FakePolicies:
    """Implements `functory.core.identity.port.ResourcePolicies`."""

    documents: dict[str, str] = field(default_factory=dict)

    async def policy_of(self, resource_arn: str) -> str | None:
        return self.documents.get(resource_arn)


@dataclass
class FixedClock:
    """A clock that stands."""

    now: float = 1_800_000_000.0

    def epoch_s(self) -> float:
        return self.now

    def monotonic_s(self) -> float:
        return self.now
