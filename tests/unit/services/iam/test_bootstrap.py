from __future__ import annotations

import asyncio

import pytest

from functory.aws.errors import AwsError
from functory.services.iam.bootstrap import Administrator, BootstrapRefusedError
from tests.support.iam_service import ACCOUNT, ADMINISTRATOR, Iam


def make(iam: Iam, account: str = ACCOUNT, name: str = "admin", *, force: bool = False) -> Administrator:
    return asyncio.run(iam.service.make_administrator(account, name, force=force))


def test_an_administrator_has_the_policy_and_a_key_that_works() -> None:
    iam = Iam()
    made = make(iam)
    assert made.user_arn == f"arn:aws:iam::{ACCOUNT}:user/admin"
    key = asyncio.run(iam.identities.find_key(made.access_key_id))
    assert key is not None
    assert (key.secret, key.principal.arn) == (made.secret_access_key, made.user_arn)
    grants = asyncio.run(iam.identities.grants_of(made.user_arn))
    assert grants is not None
    assert [name for name, _ in grants.policies] == [ADMINISTRATOR]
    assert made.secret_access_key not in repr(made)


def test_a_second_time_is_refused_and_changes_nothing() -> None:
    iam = Iam()
    make(iam)
    with pytest.raises(BootstrapRefusedError, match="has a user admin already; --force"):
        make(iam, name="Admin")
    assert len(iam.call("ListAccessKeys", UserName="admin")["AccessKeyMetadata"]) == 1


def test_another_name_and_another_account_are_not_refused() -> None:
    iam = Iam()
    make(iam)
    make(iam, name="second")
    make(iam, account="444455556666")


def test_force_gives_a_user_the_policy_and_another_key() -> None:
    iam = Iam()
    user = iam.user("admin", Path="/team/")
    made = make(iam, force=True)
    assert made.user_arn == user["Arn"]
    assert iam.call("ListAttachedUserPolicies", UserName="admin")["AttachedPolicies"][0]["PolicyArn"] == ADMINISTRATOR
    make(iam, force=True)
    with pytest.raises(AwsError, match="Cannot exceed quota for AccessKeysPerUser: 2"):
        make(iam, force=True)


@pytest.mark.parametrize(("account", "name"), [("1", "admin"), (ACCOUNT, "a b"), (ACCOUNT, ""), (ACCOUNT, "é")])
def test_impossible_names_are_refused(account: str, name: str) -> None:
    with pytest.raises(BootstrapRefusedError):
        make(Iam(), account, name)
