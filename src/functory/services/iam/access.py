"""What calls of the IAM API need to be allowed.

Entities have a path in their ARN and not in the parameters: the ARNs here are without, and the node completes them
(``Guard``) from what IAM knows. An operation that names no user is about the caller.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from functory.core.authorization.access import (
    Access,
    Params,
    Place,
    Resources,
    anything,
    arn,
    parameters,
    request_tags,
    template,
    together,
)


def _of(kind: str, parameter: str) -> Resources:
    return template(f"arn:{{partition}}:iam::{{account}}:{kind}/{{{parameter}}}")


def _made(kind: str, parameter: str) -> Resources:
    """What is being created, whose path is in the parameters."""

    def make(place: Place, params: Params) -> Iterable[str]:
        named = {**params, "name": f"{params.get('Path', '/')}{params.get(parameter, '')}".removeprefix("/")}
        return _of(kind, "name")(place, named)

    return make


def _user_or_caller(place: Place, params: Params) -> Iterable[str]:
    if "UserName" in params:
        return _of("user", "UserName")(place, params)
    return (place.caller_arn or "*",)


_BOUNDARY = parameters(PermissionsBoundary="iam:PermissionsBoundary")
_POLICY_ARN = parameters(PolicyArn="iam:PolicyARN")
_PASSED = Access(
    "iam:PassRole", _of("role", "RoleName"), lambda _place, _params: {"iam:passedtoservice": ("ec2.amazonaws.com",)}
)
_LINKED = parameters(AWSServiceName="iam:AWSServiceName")

_BY_RESOURCE: tuple[tuple[Resources, tuple[str, ...]], ...] = (
    (
        _of("user", "UserName"),
        (
            "AttachUserPolicy",
            "DeleteUser",
            "DeleteUserPermissionsBoundary",
            "DeleteUserPolicy",
            "DetachUserPolicy",
            "GetUserPolicy",
            "ListAttachedUserPolicies",
            "ListGroupsForUser",
            "ListUserPolicies",
            "ListUserTags",
            "PutUserPermissionsBoundary",
            "PutUserPolicy",
            "TagUser",
            "UntagUser",
            "UpdateUser",
        ),
    ),
    (
        _user_or_caller,
        (
            "CreateAccessKey",
            "DeleteAccessKey",
            "DeleteLoginProfile",
            "GetLoginProfile",
            "GetUser",
            "ListAccessKeys",
            "ListMFADevices",
            "ListSSHPublicKeys",
            "ListServiceSpecificCredentials",
            "ListSigningCertificates",
            "UpdateAccessKey",
        ),
    ),
    (
        _of("group", "GroupName"),
        (
            "AddUserToGroup",
            "AttachGroupPolicy",
            "DeleteGroup",
            "DeleteGroupPolicy",
            "DetachGroupPolicy",
            "GetGroup",
            "GetGroupPolicy",
            "ListAttachedGroupPolicies",
            "ListGroupPolicies",
            "PutGroupPolicy",
            "RemoveUserFromGroup",
            "UpdateGroup",
        ),
    ),
    (
        _of("role", "RoleName"),
        (
            "AttachRolePolicy",
            "DeleteRole",
            "DeleteRolePermissionsBoundary",
            "DeleteRolePolicy",
            "DeleteServiceLinkedRole",
            "DetachRolePolicy",
            "GetRole",
            "GetRolePolicy",
            "ListAttachedRolePolicies",
            "ListInstanceProfilesForRole",
            "ListRolePolicies",
            "ListRoleTags",
            "PutRolePermissionsBoundary",
            "PutRolePolicy",
            "TagRole",
            "UntagRole",
            "UpdateAssumeRolePolicy",
            "UpdateRole",
            "UpdateRoleDescription",
        ),
    ),
    (
        arn("PolicyArn"),
        (
            "CreatePolicyVersion",
            "DeletePolicy",
            "DeletePolicyVersion",
            "GetPolicy",
            "GetPolicyVersion",
            "ListEntitiesForPolicy",
            "ListPolicyTags",
            "ListPolicyVersions",
            "SetDefaultPolicyVersion",
            "TagPolicy",
            "UntagPolicy",
        ),
    ),
    (
        _of("instance-profile", "InstanceProfileName"),
        (
            "AddRoleToInstanceProfile",
            "DeleteInstanceProfile",
            "GetInstanceProfile",
            "ListInstanceProfileTags",
            "RemoveRoleFromInstanceProfile",
            "TagInstanceProfile",
            "UntagInstanceProfile",
        ),
    ),
    (
        arn("OpenIDConnectProviderArn"),
        (
            "AddClientIDToOpenIDConnectProvider",
            "DeleteOpenIDConnectProvider",
            "GetOpenIDConnectProvider",
            "ListOpenIDConnectProviderTags",
            "RemoveClientIDFromOpenIDConnectProvider",
            "TagOpenIDConnectProvider",
            "UntagOpenIDConnectProvider",
            "UpdateOpenIDConnectProviderThumbprint",
        ),
    ),
    (_made("user", "UserName"), ("CreateUser",)),
    (_made("group", "GroupName"), ("CreateGroup",)),
    (_made("role", "RoleName"), ("CreateRole",)),
    (_made("policy", "PolicyName"), ("CreatePolicy",)),
    (_made("instance-profile", "InstanceProfileName"), ("CreateInstanceProfile",)),
    (template("arn:{partition}:iam::{account}:role/aws-service-role/{AWSServiceName}/*"), ("CreateServiceLinkedRole",)),
    (template("arn:{partition}:iam::{account}:oidc-provider/*"), ("CreateOpenIDConnectProvider",)),
    (
        anything,
        (
            "CreateAccountAlias",
            "DeleteAccountAlias",
            "DeleteAccountPasswordPolicy",
            "GetAccessKeyLastUsed",
            "GetAccountAuthorizationDetails",
            "GetAccountPasswordPolicy",
            "GetAccountSummary",
            "GetContextKeysForCustomPolicy",
            "GetContextKeysForPrincipalPolicy",
            "GetServiceLinkedRoleDeletionStatus",
            "ListAccountAliases",
            "ListInstanceProfiles",
            "ListOpenIDConnectProviders",
            "ListPolicies",
            "ListSAMLProviders",
            "ListServerCertificates",
            "ListVirtualMFADevices",
            "SimulateCustomPolicy",
        ),
    ),
    (template("arn:{partition}:iam::{account}:user/"), ("ListUsers",)),
    (template("arn:{partition}:iam::{account}:group/"), ("ListGroups",)),
    (template("arn:{partition}:iam::{account}:role/"), ("ListRoles",)),
    (arn("PolicySourceArn"), ("SimulatePrincipalPolicy",)),
)

_PLAIN = {
    operation: Access(f"iam:{operation}", resources) for resources, operations in _BY_RESOURCE for operation in operations
}


def _with(operation: str, **changes: object) -> Access:
    return replace(_PLAIN[operation], **changes)  # type: ignore[arg-type]


ACCESS: Mapping[str, Access] = (
    _PLAIN
    | {operation: _with(operation, keys=request_tags()) for operation in _PLAIN if operation.startswith("Tag")}
    | {operation: _with(operation, keys=request_tags("TagKeys")) for operation in _PLAIN if operation.startswith("Untag")}
    | {f"Attach{kind}Policy": _with(f"Attach{kind}Policy", keys=_POLICY_ARN) for kind in ("User", "Group", "Role")}
    | {f"Detach{kind}Policy": _with(f"Detach{kind}Policy", keys=_POLICY_ARN) for kind in ("User", "Group", "Role")}
    | {f"Create{kind}": _with(f"Create{kind}", keys=together(request_tags(), _BOUNDARY)) for kind in ("User", "Role")}
    | {f"Put{kind}PermissionsBoundary": _with(f"Put{kind}PermissionsBoundary", keys=_BOUNDARY) for kind in ("User", "Role")}
    | {
        "AddRoleToInstanceProfile": _with("AddRoleToInstanceProfile", also=(_PASSED,)),
        "CreateInstanceProfile": _with("CreateInstanceProfile", keys=request_tags()),
        "CreateOpenIDConnectProvider": _with("CreateOpenIDConnectProvider", keys=request_tags()),
        "CreatePolicy": _with("CreatePolicy", keys=request_tags()),
        "CreateServiceLinkedRole": _with("CreateServiceLinkedRole", keys=_LINKED),
    }
)
"""Operation -> what it needs."""
