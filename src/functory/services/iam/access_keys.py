"""CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.iam import entities, paging, quotas
from functory.services.iam.caller import user_meant
from functory.services.iam.errors import no_such_entity, over
from functory.services.iam.naming import new_access_key_id, new_secret
from functory.services.iam.room import Room
from functory.services.iam.tables import ACCESS_KEYS, ENTITIES

_NEVER = "N/A"


def _owner_name(name: str | None) -> dict[str, str]:
    """The member ``UserName``; the account's root has none."""
    return {} if name is None else {"UserName": name}


def _status(*, is_active: bool) -> str:
    return "Active" if is_active else "Inactive"


def _owner(connection: Connection, account_id: str, name: str | None) -> tuple[str | None, ColumnElement[bool]]:
    """The owner's name as it was given at its creation, and what its keys' rows have in common.

    Raises:
        AwsError: NoSuchEntity.
    """
    if name is None:
        return None, and_(ACCESS_KEYS.c.account_id == account_id, ACCESS_KEYS.c.owner_id.is_(None))
    user = entities.find(connection, account_id, "user", name)
    return user.name, ACCESS_KEYS.c.owner_id == user.id


async def create_access_key(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: the only answer that ever has the secret."""
    name = user_meant(context, params)
    key_id, secret, now_s = new_access_key_id(room.ids), new_secret(room.ids), room.now_s()
    sealed = room.cipher.seal(key_id, secret)
    owner_name = await room.change(
        lambda connection: insert_key(connection, context.account_id, name, key_id, sealed, now_s)
    )
    key = _owner_name(owner_name) | {
        "AccessKeyId": key_id,
        "Status": _status(is_active=True),
        "SecretAccessKey": secret,
        "CreateDate": now_s,
    }
    return {"AccessKey": key}


def insert_key(
    connection: Connection, account_id: str, name: str | None, key_id: str, sealed: bytes, now_s: int
) -> str | None:
    """Add a key; returns the owner's name.

    Raises:
        AwsError: NoSuchEntity; LimitExceeded.
    """
    owner_name, owned = _owner(connection, account_id, name)
    if connection.execute(select(func.count()).select_from(ACCESS_KEYS).where(owned)).scalar_one() >= quotas.ACCESS_KEYS:
        raise over("AccessKeysPerUser", quotas.ACCESS_KEYS)
    owner_id = None if name is None else entities.find(connection, account_id, "user", name).id
    values = {"id": key_id, "account_id": account_id, "owner_id": owner_id, "secret": sealed}
    connection.execute(insert(ACCESS_KEYS).values(**values, active=True, created_s=now_s))
    return owner_name


async def list_access_keys(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Without secrets."""
    name = user_meant(context, params)

    def work(connection: Connection) -> tuple[str | None, list[Row[Any]]]:
        owner_name, owned = _owner(connection, context.account_id, name)
        return owner_name, list(connection.execute(select(ACCESS_KEYS).where(owned)).all())

    owner_name, rows = await room.read(work)
    shown, more = paging.page(rows, params, lambda row: str(row.id))
    keys = [
        _owner_name(owner_name)
        | {"AccessKeyId": row.id, "Status": _status(is_active=row.active), "CreateDate": row.created_s}
        for row in shown
    ]
    return {"AccessKeyMetadata": keys} | more


async def update_access_key(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Active or inactive; an inactive key signs nothing."""
    status = params["Status"]
    if status not in ("Active", "Inactive"):
        raise AwsError("ValidationError", f"The status {status} cannot be set; use Active or Inactive.", status=400)
    name, key_id = user_meant(context, params), params["AccessKeyId"]

    def work(connection: Connection) -> None:
        _, owned = _owner(connection, context.account_id, name)
        change = update(ACCESS_KEYS).where(owned, ACCESS_KEYS.c.id == key_id).values(active=status == "Active")
        if connection.execute(change).rowcount == 0:
            raise _no_key(key_id)

    await room.change(work)
    return {}


async def delete_access_key(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The key signs nothing from the answer on."""
    name, key_id = user_meant(context, params), params["AccessKeyId"]

    def work(connection: Connection) -> None:
        _, owned = _owner(connection, context.account_id, name)
        if connection.execute(delete(ACCESS_KEYS).where(owned, ACCESS_KEYS.c.id == key_id)).rowcount == 0:
            raise _no_key(key_id)

    await room.change(work)
    return {}


async def get_access_key_last_used(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: service and region of a key that was never used are ``N/A``, and the date is left out."""
    key_id = params["AccessKeyId"]
    statement = (
        select(ACCESS_KEYS, ENTITIES.c.name)
        .outerjoin(ENTITIES, ENTITIES.c.id == ACCESS_KEYS.c.owner_id)
        .where(ACCESS_KEYS.c.id == key_id, ACCESS_KEYS.c.account_id == context.account_id)
    )
    await room.last_uses.save()
    row = await room.read(lambda connection: connection.execute(statement).one_or_none())
    if row is None:
        raise _no_key(key_id)
    used = {"ServiceName": row.last_used_service or _NEVER, "Region": row.last_used_region or _NEVER}
    date = {} if row.last_used_s is None else {"LastUsedDate": row.last_used_s}
    return _owner_name(row.name) | {"AccessKeyLastUsed": date | used}


def _no_key(key_id: str) -> AwsError:
    return no_such_entity(f"The Access Key with id {key_id} cannot be found.")
