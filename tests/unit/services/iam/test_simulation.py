from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.iam_service import ACCOUNT, ADMINISTRATOR, ALLOW_ALL, OTHER, Iam, statement

BUCKET = "arn:aws:s3:::b/key"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"
READ = statement(Action="s3:GetObject")
DENY = statement(Effect="Deny", Action="s3:*", Resource="arn:aws:s3:::b/*")


def custom(iam: Iam, *policies: str, action: str = "s3:GetObject", **params: Any) -> dict[str, Any]:
    answer = iam.call("SimulateCustomPolicy", PolicyInputList=list(policies), ActionNames=[action], **params)
    found: dict[str, Any] = answer["EvaluationResults"][0]
    return found


def of_bob(iam: Iam, action: str = "s3:GetObject", **params: Any) -> dict[str, Any]:
    answer = iam.call("SimulatePrincipalPolicy", PolicySourceArn=BOB, ActionNames=[action], **params)
    found: dict[str, Any] = answer["EvaluationResults"][0]
    return found


def ids(result: dict[str, Any]) -> list[str]:
    return [each["SourcePolicyId"] for each in result["MatchedStatements"]]


@pytest.mark.parametrize(
    ("policies", "decision", "matched"),
    [
        ((READ,), "allowed", ["PolicyInputList.1"]),
        ((statement(Action="sqs:*"),), "implicitDeny", []),
        ((READ, ALLOW_ALL), "allowed", ["PolicyInputList.1", "PolicyInputList.2"]),
        ((READ, DENY), "explicitDeny", ["PolicyInputList.2"]),
    ],
)
def test_documents_are_decided_as_on_the_node(policies: tuple[str, ...], decision: str, matched: list[str]) -> None:
    result = custom(Iam(), *policies, ResourceArns=[BUCKET])
    assert (result["EvalDecision"], ids(result)) == (decision, matched)
    [of_resource] = result["ResourceSpecificResults"]
    assert (of_resource["EvalResourceName"], of_resource["EvalResourceDecision"]) == (BUCKET, decision)
    assert ids(of_resource) == matched
    assert result["EvalDecisionDetails"] == {}


def test_without_resources_there_is_one_result_for_everything() -> None:
    result = custom(Iam(), READ)
    assert result == {
        "EvalActionName": "s3:GetObject",
        "EvalResourceName": "*",
        "EvalDecision": "allowed",
        "MatchedStatements": [
            {
                "SourcePolicyId": "PolicyInputList.1",
                "SourcePolicyType": "IAM Policy",
                "StartPosition": {"Line": 1, "Column": 41},
                "EndPosition": {"Line": 1, "Column": len(READ) - 1},
            }
        ],
        "MissingContextValues": [],
    }


def test_an_action_is_as_its_strictest_resource() -> None:
    result = custom(Iam(), READ, DENY, ResourceArns=["arn:aws:s3:::other/key", BUCKET])
    assert (result["EvalDecision"], ids(result)) == ("explicitDeny", ["PolicyInputList.2"])
    assert [each["EvalResourceDecision"] for each in result["ResourceSpecificResults"]] == ["allowed", "explicitDeny"]


def test_facts_are_given_or_missing() -> None:
    document = statement(Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, Action="s3:*")
    result = custom(Iam(), document)
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("implicitDeny", ["aws:RequestedRegion"])
    entry = {"ContextKeyName": "AWS:requestedregion", "ContextKeyValues": ["eu-west-1"], "ContextKeyType": "string"}
    result = custom(Iam(), document, ContextEntries=[entry])
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("allowed", [])


def test_a_boundary_limits_and_says_so() -> None:
    limit = statement(Action="sqs:*")
    result = custom(Iam(), ALLOW_ALL, PermissionsBoundaryPolicyInputList=[limit])
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    result = custom(Iam(), ALLOW_ALL, PermissionsBoundaryPolicyInputList=[limit], action="sqs:SendMessage")
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": True}
    assert result["EvalDecision"] == "allowed"


