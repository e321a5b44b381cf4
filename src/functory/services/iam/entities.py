"""Finding, adding, showing and counting entities: what users, groups, roles, policies and profiles share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from functory.services.iam import errors, quotas
from functory.services.iam.naming import arn_of
from functory.services.iam.tables import ENTITIES, POLICIES, ROLES


@dataclass(frozen=True, slots=True)
class NewEntity:
    """What an entity begins with; made by `creation.new_entity`."""

    id: str
    created_s: int
    kind: str
    name: str
    path: str
    tags: Mapping[str, str]
    boundary_arn: str | None


def columns(kind: str) -> Select[Any]:
    """A query for entities of a kind with everything such an entity has."""
    if kind == "role":
        own = [column for column in ROLES.c if column.name != "owner_id"]
        return select(ENTITIES, *own).join(ROLES, ROLES.c.owner_id == ENTITIES.c.id)
    if kind == "policy":
        own = [column for column in POLICIES.c if column.name != "owner_id"]
        return select(ENTITIES, *own).join(POLICIES, POLICIES.c.owner_id == ENTITIES.c.id)
    return select(ENTITIES)


def find(connection: Connection, account_id: str, kind: str, name: str) -> Row[Any]:
    """The entity of that name, whatever the name's case.

    Raises:
        AwsError: NoSuchEntity.
    """
    row = look_up(connection, account_id, kind, name)
    if row is None:
        raise errors.missing(kind, name)
    return row


def look_up(connection: Connection, account_id: str, kind: str, name: str) -> Row[Any] | None:
    """As `find`; None when there is none."""
    statement = columns(kind).where(
        ENTITIES.c.account_id == account_id, ENTITIES.c.kind == kind, ENTITIES.c.name_key == name.lower()
    )
    return connection.execute(statement).one_or_none()


def add(connection: Connection, account_id: str, new: NewEntity) -> None:
    """Insert an entity.

    Raises:
        AwsError: EntityAlreadyExists; LimitExceeded.
    """
    if look_up(connection, account_id, new.kind, new.name) is not None:
        raise errors.taken(new.kind, new.name)
    quota, limit = quotas.ENTITIES[new.kind]
    if count(connection, account_id, new.kind) >= limit:
        raise errors.over(quota, limit)
    connection.execute(
        insert(ENTITIES).values(
            id=new.id,
            account_id=account_id,
            kind=new.kind,
            name=new.name,
            name_key=new.name.lower(),
            path=new.path,
            created_s=new.created_s,
            boundary_arn=new.boundary_arn,
            tags=dict(new.tags),
        )
    )


def remove(connection: Connection, entity_id: str) -> None:
    """Delete an entity and every row that names it as its owner."""
    connection.execute(delete(ENTITIES).where(ENTITIES.c.id == entity_id))


def count(connection: Connection, account_id: str, kind: str) -> int:
    """How many entities of a kind an account has."""
    statement = (
        select(func.count()).select_from(ENTITIES).where(ENTITIES.c.account_id == account_id, ENTITIES.c.kind == kind)
    )
    return int(connection.execute(statement).scalar_one())


def arn(row: Row[Any]) -> str:
    """The ARN of an entity's row."""
    return arn_of(row.account_id, row.kind, row.path, row.name)


def boundary(row: Row[Any]) -> dict[str, Any]:
    """The member ``PermissionsBoundary`` where there is one."""
    if row.boundary_arn is None:
        return {}
    return {
        "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": row.boundary_arn},
    }


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as answers have them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_if_any(row: Row[Any]) -> dict[str, Any]:
    """The member ``Tags`` where there are any."""
    return {"Tags": tag_list(row.tags)} if row.tags else {}


def find_by_id(connection: Connection, entity_id: str) -> Row[Any]:
    """The shared columns of an entity that exists."""
    return connection.execute(select(ENTITIES).where(ENTITIES.c.id == entity_id)).one()


def exists(connection: Connection, entity_id: str) -> bool:
    """Whether there is an entity with that id."""
    return connection.execute(select(ENTITIES.c.id).where(ENTITIES.c.id == entity_id)).first() is not None
