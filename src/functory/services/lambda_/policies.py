"""Function policies: by statement (AddPermission, GetPolicy, RemovePermission), and as whole documents."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.core.functions.model import LATEST
from functory.core.functions.names import FunctionRef, is_version_number
from functory.services.lambda_ import errors, names, policy_document, policy_rows, rows
from functory.services.lambda_.configuration import key_of, need_latest
from functory.services.lambda_.policy_rows import Policy
from functory.services.lambda_.room import Room

_NONE = "No policy is associated with the given resource."


class PoliciesApi:
    """The operations on function policies."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def add_permission(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Add a statement to a policy, and make the policy with its first."""
        ref = _resolve(ctx, params, "lambda:AddPermission")
        statement = policy_document.statement(params, ref.qualified_arn)
        revision_id = self._room.ids.uuid()

        def work(conn: Connection) -> None:
            _need(conn, ref)
            policy = policy_rows.get_policy(conn, key_of(ref), ref.qualifier)
            _check_revision(policy, params, "GetPolicy")
            document = policy_document.with_statement(policy.document if policy else None, statement)
            self._check_public(document)
            policy_rows.put_policy(conn, key_of(ref), ref.qualifier, Policy(document, revision_id))

        await self._room.commits.commit(key_of(ref), work)
        return {"Statement": policy_document.text(statement)}

    async def get_policy(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The policy of a function, a version or an alias."""
        return await self._get(_resolve(ctx, params, "lambda:GetPolicy"))

    async def remove_permission(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Take a statement out of a policy; with its last the policy is gone."""
        ref = _resolve(ctx, params, "lambda:RemovePermission")
        revision_id = self._room.ids.uuid()

        def work(conn: Connection) -> None:
            if rows.get_version(conn, key_of(ref), LATEST) is None:
                raise errors.absent(f"No policy found for: {ref.qualified_arn}")
            policy = _need_policy(conn, ref)
            document = policy_document.without_statement(policy.document, params["StatementId"])
            _check_revision(policy, params, "GetPolicy")
            if document is None:
                policy_rows.remove_policy(conn, key_of(ref), ref.qualifier)
            else:
                policy_rows.put_policy(conn, key_of(ref), ref.qualifier, Policy(document, revision_id))

        await self._room.commits.commit(key_of(ref), work)
        return {}

    async def put_resource_policy(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Replace a policy whole."""
        ref = _resolve_arn(ctx, params, "lambda:PutResourcePolicy")
        document = params["Policy"]
        policy_document.check_document(document, ref.qualified_arn)
        self._check_public(document)
        policy = Policy(document, self._room.ids.uuid())

        def work(conn: Connection) -> None:
            _need(conn, ref)
            _check_revision(policy_rows.get_policy(conn, key_of(ref), ref.qualifier), params, "GetResourcePolicy")
            policy_rows.put_policy(conn, key_of(ref), ref.qualifier, policy)

        await self._room.commits.commit(key_of(ref), work)
        return _shown(policy)

    async def get_resource_policy(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The policy of a resource that is named by its ARN."""
        return await self._get(_resolve_arn(ctx, params, "lambda:GetResourcePolicy"))

    async def delete_resource_policy(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a policy whole."""
        ref = _resolve_arn(ctx, params, "lambda:DeleteResourcePolicy")

        def work(conn: Connection) -> None:
            _need(conn, ref)
            _check_revision(_need_policy(conn, ref), params, "GetResourcePolicy")
            policy_rows.remove_policy(conn, key_of(ref), ref.qualifier)

        await self._room.commits.commit(key_of(ref), work)
        return {}

    async def _get(self, ref: FunctionRef) -> dict[str, Any]:
        def work(conn: Connection) -> Policy:
            _need(conn, ref)
            return _need_policy(conn, ref)

        return _shown(await self._room.store.read(work))

    def _check_public(self, document: str) -> None:
        if self._room.settings.block_public_policies:
            policy_document.check_not_public(document)


def _resolve(ctx: CallContext, params: dict[str, Any], action: str) -> FunctionRef:
    ref = names.resolve(ctx, params["FunctionName"], params.get("Qualifier", ""), action=action)
    return _check_qualifier(ref)


def _resolve_arn(ctx: CallContext, params: dict[str, Any], action: str) -> FunctionRef:
    arn: str = params["ResourceArn"]
    if ":function:" not in arn:
        raise errors.unsupported("A resource policy of a runtime")
    return _check_qualifier(names.resolve(ctx, arn, action=action))


def _check_qualifier(ref: FunctionRef) -> FunctionRef:
    if ref.qualifier.startswith(LATEST):
        raise errors.invalid("We currently do not support adding policies for $LATEST.")
    return ref


def _need(conn: Connection, ref: FunctionRef) -> None:
    """Part of a unit of work: the resource exists.

    Raises:
        AwsError: the function, version or alias does not.
    """
    need_latest(conn, ref)
    if not ref.qualifier:
        return
    if is_version_number(ref.qualifier):
        if rows.get_version(conn, key_of(ref), ref.qualifier) is None:
            raise errors.not_found(ref.qualified_arn)
    elif rows.get_alias(conn, key_of(ref), ref.qualifier) is None:
        raise errors.absent(f"Cannot find alias arn: {ref.qualified_arn}")


def _need_policy(conn: Connection, ref: FunctionRef) -> Policy:
    policy = policy_rows.get_policy(conn, key_of(ref), ref.qualifier)
    if policy is None:
        raise errors.absent(_NONE)
    return policy


def _check_revision(policy: Policy | None, params: dict[str, Any], api: str) -> None:
    asked = params.get("RevisionId")
    if asked and asked != (policy.revision_id if policy else ""):
        raise errors.revision_mismatch(api)


def _shown(policy: Policy) -> dict[str, Any]:
    return {"Policy": policy.document, "RevisionId": policy.revision_id}
