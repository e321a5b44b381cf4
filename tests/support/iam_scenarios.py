"""Stories told to IAM by boto3, each in an account of its own; together they call every operation with every member."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.support.iam_service import ADMINISTRATOR, ALLOW_ALL, BASIC, TRUST, statement

TAGS = [{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": ""}]
PROVIDER = "token.actions.githubusercontent.com"

Scenario = Callable[[Any, str], None]


def refused(call: Callable[..., Any], **params: Any) -> tuple[int, str, str]:
    """Status, code and text of a refusal."""
    try:
        call(**params)
    except ClientError as error:
        answer = error.response
        return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]
    raise AssertionError(f"{params} was not refused")


def names(items: list[dict[str, Any]], member: str) -> list[str]:
    """One member of each item."""
    return [item[member] for item in items]


def users(iam: Any, account: str) -> None:
    """A user's life."""
    boundary = iam.create_policy(PolicyName="limits", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
    user = iam.create_user(UserName="Bob", Path="/team/", Tags=TAGS, PermissionsBoundary=boundary)["User"]
    assert user["Arn"] == f"arn:aws:iam::{account}:user/team/Bob"
    assert user["UserId"].startswith("AIDA")
    assert len(user["UserId"]) == 21
    assert user["PermissionsBoundary"] == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}
    assert iam.get_user(UserName="Bob")["User"] == user
    iam.get_waiter("user_exists").wait(UserName="Bob")
    assert refused(iam.create_user, UserName="bob") == (409, "EntityAlreadyExists", "User with name bob already exists.")
    assert refused(iam.get_user, UserName="al") == (404, "NoSuchEntity", "The user with name al cannot be found.")
    assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{account}:root"
    listed = iam.list_users(PathPrefix="/team/")
    assert set(listed["Users"][0]) == {"Path", "UserName", "UserId", "Arn", "CreateDate"}
    assert listed["IsTruncated"] is False
    iam.create_user(UserName="al-2")
    pages = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1})
    assert [name for page in pages for name in names(page["Users"], "UserName")] == ["al-2", "Bob"]
    iam.update_user(UserName="Bob", NewUserName="robert", NewPath="/")
    renamed = iam.get_user(UserName="robert")["User"]
    assert (renamed["UserId"], renamed["Arn"]) == (user["UserId"], f"arn:aws:iam::{account}:user/robert")
    iam.delete_user_permissions_boundary(UserName="robert")
    assert "PermissionsBoundary" not in iam.get_user(UserName="robert")["User"]
    iam.put_user_permissions_boundary(UserName="robert", PermissionsBoundary=ADMINISTRATOR)
    iam.tag_user(UserName="robert", Tags=[{"Key": "new", "Value": "x"}])
    page = iam.list_user_tags(UserName="robert", MaxItems=1)
    rest = iam.list_user_tags(UserName="robert", Marker=page["Marker"])
    assert names(page["Tags"] + rest["Tags"], "Key") == ["cost", "new", "team"]
    iam.untag_user(UserName="robert", TagKeys=["team", "cost"])
    assert iam.list_user_tags(UserName="robert")["Tags"] == [{"Key": "new", "Value": "x"}]
    iam.put_user_policy(UserName="robert", PolicyName="inline", PolicyDocument=ALLOW_ALL)
    assert iam.get_user_policy(UserName="robert", PolicyName="inline")["PolicyDocument"] == json.loads(ALLOW_ALL)
    iam.put_user_policy(UserName="robert", PolicyName="more", PolicyDocument=ALLOW_ALL)
    pages = iam.get_paginator("list_user_policies").paginate(UserName="robert", PaginationConfig={"PageSize": 1})
    assert [name for page in pages for name in page["PolicyNames"]] == ["inline", "more"]
    iam.delete_user_policy(UserName="robert", PolicyName="more")
    iam.attach_user_policy(UserName="robert", PolicyArn=ADMINISTRATOR)
    iam.attach_user_policy(UserName="robert", PolicyArn=BASIC)
    pages = iam.get_paginator("list_attached_user_policies").paginate(UserName="robert", PaginationConfig={"PageSize": 1})
    assert len(pages.build_full_result()["AttachedPolicies"]) == 2
    iam.detach_user_policy(UserName="robert", PolicyArn=ADMINISTRATOR)
    attached = iam.list_attached_user_policies(UserName="robert", PathPrefix="/service-role/", MaxItems=1)
    assert attached["AttachedPolicies"] == [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}]
    conflict = (409, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
    assert refused(iam.delete_user, UserName="robert") == conflict
    iam.detach_user_policy(UserName="robert", PolicyArn=BASIC)
    assert refused(iam.delete_user, UserName="robert")[2] == "Cannot delete entity, must delete policies first."
    iam.delete_user_policy(UserName="robert", PolicyName="inline")
    missing = (404, "NoSuchEntity", "The user policy with name inline cannot be found.")
    assert refused(iam.get_user_policy, UserName="robert", PolicyName="inline") == missing
    iam.delete_user(UserName="robert")
    iam.delete_policy(PolicyArn=boundary)


def access_keys(iam: Any, account: str) -> None:
    """Two keys and no third."""
    iam.create_user(UserName="bob")
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    assert (key["UserName"], key["Status"], len(key["AccessKeyId"]), len(key["SecretAccessKey"])) == (
        "bob",
        "Active",
        20,
        40,
    )
    key_id = key["AccessKeyId"]
    unused = iam.get_access_key_last_used(AccessKeyId=key_id)
    assert unused["UserName"] == "bob"
    assert unused["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    iam.create_access_key(UserName="bob")
    full = (409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
    assert refused(iam.create_access_key, UserName="bob") == full
    iam.update_access_key(UserName="bob", AccessKeyId=key_id, Status="Inactive")
    pages = iam.get_paginator("list_access_keys").paginate(UserName="bob", PaginationConfig={"PageSize": 1})
    keys = {each["AccessKeyId"]: each["Status"] for page in pages for each in page["AccessKeyMetadata"]}
    assert keys[key_id] == "Inactive"
    assert len(keys) == 2
    conflict = "Cannot delete entity, must delete access keys first."
    assert refused(iam.delete_user, UserName="bob")[2] == conflict
    for each in keys:
        iam.delete_access_key(UserName="bob", AccessKeyId=each)
    gone = (404, "NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")
    assert refused(iam.update_access_key, UserName="bob", AccessKeyId=key_id, Status="Active") == gone
    assert iam.list_access_keys(UserName="bob")["AccessKeyMetadata"] == []


def groups(iam: Any, account: str) -> None:
    """Users in groups, and what groups give them."""
    group = iam.create_group(GroupName="devs", Path="/x/")["Group"]
    assert group["GroupId"].startswith("AGPA")
    for name in ("carol", "Bob", "alice"):
        iam.create_user(UserName=name)
        iam.add_user_to_group(GroupName="devs", UserName=name)
    iam.add_user_to_group(GroupName="devs", UserName="bob")
    first = iam.get_group(GroupName="devs", MaxItems=2)
    assert names(first["Users"], "UserName") == ["alice", "Bob"]
    second = iam.get_group(GroupName="devs", Marker=first["Marker"])
    assert (names(second["Users"], "UserName"), second["Group"]) == (["carol"], group)
    iam.create_group(GroupName="ops")
    iam.add_user_to_group(GroupName="ops", UserName="Bob")
    pages = iam.get_paginator("list_groups_for_user").paginate(UserName="Bob", PaginationConfig={"PageSize": 1})
    assert [name for page in pages for name in names(page["Groups"], "GroupName")] == ["devs", "ops"]
    iam.update_group(GroupName="ops", NewGroupName="operators", NewPath="/y/")
    assert names(iam.list_groups(PathPrefix="/y/", MaxItems=1)["Groups"], "GroupName") == ["operators"]
    listed = iam.list_groups(MaxItems=1)
    assert names(iam.list_groups(Marker=listed["Marker"])["Groups"], "GroupName") == ["operators"]
    iam.put_group_policy(GroupName="devs", PolicyName="p", PolicyDocument=ALLOW_ALL)
    assert iam.get_group_policy(GroupName="devs", PolicyName="p")["GroupName"] == "devs"
    iam.put_group_policy(GroupName="devs", PolicyName="q", PolicyDocument=ALLOW_ALL)
    page = iam.list_group_policies(GroupName="devs", MaxItems=1)
    assert iam.list_group_policies(GroupName="devs", Marker=page["Marker"])["PolicyNames"] == ["q"]
    iam.attach_group_policy(GroupName="devs", PolicyArn=ADMINISTRATOR)
    iam.attach_group_policy(GroupName="devs", PolicyArn=BASIC)
    page = iam.list_attached_group_policies(GroupName="devs", MaxItems=1, PathPrefix="/")
    rest = iam.list_attached_group_policies(GroupName="devs", Marker=page["Marker"])
    assert names(page["AttachedPolicies"] + rest["AttachedPolicies"], "PolicyArn") == [ADMINISTRATOR, BASIC]
    conflict = (409, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
    assert refused(iam.delete_group, GroupName="devs") == conflict
    for arn in (ADMINISTRATOR, BASIC):
        iam.detach_group_policy(GroupName="devs", PolicyArn=arn)
    for name in ("p", "q"):
        iam.delete_group_policy(GroupName="devs", PolicyName=name)
    assert refused(iam.delete_group, GroupName="devs")[2] == "Cannot delete entity, must remove users from group first."
    for name in ("carol", "Bob", "alice"):
        iam.remove_user_from_group(GroupName="devs", UserName=name)
    iam.delete_group(GroupName="devs")
    assert refused(iam.get_group, GroupName="devs")[2] == "The group with name devs cannot be found."


def roles(iam: Any, account: str) -> None:
    """A role's life."""
    role = iam.create_role(
        RoleName="worker",
        Path="/service/",
        AssumeRolePolicyDocument=TRUST,
        Description="runs functions",
        MaxSessionDuration=7200,
        PermissionsBoundary=ADMINISTRATOR,
        Tags=TAGS,
    )["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/service/worker"
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert "MaxSessionDuration" not in role
    iam.get_waiter("role_exists").wait(RoleName="worker")
    found = iam.get_role(RoleName="worker")["Role"]
    whole = {"Description": "runs functions", "MaxSessionDuration": 7200, "RoleLastUsed": {}, "Tags": TAGS}
    assert found == role | whole
    iam.create_role(RoleName="a-first", AssumeRolePolicyDocument=TRUST)
    pages = iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 1})
    assert [name for page in pages for name in names(page["Roles"], "RoleName")] == ["a-first", "worker"]
    assert set(iam.list_roles(PathPrefix="/service/", MaxItems=1)["Roles"][0]) == set(found) - {
        "Tags",
        "RoleLastUsed",
        "PermissionsBoundary",
    }
    iam.update_role(RoleName="worker", Description="other", MaxSessionDuration=3600)
    assert iam.update_role_description(RoleName="worker", Description="third")["Role"]["Description"] == "third"
    trust = json.loads(TRUST)
    trust["Statement"][0]["Principal"] = {"AWS": account}
    iam.update_assume_role_policy(RoleName="worker", PolicyDocument=json.dumps(trust))
    assert iam.get_role(RoleName="worker")["Role"]["AssumeRolePolicyDocument"] == trust
    stranger = TRUST.replace('{"Service": "lambda.amazonaws.com"}', f'{{"AWS": "arn:aws:iam::{account}:user/nobody"}}')
    said = f'Invalid principal in policy: "AWS":"arn:aws:iam::{account}:user/nobody"'
    answer = refused(iam.update_assume_role_policy, RoleName="worker", PolicyDocument=stranger)
    assert answer == (400, "MalformedPolicyDocument", said)
    iam.delete_role_permissions_boundary(RoleName="worker")
    iam.put_role_permissions_boundary(RoleName="worker", PermissionsBoundary=BASIC)
    iam.tag_role(RoleName="worker", Tags=[{"Key": "z", "Value": "1"}])
    page = iam.list_role_tags(RoleName="worker", MaxItems=1)
    assert names(iam.list_role_tags(RoleName="worker", Marker=page["Marker"])["Tags"], "Key") == ["team", "z"]
    iam.untag_role(RoleName="worker", TagKeys=["z"])
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=ALLOW_ALL)
    iam.put_role_policy(RoleName="worker", PolicyName="q", PolicyDocument=ALLOW_ALL)
    assert iam.get_role_policy(RoleName="worker", PolicyName="p")["RoleName"] == "worker"
    pages = iam.get_paginator("list_role_policies").paginate(RoleName="worker", PaginationConfig={"PageSize": 1})
    assert [name for page in pages for name in page["PolicyNames"]] == ["p", "q"]
    for name in ("p", "q"):
        iam.delete_role_policy(RoleName="worker", PolicyName=name)
    for arn in (BASIC, ADMINISTRATOR):
        iam.attach_role_policy(RoleName="worker", PolicyArn=arn)
    page = iam.list_attached_role_policies(RoleName="worker", MaxItems=1, PathPrefix="/")
    assert len(iam.list_attached_role_policies(RoleName="worker", Marker=page["Marker"])["AttachedPolicies"]) == 1
    assert refused(iam.delete_role, RoleName="worker")[1] == "DeleteConflict"
    for arn in (BASIC, ADMINISTRATOR):
        iam.detach_role_policy(RoleName="worker", PolicyArn=arn)
    again = (404, "NoSuchEntity", f"Policy {BASIC} was not found.")
    assert refused(iam.detach_role_policy, RoleName="worker", PolicyArn=BASIC) == again
    iam.delete_role(RoleName="worker")
    assert refused(iam.get_role, RoleName="worker") == (404, "NoSuchEntity", "The role with name worker cannot be found.")


def policies(iam: Any, account: str) -> None:
    """A managed policy and its versions."""
    arn = f"arn:aws:iam::{account}:policy/own/rules"
    policy = iam.create_policy(PolicyName="rules", Path="/own/", PolicyDocument=ALLOW_ALL, Description="d", Tags=TAGS)[
        "Policy"
    ]
    assert (policy["Arn"], policy["DefaultVersionId"], policy["AttachmentCount"]) == (arn, "v1", 0)
    iam.get_waiter("policy_exists").wait(PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"] == policy | {"Description": "d"}
    name_taken = "A policy called RULES already exists. Duplicate names are not allowed."
    assert refused(iam.create_policy, PolicyName="RULES", PolicyDocument=ALLOW_ALL)[2] == name_taken
    for number in range(2, 6):
        document = statement(Action=f"s3:Get{number}")
        version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=number == 3)[
            "PolicyVersion"
        ]
        assert (version["VersionId"], version["IsDefaultVersion"]) == (f"v{number}", number == 3)
    full = refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=ALLOW_ALL)
    assert full[:2] == (409, "LimitExceeded")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v5")
    found = iam.get_policy_version(PolicyArn=arn, VersionId="v5")["PolicyVersion"]
    assert found["Document"]["Statement"][0]["Action"] == "s3:Get5"
    page = iam.list_policy_versions(PolicyArn=arn, MaxItems=2)
    rest = iam.list_policy_versions(PolicyArn=arn, Marker=page["Marker"])
    assert names(page["Versions"] + rest["Versions"], "VersionId") == ["v5", "v4", "v3", "v2", "v1"]
    default = (409, "DeleteConflict", "Cannot delete the default version of a policy.")
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v5") == default
    assert refused(iam.delete_policy, PolicyArn=arn)[2].startswith("This policy has more than one version.")
    for number in range(1, 5):
        iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{number}")
    gone = f"Policy {arn} version v1 does not exist or is not attachable."
    assert refused(iam.get_policy_version, PolicyArn=arn, VersionId="v1")[2] == gone
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    page = iam.list_policy_tags(PolicyArn=arn, MaxItems=1)
    assert len(iam.list_policy_tags(PolicyArn=arn, Marker=page["Marker"])["Tags"]) == 2
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    _entities(iam, arn)
    attached = iam.list_policies(Scope="Local", OnlyAttached=True, PathPrefix="/own/", PolicyUsageFilter="PermissionsPolicy")
    assert [(each["AttachmentCount"], each["PermissionsBoundaryUsageCount"]) for each in attached["Policies"]] == [(3, 1)]
    assert refused(iam.delete_policy, PolicyArn=arn)[2] == "Cannot delete a policy attached to entities."
    pages = iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 10})
    found_names = [name for page in pages for name in names(page["Policies"], "PolicyName")]
    assert {"AdministratorAccess", "AWSLambdaBasicExecutionRole"} <= set(found_names)
    assert len(set(found_names)) == len(found_names) > 30


