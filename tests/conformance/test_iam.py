from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from functory.aws import model
from scripts.generate_docs import read_coverage, status_of
from tests.support.iam_scenarios import SCENARIOS, refused
from tests.support.iam_service import ALLOW_ALL, BASIC, TRUST, statement
from tests.support.node import Node, run
from tests.support.recorder import Recorder, members_of

AWS = str(Path(sys.executable).with_name("aws"))

# What no answer has here, or AWS has in no answer.
NEVER_TOLD = {
    ("User", "PasswordLastUsed"): "passwords are absent",
    ("Role", "SourceRoleTemplate"): "role templates are absent",
    ("SourceRoleTemplate", "TemplateArn"): "role templates are absent",
    ("SourceRoleTemplate", "TemplateMinorVersion"): "role templates are absent",
    ("RoleLastUsed", "LastUsedDate"): "nobody signs where nobody is authenticated",
    ("RoleLastUsed", "Region"): "nobody signs where nobody is authenticated",
    ("AccessKeyLastUsed", "LastUsedDate"): "nobody signs where nobody is authenticated",
    ("ManagedPolicyDetail", "Description"): "AWS leaves it out",
    ("GetServiceLinkedRoleDeletionStatusResponse", "Reason"): "no deletion fails",
    ("DeletionTaskFailureReasonType", "Reason"): "no deletion fails",
    ("DeletionTaskFailureReasonType", "RoleUsageList"): "no deletion fails",
    ("RoleUsageType", "Region"): "no deletion fails",
    ("RoleUsageType", "Resources"): "no deletion fails",
    ("ListAccountAliasesResponse", "Marker"): "an account has one alias",
    ("EvaluationResult", "OrganizationsDecisionDetail"): "no account is in an organization",
    ("OrganizationsDecisionDetail", "AllowedByOrganizations"): "no account is in an organization",
    ("ResourceSpecificResult", "EvalDecisionDetails"): "AWS: of decisions across accounts only; see simulation.py",
}
NEVER_ASKED = {
    ("ListAccountAliasesRequest", "Marker"): "an account has one alias",
    ("SimulateCustomPolicyRequest", "OrderedOrganizationPolicyInputList"): "refused",
    ("SimulateCustomPolicyRequest", "ResourceHandlingOption"): "refused",
    ("SimulatePrincipalPolicyRequest", "ResourceHandlingOption"): "refused",
}
# Lists of what nobody has, and what is always missing: nothing is in them, nothing comes after them.
NEVER_ANSWERED = {"DeleteAccountPasswordPolicy", "DeleteLoginProfile", "GetAccountPasswordPolicy", "GetLoginProfile"}
UNMADE = NEVER_ANSWERED | {
    "ListMFADevices",
    "ListSAMLProviders",
    "ListSSHPublicKeys",
    "ListServerCertificates",
    "ListServiceSpecificCredentials",
    "ListSigningCertificates",
    "ListVirtualMFADevices",
}
# Below members that are refused.
REFUSED_SHAPES = {"OrderedOrganizationPolicyType"}


@pytest.fixture(params=sorted(SCENARIOS))
def scenario(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_story_goes_as_with_aws(node: Node, scenario: str) -> None:
    account = f"{700000000000 + sorted(SCENARIOS).index(scenario)}"
    SCENARIOS[scenario](node.client("iam", account=account), account)


def test_the_stories_call_every_operation_with_every_member(node: Node) -> None:
    seen = []
    for number, name in enumerate(sorted(SCENARIOS)):
        account = f"{800000000000 + number}"
        client = node.client("iam", account=account)
        seen.append(Recorder(client))
        SCENARIOS[name](client, account)
    done = {operation for operation, row in read_coverage("iam").items() if status_of(row) != "absent"}
    called = set().union(*(each.operations for each in seen))
    assert called | NEVER_ANSWERED == done
    shapes = [model.operation("iam", operation) for operation in sorted(done - UNMADE)]
    asked, told = set().union(*(each.asked for each in seen)), set().union(*(each.told for each in seen))
    never_asked = set().union(*(members_of(each.input_shape) for each in shapes)) - asked
    never_asked = {member for member in never_asked if member[0] not in REFUSED_SHAPES}
    never_told = set().union(*(members_of(each.output_shape) for each in shapes)) - told
    assert (sorted(never_asked), sorted(never_told)) == (sorted(NEVER_ASKED), sorted(NEVER_TOLD))


def test_accounts_do_not_see_one_another(node: Node) -> None:
    mine, theirs = (node.client("iam", account=account) for account in ("900000000001", "900000000002"))
    for iam in (mine, theirs):
        iam.create_user(UserName="bob")
    arn = mine.create_policy(PolicyName="p", PolicyDocument=ALLOW_ALL)["Policy"]["Arn"]
    assert refused(theirs.get_policy, PolicyArn=arn) == (404, "NoSuchEntity", f"Policy {arn} was not found.")
    said = (404, "NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")
    assert refused(theirs.attach_user_policy, UserName="bob", PolicyArn=arn) == said
    key = mine.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]
    assert refused(theirs.delete_access_key, UserName="bob", AccessKeyId=key)[1] == "NoSuchEntity"
    assert refused(theirs.get_access_key_last_used, AccessKeyId=key)[1] == "NoSuchEntity"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "Syntax errors in policy."),
        (statement(Principal="*"), "Policy document should not specify a principal."),
        (statement(Resource="bucket"), 'Resource bucket must be in ARN format or "*".'),
        (statement(Action="Get"), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    ],
)
def test_a_malformed_policy_is_refused_and_changes_nothing(node: Node, document: str, said: str) -> None:
    iam = node.client("iam", account="900000000003")
    answer = refused(iam.create_policy, PolicyName="p", PolicyDocument=document)
    assert answer == (400, "MalformedPolicyDocument", said)
    assert iam.list_policies(Scope="Local")["Policies"] == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (
            {"UserName": "a b"},
            (
                "The specified value for userName is invalid. "
                "It must contain only alphanumeric characters and/or the following: +=,.@_-"
            ),
        ),
        (
            {"UserName": "bob", "Path": "team"},
            (
                "The specified value for path is invalid. "
                "It must begin and end with / and contain only alphanumeric characters and/or / characters."
            ),
        ),
        (
            {"UserName": "b b" * 30},
            (
                f"1 validation error detected: Value '{'b b' * 30}' at 'userName' failed to satisfy constraint: "
                "Member must have length less than or equal to 64"
            ),
        ),
    ],
)
def test_names_and_paths_are_checked_in_awss_words(node: Node, params: dict[str, str], said: str) -> None:
    iam = node.client("iam", account="900000000008", validate=False)
    assert refused(iam.create_user, **params) == (400, "ValidationError", said)


