"""The policies of layer versions: who else may use one, as AWS writes it down. Pure.

**Theory.** A layer version belongs to an account; its functions may use it without further ado. Another account needs a
statement of the layer version's policy that names it, or names everybody. An organization is a condition on everybody;
accounts here belong to no organization, so such a statement is kept and shown and grants nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from functory.aws.errors import AwsError
from functory.services.lambda_ import errors
from functory.services.lambda_.layers_records import LayerStatement, LayerVersion

ACTION = "lambda:GetLayerVersion"
POLICY_BYTES = 20_480


def check_allowed(record: LayerVersion | None, account_id: str, owner_id: str, arn: str) -> None:
    """Refuse an account that may not use a layer version.

    Args:
        record: the layer version, None when there is none: other accounts are not told which of the two it is.
        account_id: who wants to use it.
        owner_id: whose it is, or would be.
        arn: of the layer version.

    Raises:
        AwsError: nothing allows it.
    """
    if account_id == owner_id:
        return
    if record is None or not any(_grants(statement, account_id) for statement in record.statements):
        raise errors.access_denied(account_id, ACTION, arn)


def _grants(statement: LayerStatement, account_id: str) -> bool:
    return statement.principal in ("*", account_id) and not statement.organization_id


def with_statement(record: LayerVersion, params: Mapping[str, Any], revision_id: str) -> LayerVersion:
    """A layer version with one more statement.

    Args:
        params: of AddLayerVersionPermission.
        revision_id: a fresh one.

    Raises:
        AwsError: another revision was meant, there is a statement of that id, or the policy gets too long.
    """
    _check_revision(record, params)
    if any(statement.sid == params["StatementId"] for statement in record.statements):
        raise errors.statement_exists(params["StatementId"])
    principal = params["Principal"]
    if principal.startswith("arn:"):
        principal = principal.split(":")[4]
    organization_id = params.get("OrganizationId", "")
    if organization_id and principal != "*":
        raise errors.invalid("OrganizationId can only be specified when the principal is *.")
    added = LayerStatement(params["StatementId"], principal, organization_id)
    result = msgspec.structs.replace(record, statements=(*record.statements, added), policy_revision_id=revision_id)
    size = len(document(result).encode())
    if size > POLICY_BYTES:
        text = f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES})."
        raise AwsError("PolicyLengthExceededException", text)
    return result


def without_statement(record: LayerVersion, params: Mapping[str, Any], revision_id: str) -> LayerVersion:
    """A layer version without one of its statements.

    Args:
        params: of RemoveLayerVersionPermission.
        revision_id: a fresh one.

    Raises:
        AwsError: there is no statement of that id, or another revision was meant.
    """
    kept = tuple(statement for statement in record.statements if statement.sid != params["StatementId"])
    if len(kept) == len(record.statements):
        raise errors.absent(f"Statement {params['StatementId']} is not found in resource policy.")
    _check_revision(record, params)
    return msgspec.structs.replace(record, statements=kept, policy_revision_id=revision_id)


def _check_revision(record: LayerVersion, params: Mapping[str, Any]) -> None:
    asked = params.get("RevisionId")
    if asked and asked != (record.policy_revision_id if record.statements else ""):
        raise errors.revision_mismatch("GetLayerPolicy")


def shown(record: LayerVersion, statement: LayerStatement) -> dict[str, Any]:
    """A statement as AWS shows it."""
    principal: Any = "*"
    if statement.principal != "*":
        principal = {"AWS": f"arn:aws:iam::{statement.principal}:root"}
    result = {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": ACTION,
        "Resource": record.arn,
    }
    if statement.organization_id:
        result["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": statement.organization_id}}
    return result


def document(record: LayerVersion) -> str:
    """The whole policy as JSON text."""
    statements = [shown(record, statement) for statement in record.statements]
    return text({"Version": "2012-10-17", "Id": "default", "Statement": statements})


def text(value: Mapping[str, Any]) -> str:
    """JSON as AWS writes policies: without spaces."""
    return json.dumps(value, separators=(",", ":"))
