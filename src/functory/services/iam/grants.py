"""What the node asks of IAM, read from the tables: keys, roles, and the policies that apply to a user or role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from functory.core.identity.port import AccessKey, Grants, Principal, PrincipalKind, Role
from functory.kernel.sealing import Sealer
from functory.services.iam.aws_policies import aws_policies
from functory.services.iam.entities import arn, columns, look_up
from functory.services.iam.naming import parse_arn
from functory.services.iam.tables import (
    ACCESS_KEYS,
    ATTACHMENTS,
    ENTITIES,
    INLINE_POLICIES,
    MEMBERSHIPS,
    OIDC_PROVIDERS,
    POLICIES,
    POLICY_VERSIONS,
)


def has_any_key(connection: Connection) -> bool:
    """Whether there is an access key in any account."""
    return connection.execute(select(ACCESS_KEYS.c.id).limit(1)).first() is not None


def load_key(connection: Connection, cipher: Sealer, access_key_id: str) -> AccessKey | None:
    """See `Identities.find_key`."""
    key = connection.execute(select(ACCESS_KEYS).where(ACCESS_KEYS.c.id == access_key_id)).one_or_none()
    if key is None:
        return None
    principal = _root(key.account_id)
    if key.owner_id is not None:
        principal = _user(connection.execute(columns("user").where(ENTITIES.c.id == key.owner_id)).one())
    return AccessKey(key.id, cipher.open(key.id, key.secret), principal, key.active)


def _root(account_id: str) -> Principal:
    return Principal(PrincipalKind.ROOT, account_id, f"arn:aws:iam::{account_id}:root", account_id, account_id)


def _user(row: Row[Any]) -> Principal:
    return Principal(PrincipalKind.USER, row.account_id, arn(row), row.id, row.name, tags=dict(row.tags))


def find_by_arn(connection: Connection, text: str, *kinds: str) -> Row[Any] | None:
    """The entity of exactly that ARN, when it is of one of those kinds."""
    parts = parse_arn(text)
    if parts is None or parts[1] not in kinds:
        return None
    row = look_up(connection, parts[0], parts[1], parts[3])
    return row if row is not None and arn(row) == text else None


def full_arn(connection: Connection, text: str) -> str:
    """The ARN with its path, of a user, group, role or instance profile that is named without; else the text itself."""
    parts = parse_arn(text)
    if parts is None or parts[1] not in ("user", "group", "role", "instance-profile"):
        return text
    row = look_up(connection, parts[0], parts[1], parts[3])
    return text if row is None else arn(row)


def clients_of_provider(connection: Connection, provider_arn: str) -> tuple[str, ...] | None:
    """See `Identities.clients_of_provider`."""
    arn_parts = provider_arn.split(":", 5)
    if len(arn_parts) != 6 or not arn_parts[5].startswith("oidc-provider/"):
        return None
    statement = select(OIDC_PROVIDERS.c.client_ids).where(
        OIDC_PROVIDERS.c.account_id == arn_parts[4], OIDC_PROVIDERS.c.url == arn_parts[5].removeprefix("oidc-provider/")
    )
    found = connection.execute(statement).scalar_one_or_none()
    return None if found is None else tuple(found)


def load_role(connection: Connection, role_arn: str) -> Role | None:
    """See `Identities.find_role`."""
    row = find_by_arn(connection, role_arn, "role")
    if row is None:
        return None
    return Role(arn(row), row.id, row.name, row.account_id, row.trust_policy, row.max_session_s, dict(row.tags))


def load_grants(connection: Connection, identity_arn: str) -> Grants | None:
    """See `Identities.grants_of`."""
    row = find_by_arn(connection, identity_arn, "user", "role")
    if row is None:
        return None
    policies = [policy for owner in owners_of(connection, row) for policy in policies_of(connection, owner.id)]
    return Grants(tuple(policies), boundary_document(connection, row))


def boundary_document(connection: Connection, row: Row[Any]) -> str | None:
    """The permissions boundary of a user or role."""
    return None if row.boundary_arn is None else managed_document(connection, row.boundary_arn)


def owners_of(connection: Connection, row: Row[Any]) -> list[Row[Any]]:
    """Whose policies apply to a user, group or role: its own, and those of a user's groups."""
    if row.kind != "user":
        return [row]
    joined = select(ENTITIES).join(MEMBERSHIPS, MEMBERSHIPS.c.group_id == ENTITIES.c.id)
    groups = joined.where(MEMBERSHIPS.c.user_id == row.id).order_by(ENTITIES.c.name_key)
    return [row, *connection.execute(groups).all()]


def policies_of(connection: Connection, owner_id: str) -> Iterator[tuple[str, str]]:
    """An owner's inline policies by name, then its managed ones by ARN."""
    inline = select(INLINE_POLICIES).where(INLINE_POLICIES.c.owner_id == owner_id).order_by(INLINE_POLICIES.c.name)
    for row in connection.execute(inline).all():
        yield row.name, row.document
    attached = select(ATTACHMENTS.c.policy_arn).where(ATTACHMENTS.c.owner_id == owner_id).order_by(ATTACHMENTS.c.policy_arn)
    for policy_arn in connection.execute(attached).scalars().all():
        document = managed_document(connection, policy_arn)
        if document is not None:
            yield policy_arn, document


def managed_document(connection: Connection, policy_arn: str) -> str | None:
    """The default version of a managed policy, AWS's or an account's."""
    own = aws_policies().get(policy_arn)
    if own is not None:
        return own.document
    parts = parse_arn(policy_arn)
    if parts is None or parts[1] != "policy":
        return None
    account_id, kind, path, name = parts
    statement = (
        select(POLICY_VERSIONS.c.document)
        .join(POLICIES, POLICIES.c.owner_id == POLICY_VERSIONS.c.owner_id)
        .join(ENTITIES, ENTITIES.c.id == POLICIES.c.owner_id)
        .where(
            ENTITIES.c.account_id == account_id,
            ENTITIES.c.kind == kind,
            ENTITIES.c.name == name,
            ENTITIES.c.path == path,
            POLICY_VERSIONS.c.number == POLICIES.c.default_version,
        )
    )
    found: str | None = connection.execute(statement).scalar_one_or_none()
    return found
