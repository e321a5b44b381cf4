from __future__ import annotations

import pytest

from functory.core.identity.port import Principal, PrincipalKind
from tests.support.iam_service import ACCOUNT, Iam

BOB = Principal(PrincipalKind.USER, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/bob", "AIDA1", "bob")
SESSION = Principal(PrincipalKind.ASSUMED_ROLE, ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s", "AROA1:s", "r")
ROOT = Principal(PrincipalKind.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)


def test_without_a_name_a_user_means_itself() -> None:
    iam = Iam()
    iam.user("bob")
    key = iam.call("CreateAccessKey", principal=BOB)["AccessKey"]
    assert key["UserName"] == "bob"
    assert len(iam.call("ListAccessKeys", principal=BOB)["AccessKeyMetadata"]) == 1
    assert iam.call("GetUser", principal=BOB)["User"]["UserName"] == "bob"
    iam.call("UpdateAccessKey", principal=BOB, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    iam.call("DeleteAccessKey", principal=BOB, AccessKeyId=key["AccessKeyId"])
    assert iam.call("ListAccessKeys", UserName="bob")["AccessKeyMetadata"] == []


def test_without_a_name_the_root_means_itself() -> None:
    iam = Iam()
    key = iam.call("CreateAccessKey", principal=ROOT)["AccessKey"]
    assert "UserName" not in key
    used = iam.call("GetAccessKeyLastUsed", AccessKeyId=key["AccessKeyId"])
    assert used == {"AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    assert iam.call("GetUser", principal=ROOT)["User"]["UserId"] == ACCOUNT


@pytest.mark.parametrize("operation", ["CreateAccessKey", "ListAccessKeys", "GetUser"])
def test_a_session_of_a_role_must_name_a_user(operation: str) -> None:
    assert Iam().refused(operation, principal=SESSION)[0] == "ValidationError"


def test_a_key_belongs_to_its_user_only() -> None:
    iam = Iam()
    iam.user("bob")
    iam.user("eve")
    key_id = iam.key("bob")["AccessKeyId"]
    gone = ("NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")
    assert iam.refused("DeleteAccessKey", UserName="eve", AccessKeyId=key_id) == gone
    assert iam.refused("UpdateAccessKey", UserName="eve", AccessKeyId=key_id, Status="Inactive") == gone
    assert iam.refused("DeleteAccessKey", AccessKeyId=key_id) == gone


def test_a_status_is_active_or_inactive() -> None:
    iam = Iam()
    iam.user("bob")
    key_id = iam.key("bob")["AccessKeyId"]
    assert iam.refused("UpdateAccessKey", UserName="bob", AccessKeyId=key_id, Status="Expired")[0] == "ValidationError"