def _entities(iam: Any, arn: str) -> None:
    iam.create_user(UserName="u")
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=arn)
    iam.attach_user_policy(UserName="u", PolicyArn=arn)
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    pages = iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn, PaginationConfig={"PageSize": 1})
    whole = pages.build_full_result()
    assert names(whole["PolicyUsers"], "UserName") == ["u"]
    assert names(whole["PolicyGroups"], "GroupName") == ["g"]
    assert names(whole["PolicyRoles"], "RoleName") == ["r"]
    only = iam.list_entities_for_policy(
        PolicyArn=arn, EntityFilter="Role", PathPrefix="/", PolicyUsageFilter="PermissionsBoundary"
    )
    assert (only["PolicyUsers"], names(only["PolicyRoles"], "RoleName")) == ([], ["r"])


def instance_profiles(iam: Any, account: str) -> None:
    """A profile with a role in it."""
    profile = iam.create_instance_profile(InstanceProfileName="box", Path="/p/", Tags=TAGS)["InstanceProfile"]
    assert profile["Arn"] == f"arn:aws:iam::{account}:instance-profile/p/box"
    assert profile["Roles"] == []
    iam.get_waiter("instance_profile_exists").wait(InstanceProfileName="box")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.add_role_to_instance_profile(InstanceProfileName="box", RoleName="r")
    assert refused(iam.add_role_to_instance_profile, InstanceProfileName="box", RoleName="r")[1] == "LimitExceeded"
    assert names(iam.get_instance_profile(InstanceProfileName="box")["InstanceProfile"]["Roles"], "RoleName") == ["r"]
    iam.create_instance_profile(InstanceProfileName="two")
    iam.add_role_to_instance_profile(InstanceProfileName="two", RoleName="r")
    for operation, params in (("list_instance_profiles", {}), ("list_instance_profiles_for_role", {"RoleName": "r"})):
        pages = iam.get_paginator(operation).paginate(**params, PaginationConfig={"PageSize": 1})
        assert [name for page in pages for name in names(page["InstanceProfiles"], "InstanceProfileName")] == ["box", "two"]
    assert names(iam.list_instance_profiles(PathPrefix="/p/")["InstanceProfiles"], "InstanceProfileName") == ["box"]
    assert (
        refused(iam.delete_role, RoleName="r")[2] == "Cannot delete entity, must remove roles from instance profile first."
    )
    assert refused(iam.delete_instance_profile, InstanceProfileName="box")[1] == "DeleteConflict"
    iam.tag_instance_profile(InstanceProfileName="box", Tags=[{"Key": "z", "Value": ""}])
    page = iam.list_instance_profile_tags(InstanceProfileName="box", MaxItems=1)
    assert len(iam.list_instance_profile_tags(InstanceProfileName="box", Marker=page["Marker"])["Tags"]) == 2
    iam.untag_instance_profile(InstanceProfileName="box", TagKeys=["z"])
    iam.remove_role_from_instance_profile(InstanceProfileName="box", RoleName="r")
    iam.delete_instance_profile(InstanceProfileName="box")
    said = (404, "NoSuchEntity", "Instance Profile box cannot be found.")
    assert refused(iam.get_instance_profile, InstanceProfileName="box") == said


