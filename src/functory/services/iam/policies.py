"""CreatePolicy, GetPolicy, ListPolicies, DeletePolicy, and the versions of a managed policy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, insert, update

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.iam import entities, managed, paging, quotas
from functory.services.iam.aws_policies import ACCOUNT, aws_policies
from functory.services.iam.creation import new_entity
from functory.services.iam.documents import check_managed_policy
from functory.services.iam.errors import conflict, no_such_entity
from functory.services.iam.managed import KIND, Managed, Version
from functory.services.iam.naming import parse_arn
from functory.services.iam.room import Room
from functory.services.iam.tables import ENTITIES, POLICIES, POLICY_VERSIONS


async def create_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: the answer does not tell the description."""
    document, new = params["PolicyDocument"], new_entity(room, KIND, params["PolicyName"], params)
    check_managed_policy(document)

    def work(connection: Connection) -> Managed:
        entities.add(connection, context.account_id, new)
        values = {"description": params.get("Description"), "updated_s": new.created_s}
        connection.execute(insert(POLICIES).values(owner_id=new.id, default_version=1, last_version=1, **values))
        _add_version(connection, new.id, 1, document, new.created_s)
        return managed.of_row(entities.find(connection, context.account_id, KIND, new.name))

    policy = await room.change(work)
    tags = {"Tags": entities.tag_list(policy.tags)} if policy.tags else {}
    return {"Policy": policy.view(0, 0) | tags}


async def get_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: the member ``Tags`` is there even without any."""

    def work(connection: Connection) -> tuple[Managed, managed.Uses]:
        policy = managed.find(connection, context.account_id, params["PolicyArn"])
        return policy, managed.uses(connection, context.account_id, policy.arn)

    policy, uses = await room.read(work)
    description = {} if policy.description is None else {"Description": policy.description}
    return {"Policy": uses.view(policy) | description | {"Tags": entities.tag_list(policy.tags)}}


async def list_policies(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: descriptions and tags are not in lists."""
    scope, prefix = params.get("Scope", "All"), params.get("PathPrefix", "/")

    def work(connection: Connection) -> tuple[list[Managed], managed.Uses]:
        found = [managed.of_aws(policy) for policy in aws_policies().values()] if scope != "Local" else []
        found += _own(connection, context.account_id) if scope != "AWS" else []
        return found, managed.uses(connection, context.account_id)

    found, uses = await room.read(work)
    wanted = [policy for policy in _used(found, uses, params) if policy.path.startswith(prefix)]
    shown, more = paging.page(wanted, params, lambda policy: f"{policy.name.lower()} {policy.arn}")
    return {"Policies": [uses.view(policy) for policy in shown]} | more


def _own(connection: Connection, account_id: str) -> list[Managed]:
    statement = entities.columns(KIND).where(ENTITIES.c.account_id == account_id, ENTITIES.c.kind == KIND)
    return [managed.of_row(row) for row in connection.execute(statement).all()]


def _used(found: Iterable[Managed], uses: managed.Uses, params: dict[str, Any]) -> Iterable[Managed]:
    """Those that ``PolicyUsageFilter`` and ``OnlyAttached`` leave."""
    filters = {"PermissionsPolicy": uses.attached, "PermissionsBoundary": uses.as_boundary}
    counts = filters.get(params.get("PolicyUsageFilter", ""))
    if counts is not None:
        return [policy for policy in found if counts.get(policy.arn)]
    if params.get("OnlyAttached"):
        return [policy for policy in found if uses.attached.get(policy.arn)]
    return found


