"""The statements over the table of mappings. Functions of a connection: they run inside units of work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from functory.core.mappings.model import EventSourceMapping, MappingState
from functory.core.mappings.tables import MAPPINGS

_M = MAPPINGS.c


def add(connection: Connection, mapping: EventSourceMapping) -> None:
    """A new mapping."""
    connection.execute(insert(MAPPINGS).values(**_values(mapping)))


def put(connection: Connection, mapping: EventSourceMapping) -> None:
    """A changed mapping."""
    connection.execute(update(MAPPINGS).where(_M.uuid == mapping.uuid).values(**_values(mapping)))


def find(connection: Connection, uuid: str) -> EventSourceMapping | None:
    """The mapping, or None."""
    row = connection.execute(select(MAPPINGS).where(_M.uuid == uuid)).one_or_none()
    return _mapping(row) if row is not None else None


def select_all(
    connection: Connection, *conditions: ColumnElement[bool], most: int | None = None
) -> list[EventSourceMapping]:
    """The mappings that satisfy all conditions, by UUID."""
    query = select(MAPPINGS).where(*conditions).order_by(_M.uuid).limit(most)
    return [_mapping(row) for row in connection.execute(query)]


def of_function(connection: Connection, account_id: str, region: str, name: str) -> Sequence[EventSourceMapping]:
    """All mappings of a function, whatever their qualifier."""
    return select_all(connection, _M.account_id == account_id, _M.region == region, _M.function_name == name)


def settle(connection: Connection, uuid: str, seen: MappingState, state: MappingState) -> bool:
    """Make a state last, unless the owner has changed the mapping meanwhile; whether it was done."""
    change = update(MAPPINGS).where(_M.uuid == uuid, _M.state == seen.value).values(state=state.value)
    return connection.execute(change).rowcount == 1


def remove(connection: Connection, uuid: str) -> None:
    """It is gone."""
    connection.execute(delete(MAPPINGS).where(_M.uuid == uuid))


def _values(mapping: EventSourceMapping) -> dict[str, Any]:
    return {
        "uuid": mapping.uuid,
        "account_id": mapping.account_id,
        "region": mapping.region,
        "function_name": mapping.function_name,
        "qualifier": mapping.qualifier,
        "source_arn": mapping.source_arn,
        "enabled": mapping.enabled,
        "state": mapping.state.value,
        "changed_at": mapping.changed_at,
        "config": dict(mapping.config),
        "tags": dict(mapping.tags),
    }


def _mapping(row: Row[Any]) -> EventSourceMapping:
    return EventSourceMapping(
        row.uuid, row.account_id, row.region, row.function_name, row.qualifier, row.source_arn, row.enabled,
        MappingState(row.state), row.changed_at, row.config, row.tags,
    )  # fmt: skip