def providers(iam: Any, account: str) -> None:
    """An OpenID Connect provider."""
    arn = f"arn:aws:iam::{account}:oidc-provider/{PROVIDER}"
    made = iam.create_open_id_connect_provider(
        Url=f"https://{PROVIDER}", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["a" * 40], Tags=TAGS
    )
    assert (made["OpenIDConnectProviderArn"], made["Tags"]) == (arn, TAGS)
    twice = (409, "EntityAlreadyExists", f"Provider with url https://{PROVIDER} already exists.")
    assert refused(iam.create_open_id_connect_provider, Url=f"https://{PROVIDER}") == twice
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="other")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="sts.amazonaws.com")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=["b" * 40])
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (found["Url"], found["ClientIDList"], found["ThumbprintList"]) == (PROVIDER, ["other"], ["b" * 40])
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=[{"Key": "z", "Value": ""}])
    page = iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn, MaxItems=1)
    rest = iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn, Marker=page["Marker"])
    assert len(rest["Tags"]) == 2
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["z"])
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    said = (404, "NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}")
    assert refused(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn) == said


def linked_roles(iam: Any, account: str) -> None:
    """A role that only its service changes."""
    service = "autoscaling.amazonaws.com"
    role = iam.create_service_linked_role(AWSServiceName=service, Description="d", CustomSuffix="x")["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/aws-service-role/{service}/AWSServiceRoleForAutoScaling_x"
    name = role["RoleName"]
    assert refused(iam.attach_role_policy, RoleName=name, PolicyArn=BASIC)[:2] == (400, "UnmodifiableEntity")
    assert refused(iam.delete_role, RoleName=name)[1] == "UnmodifiableEntity"
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert refused(iam.get_role, RoleName=name)[1] == "NoSuchEntity"


def whole_account(iam: Any, account: str) -> None:
    """Alias, summary and everything at one look."""
    alias = f"alias-{account}"
    iam.create_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases(MaxItems=1)["AccountAliases"] == [alias]
    policy = iam.create_policy(PolicyName="p", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
    iam.create_user(UserName="u", PermissionsBoundary=policy, Tags=TAGS)
    iam.put_user_policy(UserName="u", PolicyName="i", PolicyDocument=ALLOW_ALL)
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="u")
    iam.put_group_policy(GroupName="g", PolicyName="i", PolicyDocument=ALLOW_ALL)
    iam.attach_group_policy(GroupName="g", PolicyArn=BASIC)
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, Tags=TAGS, PermissionsBoundary=policy)
    iam.attach_role_policy(RoleName="r", PolicyArn=policy)
    iam.attach_user_policy(UserName="u", PolicyArn=policy)
    iam.put_role_policy(RoleName="r", PolicyName="i", PolicyDocument=ALLOW_ALL)
    iam.create_instance_profile(InstanceProfileName="ip")
    iam.add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
    summary = iam.get_account_summary()["SummaryMap"]
    counts = {
        name: summary[name] for name in ("Users", "Groups", "Roles", "Policies", "InstanceProfiles", "PolicyVersionsInUse")
    }
    assert counts == dict.fromkeys(counts, 1) | {"PolicyVersionsInUse": 2}
    pages = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 1})
    details = pages.build_full_result()
    [user] = details["UserDetailList"]
    assert user["GroupList"] == ["g"]
    assert user["UserPolicyList"] == [{"PolicyName": "i", "PolicyDocument": json.loads(ALLOW_ALL)}]
    assert details["GroupDetailList"][0]["AttachedManagedPolicies"][0]["PolicyArn"] == BASIC
    assert names(details["RoleDetailList"][0]["InstanceProfileList"], "InstanceProfileName") == ["ip"]
    assert set(names(details["Policies"], "Arn")) == {policy, BASIC}
    only = iam.get_account_authorization_details(Filter=["Role"])
    assert (only["UserDetailList"], only["Policies"], len(only["RoleDetailList"])) == ([], [], 1)
    iam.delete_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases()["AccountAliases"] == []


