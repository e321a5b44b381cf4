from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.identity.policy_grammar import (
    GrammarError,
    PolicyKind,
    condition_keys,
    is_operator,
    parse_policy,
    policy_size,
)

SYNTAX = "Syntax errors in policy."
ALLOW: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
TRUST: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."


def document(*statements: Any, **members: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)} | members)


def problem(text: str, kind: PolicyKind = PolicyKind.IDENTITY) -> str:
    """What is said of a malformed document; ``""`` of a well-formed one."""
    try:
        parse_policy(text, kind)
    except GrammarError as error:
        return str(error)
    return ""


def changed(base: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The statement with other members; None removes one."""
    return {key: value for key, value in (base | members).items() if value is not None}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"Action": ["s3:*", "*", "dynamodb:Get?tem"]},
        {"Action": None, "NotAction": "iam:*"},
        {"Resource": None, "NotResource": ["arn:aws:s3:::b/*"]},
        {"Resource": "arn:aws:s3:::b/${aws:username}/*"},
        {"Resource": "arn:*:lambda:*:*:function:*"},
        {"Resource": "arn:aws:iam::111122223333:role/x"},
        {"Resource": "arn:aws:iam::111122223333:*"},
        {"Sid": "Read1"},
        {"Sid": ""},
        {"Effect": "Deny"},
        {"Condition": {"StringEquals": {"aws:username": "bob"}}},
        {
            "Condition": {
                "ForAllValues:StringLikeIfExists": {"aws:TagKeys": ["a", "b"]},
                "Bool": {"aws:SecureTransport": True},
            }
        },
        {"Condition": {"Null": {"aws:TokenIssueTime": "true"}, "NumericLessThan": {"s3:max-keys": 10}}},
    ],
)
def test_a_well_formed_statement_for_an_identity_passes(members: dict[str, Any]) -> None:
    assert problem(document(changed(ALLOW, **members))) == ""


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"Effect": None}, SYNTAX),
        ({"Effect": "allow"}, SYNTAX),
        ({"Action": None}, "Policy statement must contain actions."),
        ({"Action": []}, "Policy statement must contain actions."),
        ({"NotAction": "s3:*"}, SYNTAX),
        ({"Action": 3}, SYNTAX),
        ({"Action": "GetObject"}, VENDOR),
        ({"Action": "s3:Get:Object"}, "Actions/Condition can contain only one colon."),
        ({"Action": "s*:GetObject"}, "Vendor s* is not valid"),
        ({"Action": "s3:Get Object"}, SYNTAX),
        ({"Resource": None}, "Policy statement must contain resources."),
        ({"NotResource": "*"}, SYNTAX),
        ({"Resource": "bucket"}, 'Resource bucket must be in ARN format or "*".'),
        ({"Resource": "arn:aws:s3"}, 'Resource arn:aws:s3 must be in ARN format or "*".'),
        ({"Resource": "arn:mine:s3:::b"}, 'Partition "mine" is not valid for resource "arn:mine:s3:::b".'),
        ({"Resource": "arn:aws:s*:::b"}, "Resource vendor must be fully qualified and cannot contain regexes."),
        ({"Resource": "arn:aws:s3:eu-west-1::b"}, "Resource arn:aws:s3:eu-west-1::b can not contain region information."),
        ({"Resource": "arn:aws:iam:eu:1:role/x"}, "IAM resource arn:aws:iam:eu:1:role/x cannot contain region information."),
        ({"Principal": "*"}, "Policy document should not specify a principal."),
        ({"NotPrincipal": "*"}, "Policy document should not specify a principal."),
        (
            {"Sid": "a b"},
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
        ({"Sid": 1}, SYNTAX),
        ({"Condition": []}, SYNTAX),
        ({"Condition": {"StringEqualz": {"aws:username": "b"}}}, "Invalid Condition type : StringEqualz"),
        ({"Condition": {"NullIfExists": {"aws:username": "b"}}}, "Invalid Condition type : NullIfExists"),
        ({"Condition": {"StringEquals": "x"}}, SYNTAX),
        ({"Condition": {"StringEquals": {"username": "b"}}}, VENDOR),
        ({"Condition": {"StringEquals": {"aws:username": {"a": 1}}}}, SYNTAX),
        ({"Comment": "hello"}, SYNTAX),
    ],
)
def test_a_malformed_statement_for_an_identity_is_refused_in_awss_words(members: dict[str, Any], said: str) -> None:
    assert problem(document(changed(ALLOW, **members))) == said


def test_a_resource_of_iam_begins_with_a_kind() -> None:
    said = problem(document(changed(ALLOW, Resource="arn:aws:iam::111122223333:thing/x")))
    assert said.startswith('IAM resource path must either be "*" or start with user/, federated-user/, role/, ')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"text"',
        "{}",
        '{"Statement": []}',
        '{"Statement": ["x"]}',
        '{"Statement": [{"Effect": "Allow", "Effect": "Deny", "Action": "*", "Resource": "*"}]}',
        "[" * 50_000,
        document(ALLOW, Comment="x"),
        document(ALLOW, Id=3),
    ],
)
def test_what_is_no_document_is_a_syntax_error(text: str) -> None:
    assert problem(text) == SYNTAX


def test_the_version_is_one_of_two_or_left_out() -> None:
    assert problem(document(ALLOW, Version="2008-10-17")) == ""
    assert problem(json.dumps({"Statement": ALLOW})) == ""
    assert problem(document(ALLOW, Version="2012-10-18")) == "Policy document must be version 2012-10-17 or greater."


def test_statement_ids_are_unique() -> None:
    twice = document(ALLOW | {"Sid": "a"}, ALLOW | {"Sid": "a"})
    assert problem(twice) == "Statement IDs (SID) in a single policy must be unique."
    assert problem(document(ALLOW, ALLOW)) == ""


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": "*"},
        {"AWS": ["111122223333", "arn:aws:iam::111122223333:root"]},
        {"AWS": "arn:aws:iam::111122223333:user/team/bob"},
        {"AWS": "arn:aws:sts::111122223333:assumed-role/worker/session"},
        {"Service": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]},
        {"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},
        {"Federated": "cognito-identity.amazonaws.com"},
    ],
)
def test_a_trust_policy_names_whom_it_trusts(principal: Any) -> None:
    assert problem(document(changed(TRUST, Principal=principal)), PolicyKind.TRUST) == ""


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"Principal": None}, "Missing required field Principal"),
        ({"Principal": "bob"}, 'Invalid principal in policy: "AWS":"bob"'),
        ({"Principal": {"AWS": "bob"}}, 'Invalid principal in policy: "AWS":"bob"'),
        ({"Principal": {"Service": "lambda"}}, 'Invalid principal in policy: "SERVICE":"lambda"'),
        ({"Principal": {"Federated": "x"}}, "Federated principals must be valid domain names or SAML metadata ARNs"),
        ({"Principal": {"Person": "bob"}}, "Unknown principal type: Person"),
        ({"Principal": {}}, "Invalid principal in policy"),
        ({"Resource": "*"}, "Has prohibited field Resource"),
        ({"NotResource": "*"}, "Has prohibited field NotResource"),
        ({"Action": None}, "Missing required field Action"),
        ({"Action": "s3:GetObject"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ({"Action": "*"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ({"Action": "sts:GetCallerIdentity"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ({"Effect": "Alow"}, "Invalid effect: Alow"),
        ({"Effect": None}, "Missing required field Effect"),
        ({"Comment": "x"}, "Unknown field Comment"),
    ],
)
def test_a_malformed_trust_policy_is_refused_in_awss_words(members: dict[str, Any], said: str) -> None:
    assert problem(document(changed(TRUST, **members)), PolicyKind.TRUST) == said


@pytest.mark.parametrize("action", ["sts:AssumeRole*", "sts:TagSession", "STS:assumeRole", "sts:AssumeRoleWithWebIdentity"])
def test_a_trust_policy_may_name_every_way_to_assume(action: str) -> None:
    assert problem(document(changed(TRUST, Action=action)), PolicyKind.TRUST) == ""


def test_a_resource_policy_names_principal_and_resource() -> None:
    whole = ALLOW | {"Principal": {"AWS": "111122223333"}, "Sid": "any text goes here"}
    assert problem(document(whole), PolicyKind.RESOURCE) == ""
    assert problem(document(ALLOW), PolicyKind.RESOURCE) == "Missing required field Principal"
    assert problem(document(changed(whole, Resource=None)), PolicyKind.RESOURCE) == "Missing required field Resource"


def test_white_space_does_not_count() -> None:
    assert policy_size('{\n  "a": "b c"\t}\r\n') == len('{"a":"bc"}')


def test_condition_keys_are_those_of_conditions_and_of_variables() -> None:
    condition = {"StringEquals": {"aws:username": "${aws:PrincipalTag/team, 'x'}"}, "Bool": {"aws:SecureTransport": True}}
    text = document(changed(ALLOW, Condition=condition, Resource=["arn:aws:s3:::${aws:userid}/*", "arn:aws:s3:::${*}"]))
    found = list(condition_keys(parse_policy(text, PolicyKind.IDENTITY)))
    assert found == ["aws:userid", "aws:username", "aws:PrincipalTag/team", "aws:SecureTransport"]


def test_operators_have_any_case() -> None:
    assert is_operator("stringequals")
    assert is_operator("ForAnyValue:ArnLikeIfExists")
    assert not is_operator("ForSomeValue:StringLike")


@given(
    st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_anything_else_is_refused_and_nothing_else_is_raised(value: Any) -> None:
    for kind in PolicyKind:
        for member in ("Statement", "Principal", "Condition", "Action", "Resource"):
            whole = {"Statement": value} if member == "Statement" else {"Statement": ALLOW | {member: value}}
            problem(json.dumps(whole), kind)