async def delete_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: a policy that is attached, is a boundary or has further versions stays."""

    def work(connection: Connection) -> None:
        policy = find_own(connection, context, params["PolicyArn"])
        uses = managed.uses(connection, context.account_id, policy.arn)
        if uses.attached or uses.as_boundary:
            raise conflict("Cannot delete a policy attached to entities.")
        if len(managed.versions_of(connection, policy)) > 1:
            raise conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
                "The default version is deleted with the policy."
            )
        entities.remove(connection, policy.id)

    await room.change(work)
    return {}


async def create_policy_version(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: five versions at most; numbers are not used again."""
    document, is_default, now_s = params["PolicyDocument"], params.get("SetAsDefault", False), room.now_s()
    check_managed_policy(document)

    def work(connection: Connection) -> Version:
        policy = find_own(connection, context, params["PolicyArn"])
        if len(managed.versions_of(connection, policy)) >= quotas.VERSIONS:
            raise AwsError(
                "LimitExceeded",
                f"A managed policy can have up to {quotas.VERSIONS} versions. "
                "Before you create a new version, you must delete an existing version.",
            )
        row = connection.execute(
            update(POLICIES)
            .where(POLICIES.c.owner_id == policy.id)
            .values(last_version=POLICIES.c.last_version + 1, updated_s=now_s)
            .returning(POLICIES.c.last_version)
        ).one()
        _add_version(connection, policy.id, row.last_version, document, now_s)
        if is_default:
            _set_default(connection, policy.id, row.last_version, now_s)
        return Version(row.last_version, document, now_s, is_default)

    return {"PolicyVersion": (await room.change(work)).view(with_document=False)}


async def get_policy_version(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """With its document."""

    def work(connection: Connection) -> Version:
        return _find_version(connection, managed.find(connection, context.account_id, params["PolicyArn"]), params)

    return {"PolicyVersion": (await room.read(work)).view()}


async def list_policy_versions(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The newest first; AWS: without documents."""

    def work(connection: Connection) -> list[Version]:
        return managed.versions_of(connection, managed.find(connection, context.account_id, params["PolicyArn"]))

    shown, more = paging.page(await room.read(work), params, lambda version: f"{10**6 - version.number:07d}")
    return {"Versions": [version.view(with_document=False) for version in shown]} | more


async def delete_policy_version(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: not the default one."""

    def work(connection: Connection) -> None:
        policy = find_own(connection, context, params["PolicyArn"])
        version = _find_version(connection, policy, params)
        if version.is_default:
            raise conflict("Cannot delete the default version of a policy.")
        connection.execute(
            delete(POLICY_VERSIONS).where(
                POLICY_VERSIONS.c.owner_id == policy.id, POLICY_VERSIONS.c.number == version.number
            )
        )

    await room.change(work)
    return {}


async def set_default_policy_version(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The version that applies wherever the policy is attached."""
    now_s = room.now_s()

    def work(connection: Connection) -> None:
        policy = find_own(connection, context, params["PolicyArn"])
        _set_default(connection, policy.id, _find_version(connection, policy, params).number, now_s)

    await room.change(work)
    return {}


def find_own(connection: Connection, context: CallContext, arn: str) -> Managed:
    """A policy that the account may change.

    Raises:
        AwsError: NoSuchEntity; AccessDenied for AWS's own.
    """
    parts = parse_arn(arn)
    if parts is not None and parts[0] == ACCOUNT and arn in aws_policies():
        raise AwsError("AccessDenied", f"Policy {arn} is managed by AWS and cannot be changed.", status=403)
    return managed.find(connection, context.account_id, arn)


def _add_version(connection: Connection, policy_id: str, number: int, document: str, now_s: int) -> None:
    values = {"owner_id": policy_id, "number": number, "document": document, "created_s": now_s}
    connection.execute(insert(POLICY_VERSIONS).values(values))


def _set_default(connection: Connection, policy_id: str, number: int, now_s: int) -> None:
    values = {"default_version": number, "updated_s": now_s}
    connection.execute(update(POLICIES).where(POLICIES.c.owner_id == policy_id).values(values))


def _find_version(connection: Connection, policy: Managed, params: dict[str, Any]) -> Version:
    wanted = params["VersionId"]
    for version in managed.versions_of(connection, policy):
        if f"v{version.number}" == wanted:
            return version
    raise no_such_entity(f"Policy {policy.arn} version {wanted} does not exist or is not attachable.")