def simulations(iam: Any, account: str) -> None:
    """What would be decided."""
    bob = f"arn:aws:iam::{account}:user/bob"
    iam.create_user(UserName="bob")
    iam.attach_user_policy(UserName="bob", PolicyArn=ADMINISTRATOR)
    document = statement(Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[document])["ContextKeyNames"]
    assert keys == ["aws:RequestedRegion"]
    found = iam.get_context_keys_for_principal_policy(PolicySourceArn=bob, PolicyInputList=[document])
    assert found["ContextKeyNames"] == keys
    given: dict[str, Any] = {
        "PolicyInputList": [document],
        "PermissionsBoundaryPolicyInputList": [ALLOW_ALL],
        "ActionNames": ["sqs:SendMessage", "sqs:ReceiveMessage"],
        "ResourceArns": [f"arn:aws:sqs:eu-west-1:{account}:q"],
        "ResourcePolicy": statement(Principal={"AWS": account}),
        "ResourceOwner": f"arn:aws:iam::{account}:root",
        "CallerArn": bob,
        "ContextEntries": [{"ContextKeyName": keys[0], "ContextKeyValues": ["eu-west-2"], "ContextKeyType": "string"}],
        "MaxItems": 1,
    }
    custom = iam.simulate_custom_policy(**given)
    [result] = custom["EvaluationResults"]
    assert (result["EvalActionName"], result["EvalDecision"]) == ("sqs:SendMessage", "implicitDeny")
    rest = iam.simulate_custom_policy(**given, Marker=custom["Marker"])
    assert names(rest["EvaluationResults"], "EvalActionName") == ["sqs:ReceiveMessage"]
    inline = {"PolicyName": "p", "AttachmentType": "user", "AttachmentName": "bob"}
    excluded = [{"PolicyType": "scp"}, {"PolicyArn": BASIC}, {"InlinePolicyIdentifier": inline}]
    of_bob = iam.simulate_principal_policy(PolicySourceArn=bob, **given, PolicyExclusionList=excluded)
    [result] = of_bob["EvaluationResults"]
    assert result["EvalDecision"] == "allowed"
    assert names(result["MatchedStatements"], "SourcePolicyId") == ["AdministratorAccess", "ResourcePolicy"]
    rest = iam.simulate_principal_policy(PolicySourceArn=bob, **given, Marker=of_bob["Marker"])
    assert rest["IsTruncated"] is False


