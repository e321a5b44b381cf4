from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote

import pytest

from tests.support.iam_service import ACCOUNT, ADMINISTRATOR, ALLOW_ALL, OTHER, TRUST, Iam


def test_a_name_is_unique_and_found_in_any_case() -> None:
    iam = Iam()
    iam.user("Bob")
    assert iam.refused("CreateUser", UserName="BOB") == ("EntityAlreadyExists", "User with name BOB already exists.")
    assert iam.call("GetUser", UserName="bOB")["User"]["UserName"] == "Bob"
    iam.call("CreateGroup", GroupName="bob")
    iam.user("Bob", account=OTHER)


def test_another_spelling_of_ones_own_name_is_no_conflict() -> None:
    iam = Iam()
    iam.user("bob")
    iam.user("eve")
    iam.call("UpdateUser", UserName="bob", NewUserName="BOB")
    assert iam.call("GetUser", UserName="bob")["User"]["UserName"] == "BOB"
    assert iam.refused("UpdateUser", UserName="bob", NewUserName="Eve")[0] == "EntityAlreadyExists"


def test_what_hangs_on_a_renamed_user_stays_with_it() -> None:
    iam = Iam()
    iam.user("bob")
    iam.call("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=ALLOW_ALL)
    iam.call("UpdateUser", UserName="bob", NewUserName="rob", NewPath="/x/")
    assert iam.call("ListUserPolicies", UserName="rob")["PolicyNames"] == ["p"]
    assert iam.refused("GetUser", UserName="bob")[0] == "NoSuchEntity"


def test_a_new_user_of_an_old_name_has_nothing_of_the_old_one() -> None:
    iam = Iam()
    old = iam.user("bob")
    iam.call("DeleteUser", UserName="bob")
    assert iam.user("bob")["UserId"] != old["UserId"]


def test_quotas_are_per_account() -> None:
    iam = Iam()
    for number in range(300):
        iam.call("CreateGroup", GroupName=f"g{number}")
    assert iam.refused("CreateGroup", GroupName="one") == ("LimitExceeded", "Cannot exceed quota for GroupsPerAccount: 300")
    iam.call("CreateGroup", GroupName="one", account=OTHER)


def test_a_user_is_in_ten_groups_at_most() -> None:
    iam = Iam()
    iam.user()
    for number in range(11):
        iam.call("CreateGroup", GroupName=f"g{number}")
    for number in range(10):
        iam.call("AddUserToGroup", GroupName=f"g{number}", UserName="bob")
    said = ("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")
    assert iam.refused("AddUserToGroup", GroupName="g10", UserName="bob") == said
    assert len(iam.call("ListGroupsForUser", UserName="bob")["Groups"]) == 10


def test_ten_policies_are_attached_at_most() -> None:
    iam = Iam()
    iam.role()
    for number in range(10):
        iam.call("AttachRolePolicy", RoleName="worker", PolicyArn=iam.policy(f"p{number}"))
    said = ("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")
    assert iam.refused("AttachRolePolicy", RoleName="worker", PolicyArn=iam.policy("p10")) == said


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("CreatePolicyVersion", {"PolicyDocument": ALLOW_ALL}),
        ("DeletePolicy", {}),
        ("DeletePolicyVersion", {"VersionId": "v1"}),
        ("SetDefaultPolicyVersion", {"VersionId": "v1"}),
    ],
)
def test_what_aws_manages_is_not_changed(operation: str, params: dict[str, Any]) -> None:
    assert Iam().refused(operation, PolicyArn=ADMINISTRATOR, **params)[0] == "AccessDenied"


