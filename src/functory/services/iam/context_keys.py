"""GetContextKeysForCustomPolicy, GetContextKeysForPrincipalPolicy: what a simulation will want to be told.

AWS: condition keys and policy variables in the order they are met, each once in the spelling met first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row

from functory.core.calls import CallContext
from functory.core.identity.policy_grammar import GrammarError, PolicyKind, condition_keys, parse_policy
from functory.services.iam.errors import invalid, missing
from functory.services.iam.grants import find_by_arn, owners_of, policies_of
from functory.services.iam.naming import parse_arn
from functory.services.iam.room import Room


async def get_context_keys_for_custom_policy(
    room: Room,  # noqa: ARG001  an operation's signature
    context: CallContext,  # noqa: ARG001
    params: dict[str, Any],
) -> dict[str, Any]:
    """Of the documents given."""
    return {"ContextKeyNames": keys_of(params["PolicyInputList"])}


async def get_context_keys_for_principal_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Of the policies of a user (with those of its groups), group or role, and of the documents given."""
    arn = params["PolicySourceArn"]

    def work(connection: Connection) -> list[str]:
        row = find_source(connection, context.account_id, arn)
        return [text for owner in owners_of(connection, row) for _, text in policies_of(connection, owner.id)]

    return {"ContextKeyNames": keys_of([*params.get("PolicyInputList", []), *await room.read(work)])}


def find_source(connection: Connection, account_id: str, arn: str) -> Row[Any]:
    """The user, group or role that is the ``PolicySourceArn`` of a call.

    Raises:
        AwsError: NoSuchEntity; InvalidInput for what is no user's, group's or role's ARN.
    """
    parts = parse_arn(arn)
    if parts is None or parts[1] not in {"user", "group", "role"}:
        raise invalid(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    row = find_by_arn(connection, arn, parts[1]) if parts[0] == account_id else None
    if row is None:
        raise missing(parts[1], parts[3])
    return row


def keys_of(documents: Iterable[str]) -> list[str]:
    """Every key once.

    Raises:
        AwsError: InvalidInput for a malformed document.
    """
    found: dict[str, str] = {}
    for document in documents:
        try:
            policy = parse_policy(document, PolicyKind.IDENTITY)
        except GrammarError as error:
            raise invalid(str(error)) from None
        for key in condition_keys(policy):
            found.setdefault(key.lower(), key)
    return list(found.values())
