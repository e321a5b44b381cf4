"""Policy documents as callers hand them in: grammar, size, and principals that must exist."""

from __future__ import annotations

from sqlalchemy import Connection

from functory.core.identity.policy_grammar import GrammarError, PolicyKind, parse_policy, policy_size, statements_of
from functory.core.identity.policy_principals import invalid_principal, named_identities
from functory.services.iam import quotas
from functory.services.iam.entities import exists
from functory.services.iam.errors import malformed, over
from functory.services.iam.grants import find_by_arn
from functory.services.iam.naming import parse_arn


def check_identity_policy(document: str) -> None:
    """Refuse what cannot be attached to a user, group or role.

    Raises:
        AwsError: MalformedPolicyDocument.
    """
    try:
        parse_policy(document, PolicyKind.IDENTITY)
    except GrammarError as error:
        raise malformed(str(error)) from None


def check_managed_policy(document: str) -> None:
    """As `check_identity_policy`, and not longer than a managed policy may be.

    Raises:
        AwsError: MalformedPolicyDocument; LimitExceeded.
    """
    check_identity_policy(document)
    if policy_size(document) > quotas.POLICY_SIZE:
        raise over("PolicySize", quotas.POLICY_SIZE)


def check_trust_policy(connection: Connection, account_id: str, document: str) -> set[str]:
    """Refuse what cannot say who may assume a role; returns the ids of the users and roles it names by ARN.

    AWS: users and roles it names must exist. Differs: only those of the role's own account must.

    Raises:
        AwsError: MalformedPolicyDocument; LimitExceeded.
    """
    try:
        policy = parse_policy(document, PolicyKind.TRUST)
    except GrammarError as error:
        raise malformed(str(error)) from None
    if policy_size(document) > quotas.TRUST_SIZE:
        raise over("ACLSizePerRole", quotas.TRUST_SIZE)
    found = set()
    for name in {name for statement in statements_of(policy) for name in named_identities(statement)}:
        parts = parse_arn(name)
        if parts is None:
            if not exists(connection, name):
                raise malformed(invalid_principal("AWS", name))
            continue
        row = find_by_arn(connection, name, parts[1])
        if row is not None:
            found.add(str(row.id))
        elif parts[0] == account_id:
            raise malformed(invalid_principal("AWS", name))
    return found
