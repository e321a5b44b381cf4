"""What the List operations share: a page of an account's entities of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, func

from functory.core.calls import CallContext
from functory.services.iam import paging
from functory.services.iam.entities import columns
from functory.services.iam.room import Room
from functory.services.iam.tables import ENTITIES


async def list_entities(
    room: Room, context: CallContext, kind: str, params: Mapping[str, Any]
) -> tuple[list[Row[Any]], dict[str, Any]]:
    """One page of the account's entities of a kind below ``PathPrefix``, by name, and the members about pages."""
    statement = columns(kind).where(ENTITIES.c.account_id == context.account_id, ENTITIES.c.kind == kind)
    if "PathPrefix" in params:
        prefix = params["PathPrefix"]
        statement = statement.where(func.substr(ENTITIES.c.path, 1, len(prefix)) == prefix)
    after = paging.parse_marker(params)
    if after is not None:
        statement = statement.where(ENTITIES.c.name_key > after)
    statement = statement.order_by(ENTITIES.c.name_key).limit(paging.limit(params) + 1)
    rows = await room.read(lambda connection: list(connection.execute(statement).all()))
    return paging.cut(rows, params, lambda row: str(row.name_key))
