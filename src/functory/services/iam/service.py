"""The table of the IAM API, and what the rest of the node asks of IAM."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from functory.core.calls import CallContext, Operation
from functory.core.reconcile.job import Job
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.kernel.sealing import Sealer
from functory.services.iam import (
    access_keys,
    accounts,
    attachments,
    boundaries,
    context_keys,
    groups,
    inline_policies,
    instance_profiles,
    linked_roles,
    oidc_providers,
    policies,
    roles,
    simulation,
    summary,
    tags,
    unmade,
    users,
)
from functory.services.iam.bootstrap import Administrator, make_administrator
from functory.services.iam.directory import Directory
from functory.services.iam.last_uses import EVERY_S, LastUses
from functory.services.iam.room import Room
from functory.store.port import Store

_RoomOperation = Callable[[Room, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]
_PROVIDER = "OpenIDConnectProviderArn"

OPERATIONS: Mapping[str, _RoomOperation] = {
    "CreateUser": users.create_user,
    "GetUser": users.get_user,
    "ListUsers": users.list_users,
    "UpdateUser": users.update_user,
    "DeleteUser": users.delete_user,
    "PutUserPermissionsBoundary": boundaries.put("user", "UserName"),
    "DeleteUserPermissionsBoundary": boundaries.remove("user", "UserName"),
    "PutUserPolicy": inline_policies.put("user", "UserName"),
    "GetUserPolicy": inline_policies.get("user", "UserName"),
    "ListUserPolicies": inline_policies.list_names("user", "UserName"),
    "DeleteUserPolicy": inline_policies.remove("user", "UserName"),
    "AttachUserPolicy": attachments.attach("user", "UserName"),
    "DetachUserPolicy": attachments.detach("user", "UserName"),
    "ListAttachedUserPolicies": attachments.list_attached("user", "UserName"),
    "TagUser": tags.tag("user", "UserName"),
    "UntagUser": tags.untag("user", "UserName"),
    "ListUserTags": tags.list_tags("user", "UserName"),
    "CreateAccessKey": access_keys.create_access_key,
    "ListAccessKeys": access_keys.list_access_keys,
    "UpdateAccessKey": access_keys.update_access_key,
    "DeleteAccessKey": access_keys.delete_access_key,
    "GetAccessKeyLastUsed": access_keys.get_access_key_last_used,
    "CreateGroup": groups.create_group,
    "GetGroup": groups.get_group,
    "ListGroups": groups.list_groups,
    "UpdateGroup": groups.update_group,
    "DeleteGroup": groups.delete_group,
    "AddUserToGroup": groups.add_user_to_group,
    "RemoveUserFromGroup": groups.remove_user_from_group,
    "ListGroupsForUser": groups.list_groups_for_user,
    "PutGroupPolicy": inline_policies.put("group", "GroupName"),
    "GetGroupPolicy": inline_policies.get("group", "GroupName"),
    "ListGroupPolicies": inline_policies.list_names("group", "GroupName"),
    "DeleteGroupPolicy": inline_policies.remove("group", "GroupName"),
    "AttachGroupPolicy": attachments.attach("group", "GroupName"),
    "DetachGroupPolicy": attachments.detach("group", "GroupName"),
    "ListAttachedGroupPolicies": attachments.list_attached("group", "GroupName"),
    "CreateRole": roles.create_role,
    "GetRole": roles.get_role,
    "ListRoles": roles.list_roles,
    "UpdateRole": roles.update_role,
    "UpdateRoleDescription": roles.update_role_description,
    "UpdateAssumeRolePolicy": roles.update_assume_role_policy,
    "DeleteRole": roles.delete_role,
    "PutRolePermissionsBoundary": boundaries.put("role", "RoleName"),
    "DeleteRolePermissionsBoundary": boundaries.remove("role", "RoleName"),
    "PutRolePolicy": inline_policies.put("role", "RoleName"),
    "GetRolePolicy": inline_policies.get("role", "RoleName"),
    "ListRolePolicies": inline_policies.list_names("role", "RoleName"),
    "DeleteRolePolicy": inline_policies.remove("role", "RoleName"),
    "AttachRolePolicy": attachments.attach("role", "RoleName"),
    "DetachRolePolicy": attachments.detach("role", "RoleName"),
    "ListAttachedRolePolicies": attachments.list_attached("role", "RoleName"),
    "TagRole": tags.tag("role", "RoleName"),
    "UntagRole": tags.untag("role", "RoleName"),
    "ListRoleTags": tags.list_tags("role", "RoleName"),
    "CreateServiceLinkedRole": linked_roles.create_service_linked_role,
    "DeleteServiceLinkedRole": linked_roles.delete_service_linked_role,
    "GetServiceLinkedRoleDeletionStatus": linked_roles.get_service_linked_role_deletion_status,
    "CreatePolicy": policies.create_policy,
    "GetPolicy": policies.get_policy,
    "ListPolicies": policies.list_policies,
    "DeletePolicy": policies.delete_policy,
    "CreatePolicyVersion": policies.create_policy_version,
    "GetPolicyVersion": policies.get_policy_version,
    "ListPolicyVersions": policies.list_policy_versions,
    "DeletePolicyVersion": policies.delete_policy_version,
    "SetDefaultPolicyVersion": policies.set_default_policy_version,
    "ListEntitiesForPolicy": attachments.list_entities_for_policy,
    "TagPolicy": tags.tag("policy", "PolicyArn"),
    "UntagPolicy": tags.untag("policy", "PolicyArn"),
    "ListPolicyTags": tags.list_tags("policy", "PolicyArn"),
    "CreateInstanceProfile": instance_profiles.create_instance_profile,
    "GetInstanceProfile": instance_profiles.get_instance_profile,
    "ListInstanceProfiles": instance_profiles.list_instance_profiles,
    "ListInstanceProfilesForRole": instance_profiles.list_instance_profiles_for_role,
    "DeleteInstanceProfile": instance_profiles.delete_instance_profile,
    "AddRoleToInstanceProfile": instance_profiles.add_role_to_instance_profile,
    "RemoveRoleFromInstanceProfile": instance_profiles.remove_role_from_instance_profile,
    "TagInstanceProfile": tags.tag("instance-profile", "InstanceProfileName"),
    "UntagInstanceProfile": tags.untag("instance-profile", "InstanceProfileName"),
    "ListInstanceProfileTags": tags.list_tags("instance-profile", "InstanceProfileName"),
    "CreateOpenIDConnectProvider": oidc_providers.create_open_id_connect_provider,
    "GetOpenIDConnectProvider": oidc_providers.get_open_id_connect_provider,
    "ListOpenIDConnectProviders": oidc_providers.list_open_id_connect_providers,
    "DeleteOpenIDConnectProvider": oidc_providers.delete_open_id_connect_provider,
    "UpdateOpenIDConnectProviderThumbprint": oidc_providers.update_thumbprint,
    "AddClientIDToOpenIDConnectProvider": oidc_providers.add_client_id,
    "RemoveClientIDFromOpenIDConnectProvider": oidc_providers.remove_client_id,
    "TagOpenIDConnectProvider": tags.tag(_PROVIDER, _PROVIDER),
    "UntagOpenIDConnectProvider": tags.untag(_PROVIDER, _PROVIDER),
    "ListOpenIDConnectProviderTags": tags.list_tags(_PROVIDER, _PROVIDER),
    "CreateAccountAlias": accounts.create_account_alias,
    "DeleteAccountAlias": accounts.delete_account_alias,
    "ListAccountAliases": accounts.list_account_aliases,
    "GetLoginProfile": unmade.no_login_profile,
    "DeleteLoginProfile": unmade.no_login_profile,
    "GetAccountPasswordPolicy": unmade.no_password_policy,
    "DeleteAccountPasswordPolicy": unmade.no_password_policy,
    "ListMFADevices": unmade.none_of("MFADevices"),
    "ListVirtualMFADevices": unmade.none_of("VirtualMFADevices", of_user=False),
    "ListSSHPublicKeys": unmade.none_of("SSHPublicKeys"),
    "ListSigningCertificates": unmade.none_of("Certificates"),
    "ListServiceSpecificCredentials": unmade.none_of("ServiceSpecificCredentials"),
    "ListServerCertificates": unmade.none_of("ServerCertificateMetadataList", of_user=False),
    "ListSAMLProviders": unmade.none_of("SAMLProviderList", has_pages=False, of_user=False),
    "GetContextKeysForCustomPolicy": context_keys.get_context_keys_for_custom_policy,
    "GetContextKeysForPrincipalPolicy": context_keys.get_context_keys_for_principal_policy,
    "SimulateCustomPolicy": simulation.simulate_custom_policy,
    "SimulatePrincipalPolicy": simulation.simulate_principal_policy,
    "GetAccountSummary": summary.get_account_summary,
    "GetAccountAuthorizationDetails": summary.get_account_authorization_details,
}


class IamService:
    """IAM as a `functory.core.calls.Service`.

    An async context manager: inside it what was noted of last uses is kept in the background, and leaving it keeps the rest.
    Leave it before the store is closed.

    Attributes:
        identities: who has been given what (`functory.core.identity.port.Identities`).
        last_uses: told of signed calls (`functory.core.identity.port.Uses`).

    Args:
        folder_secret: of the data folder; access keys are sealed with a key made of it.
    """

    def __init__(self, store: Store, clock: Clock, ids: Ids, folder_secret: bytes) -> None:
        self.name = "iam"
        cipher = Sealer(folder_secret, "functory iam access keys")
        self.identities = Directory(store, cipher)
        self.last_uses = LastUses(store, clock)
        self._room = Room(store, clock, ids, cipher, self.identities, self.last_uses)
        self._saving = Job("iam last uses", self.last_uses.save, every_s=EVERY_S)
        self.operations: Mapping[str, Operation] = {name: partial(call, self._room) for name, call in OPERATIONS.items()}

    async def __aenter__(self) -> Self:
        await self._saving.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._saving.__aexit__(kind, error, trace)
        await self.last_uses.save()

    async def make_administrator(self, account_id: str, user_name: str, *, force: bool) -> Administrator:
        """See `functory.services.iam.bootstrap.make_administrator`."""
        return await make_administrator(self._room, account_id, user_name, force=force)