@pytest.mark.parametrize("arn", ["arn:aws:iam::aws:policy/Nope", f"arn:aws:iam::{OTHER}:policy/p", ADMINISTRATOR + "x"])
def test_a_boundary_is_a_policy_of_the_account_or_of_aws(arn: str) -> None:
    iam = Iam()
    iam.policy("p", account=OTHER)
    said = ("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    assert iam.refused("CreateUser", UserName="bob", PermissionsBoundary=arn) == said
    assert iam.refused("GetUser", UserName="bob")[0] == "NoSuchEntity"
    iam.user()
    assert iam.refused("PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=arn) == said


@pytest.mark.parametrize(
    "arn", ["AWSLambdaBasicExecutionRole", f"arn:aws:iam::{ACCOUNT}:role/worker", "arn:aws:s3:::bucket/policy/x"]
)
def test_what_is_no_policys_arn_is_not_looked_for(arn: str) -> None:
    iam = Iam()
    iam.user()
    said = ("InvalidInput", f"ARN {arn} is not valid.")
    for operation in ("AttachUserPolicy", "DetachUserPolicy"):
        assert iam.refused(operation, UserName="bob", PolicyArn=arn) == said
    for operation in ("GetPolicy", "DeletePolicy", "ListPolicyVersions", "ListEntitiesForPolicy"):
        assert iam.refused(operation, PolicyArn=arn) == said
    assert iam.refused("PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=arn) == said


def test_a_trust_policy_names_users_that_exist() -> None:
    iam = Iam()
    iam.user("bob", Path="/team/")
    trust = json.loads(TRUST)
    trust["Statement"][0]["Principal"] = {"AWS": [f"arn:aws:iam::{ACCOUNT}:user/team/bob", f"arn:aws:iam::{OTHER}:user/any"]}
    iam.role("r", json.dumps(trust))
    trust["Statement"][0]["Principal"] = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/absent"}
    said = f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:role/absent"'
    refusal = iam.refused("CreateRole", RoleName="s", AssumeRolePolicyDocument=json.dumps(trust))
    assert refusal == ("MalformedPolicyDocument", said)


def trusting(*principals: str) -> str:
    trust = json.loads(TRUST)
    trust["Statement"][0]["Principal"] = {"AWS": list(principals), "Service": "lambda.amazonaws.com"}
    return json.dumps(trust)


def trusted(iam: Iam, role: str = "worker") -> list[str]:
    """The principals that a role's policy names, as GetRole tells and as AssumeRole sees."""
    row = iam.call("GetRole", RoleName=role)["Role"]
    shown = json.loads(unquote(row["AssumeRolePolicyDocument"]))
    found = asyncio.run(iam.identities.find_role(row["Arn"]))
    assert found is not None
    assert json.loads(found.trust_policy) == shown
    principals: list[str] = shown["Statement"][0]["Principal"]["AWS"]
    return principals


def test_a_name_that_is_given_anew_inherits_no_trust() -> None:
    iam = Iam()
    bob, eve, helper = iam.user("bob"), iam.user("eve"), iam.role("helper")
    iam.role("worker", trusting(bob["Arn"], eve["Arn"], helper["Arn"]))
    iam.call("DeleteUser", UserName="bob")
    iam.call("DeleteRole", RoleName="helper")
    iam.user("bob")
    assert trusted(iam) == [bob["UserId"], eve["Arn"], helper["RoleId"]]
    refusal = iam.refused("UpdateAssumeRolePolicy", RoleName="worker", PolicyDocument=trusting(bob["UserId"]))
    assert refusal == ("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{bob["UserId"]}"')
    iam.call("UpdateAssumeRolePolicy", RoleName="worker", PolicyDocument=trusting(eve["UserId"]))
    assert trusted(iam) == [eve["UserId"]]


def test_trust_follows_a_user_to_its_new_name() -> None:
    iam = Iam()
    bob = iam.user("bob")
    iam.role("worker", trusting(bob["Arn"]))
    iam.role("other", trusting(bob["Arn"]), account=OTHER)
    iam.call("UpdateUser", UserName="bob", NewUserName="rob", NewPath="/team/")
    assert trusted(iam) == [f"arn:aws:iam::{ACCOUNT}:user/team/rob"]
    iam.user("bob")
    iam.call("UpdateAssumeRolePolicy", RoleName="worker", PolicyDocument=TRUST)
    iam.call("DeleteUser", UserName="rob")
    found = asyncio.run(iam.identities.find_role(f"arn:aws:iam::{OTHER}:role/other"))
    assert found is not None
    assert bob["UserId"] in found.trust_policy


@pytest.mark.parametrize(
    "url",
    ["http://a.example", "https://", "https://a.example?x=1", "https://u@a.example", "https://a.example:8443", "a.example"],
)
def test_a_provider_has_a_plain_https_url(url: str) -> None:
    assert Iam().refused("CreateOpenIDConnectProvider", Url=url)[0] == "ValidationError"


def test_an_alias_is_of_one_account_and_no_account_id() -> None:
    iam = Iam()
    iam.call("CreateAccountAlias", AccountAlias="acme")
    taken = ("EntityAlreadyExists", "The account alias acme already exists.")
    assert iam.refused("CreateAccountAlias", AccountAlias="acme", account=OTHER) == taken
    assert iam.refused("CreateAccountAlias", AccountAlias="123456789012")[0] == "InvalidInput"
    assert iam.refused("DeleteAccountAlias", AccountAlias="acme", account=OTHER)[0] == "NoSuchEntity"
    iam.call("CreateAccountAlias", AccountAlias="acme-2")
    assert iam.call("ListAccountAliases")["AccountAliases"] == ["acme-2"]
    iam.call("CreateAccountAlias", AccountAlias="acme", account=OTHER)


@pytest.mark.parametrize(
    "params", [{"AWSServiceName": "unknown.amazonaws.com"}, {"AWSServiceName": "lambda.amazonaws.com", "CustomSuffix": "x"}]
)
def test_a_service_linked_role_is_of_a_known_service(params: dict[str, Any]) -> None:
    assert Iam().refused("CreateServiceLinkedRole", **params)[0] == "InvalidInput"


def test_an_ordinary_role_is_not_deleted_as_a_linked_one() -> None:
    iam = Iam()
    iam.role()
    assert iam.refused("DeleteServiceLinkedRole", RoleName="worker")[0] == "NoSuchEntity"
    assert iam.refused("GetServiceLinkedRoleDeletionStatus", DeletionTaskId="task/x")[0] == "NoSuchEntity"
    said = iam.refused("CreateRole", RoleName="r", Path="/aws-service-role/x/", AssumeRolePolicyDocument=TRUST)
    assert said[0] == "ValidationError"
