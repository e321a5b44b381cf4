"""What keeps an entity from being deleted, in the order AWS looks and in its words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from functory.services.iam.errors import conflict
from functory.services.iam.tables import ACCESS_KEYS, ATTACHMENTS, INLINE_POLICIES, MEMBERSHIPS, PROFILE_ROLES


def refuse_if_in_use(connection: Connection, row: Row[Any]) -> None:
    """Refuse to delete a user, group, role or instance profile that something hangs on.

    Raises:
        AwsError: DeleteConflict.
    """
    for condition, text in _reasons(row):
        if connection.execute(select(1).where(condition).limit(1)).first() is not None:
            raise conflict(f"Cannot delete entity, must {text} first.")


def _reasons(row: Row[Any]) -> Iterator[tuple[ColumnElement[bool], str]]:
    yield ATTACHMENTS.c.owner_id == row.id, "detach all policies"
    yield INLINE_POLICIES.c.owner_id == row.id, "delete policies"
    if row.kind == "user":
        yield ACCESS_KEYS.c.owner_id == row.id, "delete access keys"
        yield MEMBERSHIPS.c.user_id == row.id, "remove users from group"
    elif row.kind == "group":
        yield MEMBERSHIPS.c.group_id == row.id, "remove users from group"
    elif row.kind == "role":
        yield PROFILE_ROLES.c.role_id == row.id, "remove roles from instance profile"
    else:
        yield PROFILE_ROLES.c.owner_id == row.id, "remove roles from instance profile"
