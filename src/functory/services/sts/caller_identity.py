"""Who is it: GetCallerIdentity, GetAccessKeyInfo, DecodeAuthorizationMessage."""

from __future__ import annotations

from typing import Any

from functory.aws.access_keys import account_of
from functory.aws.errors import AwsError
from functory.aws.sigv4 import account_id
from functory.core.calls import CallContext
from functory.services.sts.errors import invalid
from functory.services.sts.room import Room


async def get_caller_identity(_room: Room, ctx: CallContext, _params: dict[str, Any]) -> dict[str, Any]:
    """The caller; where nobody is authenticated the root user of the account."""
    principal = ctx.principal
    if principal is None:
        account = ctx.account_id
        return {"UserId": account, "Account": account, "Arn": f"arn:aws:iam::{account}:root"}
    return {"UserId": principal.user_id, "Account": principal.account_id, "Arn": principal.arn}


async def get_access_key_info(room: Room, _ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The account an access key is of."""
    access_key_id = params["AccessKeyId"]
    key = await room.identities.find_key(access_key_id)
    account = key.principal.account_id if key is not None else account_of(access_key_id)
    if account is None:
        account = account_id(access_key_id, "") or None
    if account is None:
        raise invalid(f"{access_key_id} is not a valid access key ID")
    return {"Account": account}


async def decode_authorization_message(_room: Room, _ctx: CallContext, _params: dict[str, Any]) -> dict[str, Any]:
    """No service of this node gives out encoded messages (AWS: EC2 does), so none is valid; refusals are in its log."""
    raise AwsError("InvalidAuthorizationMessageException", "The specified encoded authorization message is invalid.")
