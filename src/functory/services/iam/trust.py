"""Whom trust policies name: kept by id, so that a name that is given anew inherits no trust.

AWS: a trust policy names users and roles by ARN, IAM keeps their ids. When such a user is renamed the policy shows the new
ARN; when it is deleted the policy shows its id, and whoever gets the old name later is not trusted. Here the text is changed
in the transaction that renames or deletes.

Differs: AWS does the same for the policies of resources (functions, queues, buckets), which their services keep.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, select, update

from functory.core.identity.policy_principals import with_renamed
from functory.services.iam.tables import ROLES, TRUSTED


def keep_trusted(connection: Connection, role_id: str, principal_ids: Iterable[str]) -> None:
    """Note whom a role's policy names from now on."""
    connection.execute(delete(TRUSTED).where(TRUSTED.c.owner_id == role_id))
    rows = [{"owner_id": role_id, "principal_id": each} for each in sorted(principal_ids)]
    if rows:
        connection.execute(insert(TRUSTED), rows)


def principal_renamed(connection: Connection, principal_id: str, old_arn: str, new_arn: str) -> None:
    """A user has another ARN."""
    _rewrite(connection, principal_id, old_arn, new_arn)


def principal_gone(connection: Connection, principal_id: str, arn: str) -> None:
    """A user or role is deleted."""
    _rewrite(connection, principal_id, arn, principal_id)
    connection.execute(delete(TRUSTED).where(TRUSTED.c.principal_id == principal_id))


def _rewrite(connection: Connection, principal_id: str, old: str, new: str) -> None:
    trusting = select(ROLES.c.owner_id, ROLES.c.trust_policy).join(TRUSTED, TRUSTED.c.owner_id == ROLES.c.owner_id)
    for role_id, document in connection.execute(trusting.where(TRUSTED.c.principal_id == principal_id)).all():
        changed = with_renamed(document, old, new)
        connection.execute(update(ROLES).where(ROLES.c.owner_id == role_id).values(trust_policy=changed))
