"""GetAccountSummary and GetAccountAuthorizationDetails: an account's identities at one look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, select

from functory.core.calls import CallContext
from functory.services.iam import entities, groups, instance_profiles, managed, paging, quotas, roles, users
from functory.services.iam.attachments import attached_to
from functory.services.iam.aws_policies import aws_policies
from functory.services.iam.naming import url_encoded
from functory.services.iam.room import Room
from functory.services.iam.tables import (
    ACCESS_KEYS,
    ATTACHMENTS,
    ENTITIES,
    INLINE_POLICIES,
    OIDC_PROVIDERS,
    POLICY_VERSIONS,
)

_QUOTAS: Mapping[str, int] = {
    "UsersQuota": quotas.ENTITIES["user"][1],
    "GroupsQuota": quotas.ENTITIES["group"][1],
    "RolesQuota": quotas.ENTITIES["role"][1],
    "PoliciesQuota": quotas.ENTITIES["policy"][1],
    "InstanceProfilesQuota": quotas.ENTITIES["instance-profile"][1],
    "UserPolicySizeQuota": quotas.INLINE_SIZE["user"],
    "GroupPolicySizeQuota": quotas.INLINE_SIZE["group"],
    "RolePolicySizeQuota": quotas.INLINE_SIZE["role"],
    "PolicySizeQuota": quotas.POLICY_SIZE,
    "AssumeRolePolicySizeQuota": quotas.TRUST_SIZE,
    "GroupsPerUserQuota": quotas.GROUPS_PER_USER,
    "AccessKeysPerUserQuota": quotas.ACCESS_KEYS,
    "AttachedPoliciesPerUserQuota": quotas.ATTACHED["user"][1],
    "AttachedPoliciesPerGroupQuota": quotas.ATTACHED["group"][1],
    "AttachedPoliciesPerRoleQuota": quotas.ATTACHED["role"][1],
    "VersionsPerPolicyQuota": quotas.VERSIONS,
    "PolicyVersionsInUseQuota": 10_000,
    "ServerCertificatesQuota": 20,
    "SigningCertificatesPerUserQuota": 2,
    "GlobalEndpointTokenVersion": 1,
}
_ABSENT = (
    "ServerCertificates",
    "MFADevices",
    "MFADevicesInUse",
    "AccountMFAEnabled",
    "AccountPasswordPresent",
    "AccountSigningCertificatesPresent",
)
"""What no account has here: nothing of the kind can be made."""

_COUNTED = {
    "Users": "user",
    "Groups": "group",
    "Roles": "role",
    "Policies": "policy",
    "InstanceProfiles": "instance-profile",
}


async def get_account_summary(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001  an operation's signature
    """AWS: counts and quotas in one map."""
    account_id = context.account_id

    def work(connection: Connection) -> dict[str, int]:
        counts = {name: entities.count(connection, account_id, kind) for name, kind in _COUNTED.items()}
        versions = select(func.count()).join_from(POLICY_VERSIONS, ENTITIES, ENTITIES.c.id == POLICY_VERSIONS.c.owner_id)
        used = select(func.count(func.distinct(ATTACHMENTS.c.policy_arn))).where(
            ATTACHMENTS.c.account_id == account_id, ATTACHMENTS.c.policy_arn.startswith("arn:aws:iam::aws:")
        )
        own = connection.execute(versions.where(ENTITIES.c.account_id == account_id)).scalar_one()
        root = select(ACCESS_KEYS.c.id).where(ACCESS_KEYS.c.account_id == account_id, ACCESS_KEYS.c.owner_id.is_(None))
        providers = select(func.count()).select_from(OIDC_PROVIDERS).where(OIDC_PROVIDERS.c.account_id == account_id)
        return counts | {
            "PolicyVersionsInUse": own + connection.execute(used).scalar_one(),
            "AccountAccessKeysPresent": int(connection.execute(root).first() is not None),
            "Providers": connection.execute(providers).scalar_one(),
        }

    return {"SummaryMap": dict(_QUOTAS) | dict.fromkeys(_ABSENT, 0) | await room.read(work)}


async def get_account_authorization_details(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: users, groups, roles, own policies and AWS's policies that are attached, in pages over all of them."""
    wanted = frozenset(params.get("Filter") or ("User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"))

    def work(connection: Connection) -> dict[str, Any]:
        rows, policies = _everything(connection, context.account_id, wanted)
        uses = managed.uses(connection, context.account_id)
        found: list[tuple[str, Any]] = [(f"{row.kind} {row.name_key}", row) for row in rows]
        found += [(f"policy {each.name.lower()} {each.arn}", each) for each in _shown(policies, uses, wanted)]
        shown, more = paging.page(found, params, lambda each: each[0])
        detail = {"user": _user, "group": _group, "role": _role}
        lists: dict[str, list[Any]] = {"user": [], "group": [], "role": [], "policy": []}
        for key, value in shown:
            kind = key.partition(" ")[0]
            of_kind = detail.get(kind)
            lists[kind].append(of_kind(connection, value) if of_kind else _policy(connection, value, uses))
        return {
            "UserDetailList": lists["user"],
            "GroupDetailList": lists["group"],
            "RoleDetailList": lists["role"],
            "Policies": lists["policy"],
        } | more

    await room.last_uses.save()
    return await room.read(work)


