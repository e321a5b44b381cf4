from __future__ import annotations

from typing import Any

import pytest

from tests.support.iam_service import ADMINISTRATOR, Iam


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def test_a_key_in_another_case_replaces_the_old_one() -> None:
    iam = Iam()
    iam.user(Tags=tags(Team="a", cost="1"))
    iam.call("TagUser", UserName="bob", Tags=tags(team="b"))
    assert iam.call("ListUserTags", UserName="bob")["Tags"] == tags(cost="1", team="b")
    iam.call("UntagUser", UserName="bob", TagKeys=["TEAM", "absent"])
    assert iam.call("ListUserTags", UserName="bob")["Tags"] == tags(cost="1")


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (tags(a="1") + tags(A="2"), "InvalidInput", "Duplicate tag keys found."),
        (tags(**{"aws:x": "1"}), "InvalidInput", "Tag keys starting with 'aws:'"),
        (tags(**{f"k{number}": "" for number in range(50)}), "LimitExceeded", "Cannot exceed quota for TagsPerResource: 50"),
    ],
)
def test_tags_that_cannot_be_are_refused_and_change_nothing(given: list[dict[str, str]], code: str, said: str) -> None:
    iam = Iam()
    iam.user(Tags=tags(first="1"))
    refusal = iam.refused("TagUser", UserName="bob", Tags=given)
    assert refusal[0] == code
    assert refusal[1].startswith(said)
    assert iam.call("ListUserTags", UserName="bob")["Tags"] == tags(first="1")


def test_policies_of_aws_have_no_tags() -> None:
    iam = Iam()
    assert iam.refused("TagPolicy", PolicyArn=ADMINISTRATOR, Tags=tags(a="b"))[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("TagUser", {"UserName": "nobody"}),
        ("TagRole", {"RoleName": "nobody"}),
        ("TagPolicy", {"PolicyArn": "arn:aws:iam::111122223333:policy/none"}),
        ("TagInstanceProfile", {"InstanceProfileName": "none"}),
        ("TagOpenIDConnectProvider", {"OpenIDConnectProviderArn": "arn:aws:iam::111122223333:oidc-provider/none.example"}),
    ],
)
def test_what_does_not_exist_is_not_tagged(operation: str, params: dict[str, Any]) -> None:
    assert Iam().refused(operation, Tags=tags(a="b"), **params)[0] == "NoSuchEntity"