def test_what_does_not_fit_is_refused(node: Node) -> None:
    iam = node.client("iam", account="900000000004")
    iam.create_user(UserName="bob")
    iam.create_group(GroupName="g")
    long = statement(Resource=[f"arn:aws:s3:::{'b' * 60}{number}" for number in range(32)])
    said = (409, "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user bob")
    assert refused(iam.put_user_policy, UserName="bob", PolicyName="p", PolicyDocument=long) == said
    iam.put_group_policy(GroupName="g", PolicyName="p", PolicyDocument=long)
    trust = json.loads(TRUST)
    trust["Statement"] *= 40
    said = (409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
    assert refused(iam.create_role, RoleName="r", AssumeRolePolicyDocument=json.dumps(trust)) == said
    whole = statement(Resource=[f"arn:aws:s3:::{'b' * 60}{number}" for number in range(90)])
    said = (409, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    assert refused(iam.create_policy, PolicyName="p", PolicyDocument=whole) == said


def test_everything_survives_a_crash(node: Node) -> None:
    """One node of its own would cost a start; what was answered is in the database, which another process reads."""
    import sqlite3

    iam = node.client("iam", account="900000000005")
    secret = iam.create_access_key()["AccessKey"]["SecretAccessKey"]
    iam.create_user(UserName="kept")
    with sqlite3.connect(f"file:{node.data_dir / 'functory.db'}?mode=ro", uri=True) as database:
        kept = database.execute("SELECT count(*) FROM iam_entities WHERE account_id = '900000000005'").fetchone()
        [(sealed,)] = database.execute("SELECT secret FROM iam_access_keys WHERE account_id = '900000000005'").fetchall()
    assert kept == (1,)
    assert secret.encode() not in sealed
    assert secret not in node.log_file.read_text(encoding="utf-8")


def test_the_aws_cli_manages_a_role(node: Node) -> None:
    environ = node.aws_environment() | {"AWS_ACCESS_KEY_ID": "900000000007", "AWS_PAGER": ""}

    def aws(*arguments: str) -> Any:
        printed = run(AWS, "iam", *arguments, "--output", "json", environ=environ).stdout
        return json.loads(printed) if printed.strip() else None

    made = aws("create-role", "--role-name", "worker", "--assume-role-policy-document", TRUST, "--tags", "Key=a,Value=b")
    assert made["Role"]["AssumeRolePolicyDocument"] == json.loads(TRUST)
    aws("wait", "role-exists", "--role-name", "worker")
    aws("attach-role-policy", "--role-name", "worker", "--policy-arn", BASIC)
    aws("put-role-policy", "--role-name", "worker", "--policy-name", "p", "--policy-document", ALLOW_ALL)
    found = aws("get-role-policy", "--role-name", "worker", "--policy-name", "p")
    assert found["PolicyDocument"] == json.loads(ALLOW_ALL)
    assert aws("list-attached-role-policies", "--role-name", "worker")["AttachedPolicies"][0]["PolicyArn"] == BASIC
    done = run(AWS, "iam", "delete-role", "--role-name", "worker", environ=environ, check=False)
    assert done.returncode != 0
    said = "An error occurred (DeleteConflict) when calling the DeleteRole operation: Cannot delete entity, must detach all"
    assert said in done.stderr


def test_the_command_line_makes_an_administrator_while_the_node_runs(node: Node) -> None:
    def bootstrap(*arguments: str, check: bool = True) -> Any:
        wanted = ("--data-dir", str(node.data_dir), "--account", "900000000006", "--json", *arguments)
        return node.functory("iam", "bootstrap", *wanted, check=check)

    made = json.loads(bootstrap().stdout)
    iam = node.client("iam", account="900000000006")
    assert iam.list_access_keys(UserName="admin")["AccessKeyMetadata"][0]["AccessKeyId"] == made["access_key_id"]
    again = bootstrap(check=False)
    assert (again.returncode, again.stdout) == (1, "")
    assert "has a user admin already" in again.stderr
    assert json.loads(bootstrap("--user-name", "second").stdout)["user_name"] == "second"
