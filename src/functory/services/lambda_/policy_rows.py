"""The statements about function policies: values in, values out, always inside somebody's unit of work."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from functory.services.lambda_.tables import FUNCTION_KEY, POLICIES

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of a function (``qualifier`` ``""``), a version or an alias."""

    document: str
    revision_id: str


def _is(key: Key, qualifier: str | None = None) -> ColumnElement[bool]:
    of_function = and_(*(POLICIES.c[column] == value for column, value in zip(FUNCTION_KEY, key, strict=True)))
    return of_function if qualifier is None else and_(of_function, POLICIES.c.qualifier == qualifier)


def get_policy(conn: Connection, key: Key, qualifier: str) -> Policy | None:
    """A policy, or None."""
    row = conn.execute(select(POLICIES).where(_is(key, qualifier))).first()
    return Policy(row.document, row.revision_id) if row is not None else None


def put_policy(conn: Connection, key: Key, qualifier: str, policy: Policy) -> None:
    """Write a policy, new or not."""
    values = {"document": policy.document, "revision_id": policy.revision_id}
    if not conn.execute(update(POLICIES).where(_is(key, qualifier)).values(**values)).rowcount:
        base = dict(zip(FUNCTION_KEY, key, strict=True), qualifier=qualifier)
        conn.execute(insert(POLICIES).values(**base, **values))


def remove_policy(conn: Connection, key: Key, qualifier: str) -> None:
    """Delete a policy; an absent one is no error."""
    conn.execute(delete(POLICIES).where(_is(key, qualifier)))


def remove_policies(conn: Connection, key: Key) -> None:
    """Delete the policies of a function and of all its versions and aliases."""
    conn.execute(delete(POLICIES).where(_is(key)))
