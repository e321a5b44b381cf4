"""CreateAccountAlias, DeleteAccountAlias, ListAccountAliases; and since when an account exists."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, select, update

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.iam import paging
from functory.services.iam.errors import no_such_entity
from functory.services.iam.room import Room
from functory.services.iam.tables import ACCOUNTS
from functory.store.port import upsert

_TWELVE_DIGITS = re.compile(r"\d{12}")


def created_s(connection: Connection, account_id: str, now_s: int) -> int:
    """When the account was first heard of: now, if never before."""
    upsert(connection, ACCOUNTS, {"account_id": account_id, "created_s": now_s}, ["account_id"])
    return int(connection.execute(select(ACCOUNTS.c.created_s).where(ACCOUNTS.c.account_id == account_id)).scalar_one())


async def create_account_alias(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: unique over all accounts; an account has one, the new one replaces the old."""
    alias, account_id, now_s = params["AccountAlias"], context.account_id, room.now_s()
    if _TWELVE_DIGITS.fullmatch(alias):
        raise AwsError("InvalidInput", "The account alias must not be a 12 digit number.")

    def work(connection: Connection) -> None:
        holder = connection.execute(select(ACCOUNTS.c.account_id).where(ACCOUNTS.c.alias == alias)).scalar_one_or_none()
        if holder is not None:
            raise AwsError("EntityAlreadyExists", f"The account alias {alias} already exists.")
        created_s(connection, account_id, now_s)
        connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.account_id == account_id).values(alias=alias))

    await room.change(work)
    return {}


async def delete_account_alias(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Only the account's own."""
    alias = params["AccountAlias"]

    def work(connection: Connection) -> None:
        own = (ACCOUNTS.c.account_id == context.account_id, ACCOUNTS.c.alias == alias)
        if connection.execute(update(ACCOUNTS).where(*own).values(alias=None)).rowcount == 0:
            raise no_such_entity(f"The account alias {alias} cannot be found.")

    await room.change(work)
    return {}


async def list_account_aliases(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """One or none."""
    statement = select(ACCOUNTS.c.alias).where(ACCOUNTS.c.account_id == context.account_id, ACCOUNTS.c.alias.is_not(None))
    aliases = await room.read(lambda connection: list(connection.execute(statement).scalars().all()))
    names, more = paging.page(aliases, params, str)
    return {"AccountAliases": names} | more