def _everything(
    connection: Connection, account_id: str, wanted: frozenset[str]
) -> tuple[list[Row[Any]], list[managed.Managed]]:
    rows: list[Row[Any]] = []
    for name in ("User", "Group", "Role", "LocalManagedPolicy"):
        if name in wanted:
            kind = "policy" if name == "LocalManagedPolicy" else name.lower()
            of_kind = entities.columns(kind).where(ENTITIES.c.account_id == account_id, ENTITIES.c.kind == kind)
            rows += connection.execute(of_kind).all()
    own = [managed.of_row(row) for row in rows if row.kind == "policy"]
    return [row for row in rows if row.kind != "policy"], own


def _shown(own: list[managed.Managed], uses: managed.Uses, wanted: frozenset[str]) -> list[managed.Managed]:
    if "AWSManagedPolicy" not in wanted:
        return own
    used = uses.attached.keys() | uses.as_boundary.keys()
    return own + [managed.of_aws(policy) for arn, policy in aws_policies().items() if arn in used]


def _inline(connection: Connection, owner_id: str) -> list[dict[str, str]]:
    statement = select(INLINE_POLICIES).where(INLINE_POLICIES.c.owner_id == owner_id).order_by(INLINE_POLICIES.c.name)
    rows = connection.execute(statement).all()
    return [{"PolicyName": row.name, "PolicyDocument": url_encoded(row.document)} for row in rows]


def _user(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    inline = _inline(connection, row.id)
    detail = users.view(row) | {"GroupList": [group.name for group in groups.groups_of(connection, row.id)]}
    detail |= {"AttachedManagedPolicies": attached_to(connection, row.id), "Tags": entities.tag_list(row.tags)}
    return detail | ({"UserPolicyList": inline} if inline else {}) | entities.boundary(row)


def _group(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    detail = groups.view(row) | {"GroupPolicyList": _inline(connection, row.id)}
    return detail | {"AttachedManagedPolicies": attached_to(connection, row.id)}


def _role(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    profiles = instance_profiles.profiles_of(connection, row.id)
    detail = roles.view(row) | {
        "InstanceProfileList": [instance_profiles.view(connection, profile) for profile in profiles],
        "RolePolicyList": _inline(connection, row.id),
        "AttachedManagedPolicies": attached_to(connection, row.id),
        "Tags": entities.tag_list(row.tags),
        "RoleLastUsed": roles.last_used(row),
    }
    return detail | entities.boundary(row)


def _policy(connection: Connection, policy: managed.Managed, uses: managed.Uses) -> dict[str, Any]:
    versions = [version.view() for version in managed.versions_of(connection, policy)]
    return uses.view(policy) | {"PolicyVersionList": versions}
