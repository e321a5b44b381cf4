"""The tables of IAM.

Users, groups, roles, managed policies and instance profiles are *entities*: a name unique in its account whatever its case,
a path, an id that is never used again. What they share lies in `ENTITIES`; what only roles and policies have, beside it.
``kind`` is the word that stands in the ARN: ``user``, ``group``, ``role``, ``policy``, ``instance-profile``.

A row of an owner's policies, attachments, memberships or keys names the owner by its id, so a rename touches one row.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from functory.store.port import METADATA

_ID = String(32)
_KEY = String(128).with_variant(String(128, collation="C"), "postgresql")  # names sort by their bytes


def _owner(*, is_key: bool = True) -> Column[str]:
    """The id of an entity that takes this row with it when it goes."""
    return Column("owner_id", _ID, ForeignKey("iam_entities.id", ondelete="CASCADE"), primary_key=is_key)


ENTITIES = Table(
    "iam_entities",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(128), nullable=False),
    Column("name_key", _KEY, nullable=False),
    Column("path", String(512), nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("boundary_arn", String(2048)),
    Column("tags", JSON, nullable=False),
    UniqueConstraint("account_id", "kind", "name_key"),
    Index("ix_iam_entities_account_id_boundary_arn", "account_id", "boundary_arn"),
)

ROLES = Table(
    "iam_roles",
    METADATA,
    _owner(),
    Column("trust_policy", Text, nullable=False),
    Column("description", Text),
    Column("max_session_s", Integer, nullable=False),
    Column("linked_service", String(128)),
    Column("last_used_s", BigInteger),
    Column("last_used_region", String(64)),
)

TRUSTED = Table(
    "iam_trusted",
    METADATA,
    _owner(),
    Column("principal_id", _ID, primary_key=True),
    Index("ix_iam_trusted_principal_id", "principal_id"),
)
"""The users and roles that a role's trust policy names by their ARNs."""

POLICIES = Table(
    "iam_policies",
    METADATA,
    _owner(),
    Column("description", Text),
    Column("updated_s", BigInteger, nullable=False),
    Column("default_version", Integer, nullable=False),
    Column("last_version", Integer, nullable=False),
)

POLICY_VERSIONS = Table(
    "iam_policy_versions",
    METADATA,
    _owner(),
    Column("number", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("created_s", BigInteger, nullable=False),
)

INLINE_POLICIES = Table(
    "iam_inline_policies",
    METADATA,
    _owner(),
    Column("name", _KEY, primary_key=True),
    Column("document", Text, nullable=False),
)

ATTACHMENTS = Table(
    "iam_attachments",
    METADATA,
    _owner(),
    Column("policy_arn", String(2048), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Index("ix_iam_attachments_account_id_policy_arn", "account_id", "policy_arn"),
)

MEMBERSHIPS = Table(
    "iam_memberships",
    METADATA,
    Column("user_id", _ID, ForeignKey("iam_entities.id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", _ID, ForeignKey("iam_entities.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_iam_memberships_group_id", "group_id"),
)

PROFILE_ROLES = Table(
    "iam_profile_roles",
    METADATA,
    _owner(),
    Column("role_id", _ID, ForeignKey("iam_entities.id", ondelete="CASCADE"), nullable=False),
    Index("ix_iam_profile_roles_role_id", "role_id"),
)

ACCESS_KEYS = Table(
    "iam_access_keys",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("account_id", String(12), nullable=False),
    _owner(is_key=False),  # none: the account's root
    Column("secret", LargeBinary, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("last_used_s", BigInteger),
    Column("last_used_service", String(64)),
    Column("last_used_region", String(64)),
    Index("ix_iam_access_keys_account_id_owner_id", "account_id", "owner_id"),
)

OIDC_PROVIDERS = Table(
    "iam_oidc_providers",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("url", String(255), primary_key=True),  # without https://
    Column("client_ids", JSON, nullable=False),
    Column("thumbprints", JSON, nullable=False),
    Column("created_s", BigInteger, nullable=False),
    Column("tags", JSON, nullable=False),
)

ACCOUNTS = Table(
    "iam_accounts",
    METADATA,
    Column("account_id", String(12), primary_key=True),
    Column("created_s", BigInteger, nullable=False),
    Column("alias", String(63), unique=True),
)

ROLE_DELETIONS = Table(
    "iam_role_deletions",
    METADATA,
    Column("id", String(512), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("deleted_s", BigInteger, nullable=False),
)
