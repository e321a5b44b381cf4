"""Managed policies as one thing, whether AWS's or an account's: finding them, counting their use, showing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, select

from functory.services.iam import entities
from functory.services.iam.aws_policies import AwsPolicy, aws_policies
from functory.services.iam.errors import invalid, no_policy
from functory.services.iam.naming import parse_arn, url_encoded
from functory.services.iam.tables import ATTACHMENTS, ENTITIES, POLICY_VERSIONS

KIND = "policy"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a managed policy."""

    number: int
    document: str
    created_s: int
    is_default: bool

    def view(self, *, with_document: bool = True) -> dict[str, Any]:
        """As answers have it."""
        document = {"Document": url_encoded(self.document)} if with_document else {}
        return document | {
            "VersionId": f"v{self.number}",
            "IsDefaultVersion": self.is_default,
            "CreateDate": self.created_s,
        }


@dataclass(frozen=True, slots=True)
class Managed:
    """A managed policy.

    Attributes:
        entity_id: of the account's own row; AWS's policies have none and cannot be changed.
        default_version: its number.
    """

    arn: str
    id: str
    name: str
    path: str
    description: str | None
    created_s: int
    updated_s: int
    default_version: int
    tags: Mapping[str, str] = field(default_factory=dict)
    entity_id: str | None = None

    def view(self, uses: int, boundary_uses: int) -> dict[str, Any]:
        """What every answer says of a policy."""
        return {
            "PolicyName": self.name,
            "PolicyId": self.id,
            "Arn": self.arn,
            "Path": self.path,
            "DefaultVersionId": f"v{self.default_version}",
            "AttachmentCount": uses,
            "PermissionsBoundaryUsageCount": boundary_uses,
            "IsAttachable": True,
            "CreateDate": self.created_s,
            "UpdateDate": self.updated_s,
        }


def of_row(row: Row[Any]) -> Managed:
    """From the row of an account's policy."""
    return Managed(
        arn=entities.arn(row),
        id=row.id,
        name=row.name,
        path=row.path,
        description=row.description,
        created_s=row.created_s,
        updated_s=row.updated_s,
        default_version=row.default_version,
        tags=row.tags,
        entity_id=row.id,
    )


def of_aws(policy: AwsPolicy) -> Managed:
    """From the catalogue."""
    return Managed(
        arn=policy.arn,
        id=policy.id,
        name=policy.name,
        path=policy.path,
        description=policy.description,
        created_s=policy.created_s,
        updated_s=policy.updated_s,
        default_version=policy.version,
    )


def check_arn(arn: str) -> None:
    """Refuse what is no policy's ARN.

    Raises:
        AwsError: InvalidInput.
    """
    parts = parse_arn(arn)
    if parts is None or parts[1] != KIND:
        raise invalid(f"ARN {arn} is not valid.")


def look_up(connection: Connection, account_id: str, arn: str) -> Managed | None:
    """The policy that an account knows by this ARN.

    Raises:
        AwsError: InvalidInput: it is no policy's ARN.
    """
    check_arn(arn)
    own = aws_policies().get(arn)
    if own is not None:
        return of_aws(own)
    parts = parse_arn(arn)
    if parts is None or parts[:2] != (account_id, KIND):
        return None
    row = entities.look_up(connection, account_id, KIND, parts[3])
    return of_row(row) if row is not None and entities.arn(row) == arn else None


def find(connection: Connection, account_id: str, arn: str) -> Managed:
    """As `look_up`.

    Raises:
        AwsError: NoSuchEntity.
    """
    policy = look_up(connection, account_id, arn)
    if policy is None:
        raise no_policy(arn)
    return policy


def versions_of(connection: Connection, policy: Managed) -> list[Version]:
    """Its versions, the newest first."""
    if policy.entity_id is None:
        document = aws_policies()[policy.arn].document
        return [Version(policy.default_version, document, policy.updated_s, is_default=True)]
    statement = select(POLICY_VERSIONS).where(POLICY_VERSIONS.c.owner_id == policy.entity_id)
    rows = connection.execute(statement.order_by(POLICY_VERSIONS.c.number.desc())).all()
    return [Version(row.number, row.document, row.created_s, row.number == policy.default_version) for row in rows]


@dataclass(frozen=True, slots=True)
class Uses:
    """How often an account's users, groups and roles use each policy, by ARN."""

    attached: Mapping[str, int]
    as_boundary: Mapping[str, int]

    def view(self, policy: Managed) -> dict[str, Any]:
        """The policy with its numbers."""
        return policy.view(self.attached.get(policy.arn, 0), self.as_boundary.get(policy.arn, 0))


def uses(connection: Connection, account_id: str, arn: str | None = None) -> Uses:
    """The numbers of all policies, or of one."""
    attached = select(ATTACHMENTS.c.policy_arn, func.count()).where(ATTACHMENTS.c.account_id == account_id)
    bounding = select(ENTITIES.c.boundary_arn, func.count()).where(
        ENTITIES.c.account_id == account_id, ENTITIES.c.boundary_arn.is_not(None)
    )
    if arn is not None:
        attached = attached.where(ATTACHMENTS.c.policy_arn == arn)
        bounding = bounding.where(ENTITIES.c.boundary_arn == arn)
    counts = connection.execute(attached.group_by(ATTACHMENTS.c.policy_arn)).all()
    bounds = connection.execute(bounding.group_by(ENTITIES.c.boundary_arn)).all()
    return Uses({row[0]: row[1] for row in counts}, {row[0]: row[1] for row in bounds})
