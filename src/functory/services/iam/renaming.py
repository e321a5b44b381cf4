"""Another name or path for a user or a group."""

from __future__ import annotations

from sqlalchemy import Connection, update

from functory.core.calls import CallContext
from functory.services.iam import entities, errors
from functory.services.iam.room import Room
from functory.services.iam.tables import ENTITIES
from functory.services.iam.trust import principal_renamed


async def rename(room: Room, context: CallContext, kind: str, name: str, new_name: str | None, new_path: str | None) -> None:
    """Set what is given.

    Raises:
        AwsError: NoSuchEntity; EntityAlreadyExists.
    """

    def work(connection: Connection) -> None:
        row = entities.find(connection, context.account_id, kind, name)
        values: dict[str, str] = {} if new_path is None else {"path": new_path}
        if new_name is not None:
            other = entities.look_up(connection, context.account_id, kind, new_name)
            if other is not None and other.id != row.id:
                raise errors.taken(kind, new_name)
            values |= {"name": new_name, "name_key": new_name.lower()}
        if values:
            connection.execute(update(ENTITIES).where(ENTITIES.c.id == row.id).values(values))
            renamed = entities.find_by_id(connection, row.id)
            principal_renamed(connection, row.id, entities.arn(row), entities.arn(renamed))

    await room.change(work)
