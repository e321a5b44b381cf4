from __future__ import annotations

import json

import pytest

from functory.core.identity.policy_grammar import PolicyKind, parse_policy, policy_size
from functory.services.iam.aws_policies import aws_policies

POLICIES = aws_policies()


@pytest.mark.parametrize("arn", sorted(POLICIES))
def test_a_policy_of_aws_is_well_formed(arn: str) -> None:
    policy = POLICIES[arn]
    parse_policy(policy.document, PolicyKind.IDENTITY)
    assert policy_size(policy.document) <= 6144
    assert policy.created_s <= policy.updated_s
    assert (policy.version == 1) == (policy.created_s == policy.updated_s)
    assert policy.description


def test_ids_differ() -> None:
    assert len({policy.id for policy in POLICIES.values()}) == len(POLICIES)
    assert all(policy.id.startswith("ANPA") and len(policy.id) == 21 for policy in POLICIES.values())


@pytest.mark.parametrize(
    "arn",
    [
        "AdministratorAccess",
        "PowerUserAccess",
        "ReadOnlyAccess",
        "IAMFullAccess",
        "AWSLambda_FullAccess",
        "AWSLambda_ReadOnlyAccess",
        "AWSLambdaExecute",
        "service-role/AWSLambdaRole",
        "service-role/AWSLambdaBasicExecutionRole",
        "service-role/AWSLambdaVPCAccessExecutionRole",
        "service-role/AWSLambdaSQSQueueExecutionRole",
        "service-role/AWSLambdaKinesisExecutionRole",
        "service-role/AWSLambdaDynamoDBExecutionRole",
        "service-role/AWSLambdaMSKExecutionRole",
        "service-role/AWSLambdaBasicDurableExecutionRolePolicy",
        "AWSXRayDaemonWriteAccess",
    ],
)
def test_what_functions_are_usually_given_is_there(arn: str) -> None:
    assert f"arn:aws:iam::aws:policy/{arn}" in POLICIES


def test_the_basic_role_writes_logs_and_nothing_else() -> None:
    document = json.loads(POLICIES["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"].document)
    assert document["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": "*",
        }
    ]
