"""What nobody has here, since nothing makes it: passwords, MFA devices, certificates, SSH keys, service credentials.

Tools ask for these before they delete a user. The honest answer is that there are none; making one is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from functory.core.calls import CallContext
from functory.services.iam import entities
from functory.services.iam.caller import user_meant
from functory.services.iam.errors import no_such_entity
from functory.services.iam.room import Room

_Operation = Callable[[Room, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]


def none_of(member: str, *, has_pages: bool = True, of_user: bool = True) -> _Operation:
    """A list that is empty.

    Args:
        member: the list's name in the answer.
        has_pages: the answer tells ``IsTruncated``.
        of_user: the list is of a user, who must exist.
    """

    async def operation(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        if of_user:
            await _user_name(room, context, params)
        answer: dict[str, Any] = {member: []}
        return answer | ({"IsTruncated": False} if has_pages else {})

    return operation


async def no_login_profile(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """GetLoginProfile, DeleteLoginProfile.

    Raises:
        AwsError: NoSuchEntity, always: nobody has a password.
    """
    name = await _user_name(room, context, params)
    raise no_such_entity(f"Login Profile for User {name or context.account_id} cannot be found.")


async def no_password_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001  an operation's signature
    """GetAccountPasswordPolicy, DeleteAccountPasswordPolicy.

    Raises:
        AwsError: NoSuchEntity, always: there are no passwords to rule over.
    """
    raise no_such_entity(f"The Password Policy with domain name {context.account_id} cannot be found.")


async def _user_name(room: Room, context: CallContext, params: dict[str, Any]) -> str | None:
    """The user an operation means, who exists; None: the account's root."""
    name = user_meant(context, params)
    if name is None:
        return None
    wanted = name
    row = await room.read(lambda connection: entities.find(connection, context.account_id, "user", wanted))
    return str(row.name)
