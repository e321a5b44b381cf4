"""The first administrator of an account: a user with AdministratorAccess and an access key, in one transaction.

AWS has no such operation: there the account's root makes it. Only whoever owns the data folder can ask for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sqlalchemy import Connection

from functory.kernel.errors import FunctoryError
from functory.services.iam import entities
from functory.services.iam.access_keys import insert_key
from functory.services.iam.attachments import attach_policy
from functory.services.iam.creation import new_entity
from functory.services.iam.naming import new_access_key_id, new_secret
from functory.services.iam.room import Room

ADMINISTRATOR_POLICY = "arn:aws:iam::aws:policy/AdministratorAccess"
_USER_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ACCOUNT_ID = re.compile(r"\d{12}", re.ASCII)


class BootstrapRefusedError(FunctoryError):
    """The account has such a user already, or a name is impossible; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """What was made; told once."""

    account_id: str
    user_name: str
    user_arn: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


async def make_administrator(room: Room, account_id: str, user_name: str, *, force: bool) -> Administrator:
    """Make the user, or with ``force`` give an existing one the policy and another key.

    Raises:
        BootstrapRefusedError: see there.
        AwsError: LimitExceeded: the user has two keys.
    """
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise BootstrapRefusedError(f"{account_id!r} is no account id: 12 digits")
    if not _USER_NAME.fullmatch(user_name):
        raise BootstrapRefusedError(f"{user_name!r} is no user name: up to 64 letters, digits and _+=,.@-")
    new = new_entity(room, "user", user_name, {})
    key_id, secret = new_access_key_id(room.ids), new_secret(room.ids)
    sealed = room.cipher.seal(key_id, secret)

    def work(connection: Connection) -> tuple[str, str]:
        user = entities.look_up(connection, account_id, "user", user_name)
        if user is not None and not force:
            raise BootstrapRefusedError(
                f"account {account_id} has a user {user.name} already; --force gives it AdministratorAccess and a new key, "
                "--user-name makes another one"
            )
        if user is None:
            entities.add(connection, account_id, new)
            user = entities.find(connection, account_id, "user", user_name)
        attach_policy(connection, user, ADMINISTRATOR_POLICY)
        insert_key(connection, account_id, user.name, key_id, sealed, new.created_s)
        return user.name, entities.arn(user)

    name, arn = await room.change(work)
    return Administrator(account_id, name, arn, key_id, secret)