def test_a_user_has_what_it_and_its_groups_were_given() -> None:
    iam = Iam()
    iam.user()
    iam.call("CreateGroup", GroupName="team")
    iam.call("AddUserToGroup", GroupName="team", UserName="bob")
    assert of_bob(iam)["EvalDecision"] == "implicitDeny"
    iam.call("PutUserPolicy", UserName="bob", PolicyName="mine", PolicyDocument=READ)
    iam.call("AttachGroupPolicy", GroupName="team", PolicyArn=ADMINISTRATOR)
    iam.call("PutGroupPolicy", GroupName="team", PolicyName="ours", PolicyDocument=READ)
    assert ids(of_bob(iam)) == ["user_bob_mine", "group_team_ours", "AdministratorAccess"]
    own = statement(Resource="arn:aws:s3:::${aws:username}/*")
    iam.call("DetachGroupPolicy", GroupName="team", PolicyArn=ADMINISTRATOR)
    assert (
        of_bob(iam, "s3:PutObject", PolicyInputList=[own], ResourceArns=["arn:aws:s3:::bob/x"])["EvalDecision"] == "allowed"
    )
    iam.call(
        "PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=iam.policy("limit", statement(Action="sqs:*"))
    )
    assert of_bob(iam)["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        ({"PolicyType": "inline"}, ["limit", "AdministratorAccess"]),
        ({"PolicyType": "aws-managed"}, ["user_bob_mine", "limit"]),
        ({"PolicyType": "user-managed"}, ["user_bob_mine", "AdministratorAccess"]),
        ({"PolicyType": "scp"}, ["user_bob_mine", "limit", "AdministratorAccess"]),
        ({"PolicyArn": "arn:aws:iam::aws:policy/Admin*Acc?ss"}, ["user_bob_mine", "limit"]),
        ({"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/other"}, ["user_bob_mine", "limit", "AdministratorAccess"]),
        (
            {"InlinePolicyIdentifier": {"PolicyName": "mine", "AttachmentType": "user", "AttachmentName": "bob"}},
            ["limit", "AdministratorAccess"],
        ),
        (
            {"InlinePolicyIdentifier": {"PolicyName": "mine", "AttachmentType": "role", "AttachmentName": "bob"}},
            ["user_bob_mine", "limit", "AdministratorAccess"],
        ),
    ],
)
def test_attached_policies_can_be_left_out(entry: dict[str, Any], left: list[str]) -> None:
    iam = Iam()
    iam.user()
    iam.call("PutUserPolicy", UserName="bob", PolicyName="mine", PolicyDocument=READ)
    for arn in (iam.policy("limit", READ), ADMINISTRATOR):
        iam.call("AttachUserPolicy", UserName="bob", PolicyArn=arn)
    assert ids(of_bob(iam, PolicyExclusionList=[entry])) == left


def test_a_boundary_can_be_left_out() -> None:
    iam = Iam()
    iam.user(PermissionsBoundary=iam.policy("limit", statement(Action="sqs:*")))
    iam.call("AttachUserPolicy", UserName="bob", PolicyArn=ADMINISTRATOR)
    assert of_bob(iam)["EvalDecision"] == "implicitDeny"
    result = of_bob(iam, PolicyExclusionList=[{"PolicyType": "permission-boundary"}])
    assert result["EvalDecision"] == "allowed"
    assert "PermissionsBoundaryDecisionDetail" not in result


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"PolicyType": "scp", "PolicyArn": ADMINISTRATOR},
        {"PolicyArn": "nothing-of-the-kind-at-all"},
        {"PolicyArn": "arn:aws:iam::*:policy/AdministratorAccess"},
        {"PolicyArn": "arn:aws:iam::aws:policy/*Administrator*"},
    ],
)
def test_an_exclusion_names_one_thing(entry: dict[str, Any]) -> None:
    iam = Iam()
    iam.user()
    params = {"PolicySourceArn": BOB, "ActionNames": ["s3:GetObject"], "PolicyExclusionList": [entry]}
    assert iam.refused("SimulatePrincipalPolicy", **params)[0] == "InvalidInput"


def test_groups_and_roles_are_simulated_too() -> None:
    iam = Iam()
    group = iam.call("CreateGroup", GroupName="team")["Group"]["Arn"]
    iam.call("PutGroupPolicy", GroupName="team", PolicyName="p", PolicyDocument=READ)
    role = iam.role()["Arn"]
    iam.call("PutRolePolicy", RoleName="worker", PolicyName="p", PolicyDocument=READ)
    for arn, matched in ((group, "group_team_p"), (role, "role_worker_p")):
        answer = iam.call("SimulatePrincipalPolicy", PolicySourceArn=arn, ActionNames=["s3:GetObject"])
        assert ids(answer["EvaluationResults"][0]) == [matched]