def unmade(iam: Any, account: str) -> None:
    """What tools ask for before they delete a user: there is none of it."""
    iam.create_user(UserName="bob")
    assert iam.list_mfa_devices(UserName="bob")["MFADevices"] == []
    assert iam.list_ssh_public_keys(UserName="bob")["SSHPublicKeys"] == []
    assert iam.list_signing_certificates(UserName="bob")["Certificates"] == []
    assert iam.list_service_specific_credentials(UserName="bob")["ServiceSpecificCredentials"] == []
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.list_server_certificates()["ServerCertificateMetadataList"] == []
    assert iam.list_saml_providers()["SAMLProviderList"] == []
    none = (404, "NoSuchEntity", "Login Profile for User bob cannot be found.")
    assert refused(iam.get_login_profile, UserName="bob") == none
    assert refused(iam.delete_login_profile, UserName="bob") == none
    none = (404, "NoSuchEntity", f"The Password Policy with domain name {account} cannot be found.")
    assert refused(iam.get_account_password_policy) == refused(iam.delete_account_password_policy) == none
    assert refused(iam.list_mfa_devices, UserName="eve")[1] == "NoSuchEntity"
    assert refused(iam.create_login_profile, UserName="bob", Password="x")[:2] == (501, "NotImplementedException")


SCENARIOS: Mapping[str, Scenario] = {
    each.__name__: each
    for each in (
        users,
        access_keys,
        groups,
        roles,
        policies,
        instance_profiles,
        providers,
        linked_roles,
        simulations,
        unmade,
        whole_account,
    )
}
