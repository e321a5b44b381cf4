"""STS on a node that asks nobody who they are, as boto3 sees it."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from tests.support.functions import call, make_function
from tests.support.node import ACCOUNT, REGION, Node

OTHER = "444455556666"


@pytest.fixture(scope="module")
def sts(node: Node) -> Any:
    return node.client("sts")


def test_everybody_is_the_root_user_of_their_account(node: Node, sts: Any) -> None:
    found = sts.get_caller_identity()
    assert (found["UserId"], found["Account"], found["Arn"]) == (ACCOUNT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
    assert node.client("sts", account=OTHER).get_caller_identity()["Account"] == OTHER


def test_any_role_can_be_assumed_and_its_session_acts_in_its_account(node: Node, sts: Any) -> None:
    answer = sts.assume_role(RoleArn=f"arn:aws:iam::{OTHER}:role/deploy", RoleSessionName="ci")
    keys = answer["Credentials"]
    session = boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)
    other = session.client("sts", endpoint_url=node.url)
    assert other.get_caller_identity()["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/deploy/ci"
    make_function(node.client("lambda", account=OTHER), "of-other")
    assert call(session.client("lambda", endpoint_url=node.url), "of-other", 1) == 1
    node.client("lambda", account=OTHER).delete_function(FunctionName="of-other")


def test_other_sessions(sts: Any) -> None:
    assert sts.get_session_token()["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert sts.get_federation_token(Name="bob")["FederatedUser"]["FederatedUserId"] == f"{ACCOUNT}:bob"
    key = sts.get_session_token()["Credentials"]["AccessKeyId"]
    assert sts.get_access_key_info(AccessKeyId=key)["Account"] == ACCOUNT