def test_a_resource_policy_of_another_account_must_allow_too() -> None:
    iam = Iam()
    iam.user()
    queue = f"arn:aws:sqs:eu-west-1:{OTHER}:q"
    allows = statement(Principal={"AWS": BOB}, Action="sqs:*")
    params = {"action": "sqs:SendMessage", "CallerArn": BOB, "ResourceArns": [queue], "ResourceOwner": OTHER}
    assert custom(iam, ALLOW_ALL, ResourcePolicy=allows, **params)["EvalDecision"] == "allowed"
    stranger = statement(Principal={"AWS": "999988887777"}, Action="sqs:*")
    assert custom(iam, ALLOW_ALL, ResourcePolicy=stranger, **params)["EvalDecision"] == "implicitDeny"
    assert custom(iam, READ, ResourcePolicy=allows, **params)["EvalDecision"] == "implicitDeny"


def test_results_come_in_pages() -> None:
    iam = Iam()
    actions = ["s3:GetObject", "sqs:SendMessage", "s3:PutObject"]
    first = iam.call("SimulateCustomPolicy", PolicyInputList=[READ], ActionNames=actions, MaxItems=2)
    rest = iam.call("SimulateCustomPolicy", PolicyInputList=[READ], ActionNames=actions, Marker=first["Marker"])
    results = first["EvaluationResults"] + rest["EvaluationResults"]
    assert [each["EvalActionName"] for each in results] == actions
    assert (first["IsTruncated"], rest["IsTruncated"]) == (True, False)


@pytest.mark.parametrize(
    "params",
    [
        {"ActionNames": ["GetObject"]},
        {"ActionNames": ["s3:*"]},
        {"PolicyInputList": ["{"]},
        {"ResourceArns": ["bucket"]},
        {"ContextEntries": [{"ContextKeyName": "aws:x"}]},
        {"ContextEntries": [{"ContextKeyName": "aws:x", "ContextKeyValues": ["a", "b"], "ContextKeyType": "string"}]},
        {"PermissionsBoundaryPolicyInputList": [READ, READ]},
        {"ResourcePolicy": statement(Principal="*")},
        {"CallerArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/a/b"},
        {"ResourceHandlingOption": "EC2-VPC-InstanceStore"},
        {"OrderedOrganizationPolicyInputList": [{}]},
    ],
)
def test_what_cannot_be_simulated_is_refused(params: dict[str, Any]) -> None:
    whole = {"PolicyInputList": [READ], "ActionNames": ["s3:GetObject"]} | params
    assert Iam().refused("SimulateCustomPolicy", **whole)[0] == "InvalidInput"


def test_whose_policies_must_exist() -> None:
    said = ("NoSuchEntity", "The user with name bob cannot be found.")
    assert Iam().refused("SimulatePrincipalPolicy", PolicySourceArn=BOB, ActionNames=["s3:GetObject"]) == said
    arn = f"arn:aws:iam::{ACCOUNT}:policy/p"
    assert Iam().refused("SimulatePrincipalPolicy", PolicySourceArn=arn, ActionNames=["s3:GetObject"])[0] == "InvalidInput"


def test_context_keys_are_told_once() -> None:
    iam = Iam()
    iam.user()
    document = statement(Condition={"StringEquals": {"aws:RequestedRegion": "${aws:username}"}})
    iam.call("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=document)
    more = statement(Condition={"Bool": {"aws:SecureTransport": True}, "StringLike": {"AWS:USERNAME": "b*"}})
    keys = iam.call("GetContextKeysForCustomPolicy", PolicyInputList=[document, more])["ContextKeyNames"]
    assert keys == ["aws:RequestedRegion", "aws:username", "aws:SecureTransport"]
    assert iam.call("GetContextKeysForPrincipalPolicy", PolicySourceArn=BOB)["ContextKeyNames"] == keys[:2]
    assert iam.refused("GetContextKeysForCustomPolicy", PolicyInputList=[json.dumps({})])[0] == "InvalidInput"
