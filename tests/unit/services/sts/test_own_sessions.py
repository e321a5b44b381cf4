"""GetSessionToken, GetFederationToken, GetCallerIdentity, GetAccessKeyInfo, DecodeAuthorizationMessage."""

from __future__ import annotations

import asyncio

import pytest

from functory.core.authorization.authorizer import AccessRequest, Authorizer
from functory.core.identity.port import AccessKey, Caller, Principal, PrincipalKind
from tests.support.identities import ACCOUNT, ANN, KEY, OTHER, SECRET, allow, document
from tests.support.sts_service import Sts

CALLER = Caller(ANN, "AKIAANN")
ROOT = Caller(Principal(PrincipalKind.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, ACCOUNT), "AKIAROOT")


@pytest.fixture
def sts() -> Sts:
    subject = Sts()
    subject.identities.give(ANN.arn, allow("*"))
    return subject


def may(sts: Sts, caller: Caller, action: str) -> bool:
    authorizer = Authorizer(sts.identities, {}, {})
    return asyncio.run(authorizer.decide(AccessRequest(caller, action, "*"))).allowed


def test_who_is_it(sts: Sts) -> None:
    assert sts.call("GetCallerIdentity", CALLER) == {"UserId": "AIDAANN", "Account": ACCOUNT, "Arn": ANN.arn}
    assert sts.call("GetCallerIdentity") == {
        "UserId": ACCOUNT,
        "Account": ACCOUNT,
        "Arn": f"arn:aws:iam::{ACCOUNT}:root",
    }


def test_the_account_of_an_access_key(sts: Sts) -> None:
    principal = Principal(PrincipalKind.USER, OTHER, f"arn:aws:iam::{OTHER}:user/x")
    sts.identities.keys[KEY] = AccessKey(KEY, SECRET, principal)
    assert sts.call("GetAccessKeyInfo", CALLER, AccessKeyId=KEY) == {"Account": OTHER}
    session = sts.call("GetSessionToken", CALLER)["Credentials"]["AccessKeyId"]
    assert sts.call("GetAccessKeyInfo", CALLER, AccessKeyId=session) == {"Account": ACCOUNT}
    assert sts.refused("GetAccessKeyInfo", CALLER, AccessKeyId="1234567890123456")[0] == "ValidationError"


def test_nothing_here_gives_out_encoded_messages(sts: Sts) -> None:
    found = sts.refused("DecodeAuthorizationMessage", CALLER, EncodedMessage="x")
    assert found[0] == "InvalidAuthorizationMessageException"


def test_a_session_of_oneself_reaches_neither_iam_nor_sts(sts: Sts) -> None:
    session = sts.opened(sts.call("GetSessionToken", CALLER)).caller
    assert session.principal == ANN
    assert session.expires_at == sts.clock.now + 43_200
    assert may(sts, session, "lambda:ListFunctions")
    assert may(sts, session, "sts:AssumeRole")
    assert not may(sts, session, "iam:ListUsers")
    assert not may(sts, session, "sts:GetFederationToken")


def test_the_root_user_s_session_lasts_an_hour(sts: Sts) -> None:
    assert sts.opened(sts.call("GetSessionToken", ROOT)).caller.expires_at == sts.clock.now + 3600


@pytest.mark.parametrize("operation", ["GetSessionToken", "GetFederationToken"])
def test_sessions_have_none_of_their_own(sts: Sts, operation: str) -> None:
    session = sts.opened(sts.call("GetSessionToken", CALLER)).caller
    code, text = sts.refused(operation, session, Name="bob")
    assert (code, text) == ("AccessDenied", f"Cannot call {operation} with session credentials")


def test_a_second_factor_is_refused(sts: Sts) -> None:
    assert sts.refused("GetSessionToken", CALLER, SerialNumber="x" * 9, TokenCode="123456")[0] == "ValidationError"


def test_a_federated_user_has_what_both_policies_allow(sts: Sts) -> None:
    policy = document(allow("lambda:*"), allow("iam:*"))
    answer = sts.call("GetFederationToken", CALLER, Name="bob", Policy=policy, Tags=[{"Key": "a", "Value": "b"}])
    assert answer["FederatedUser"] == {
        "FederatedUserId": f"{ACCOUNT}:bob",
        "Arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
    }
    assert answer["PackedPolicySize"] > 0
    session = sts.opened(answer).caller
    assert session.principal.tags == {"Team": "red", "a": "b"}
    assert may(sts, session, "lambda:ListFunctions")
    assert not may(sts, session, "iam:ListUsers")
    assert not may(sts, session, "s3:ListBuckets")
    sts.identities.give(ANN.arn, allow("s3:*"))
    assert not may(sts, session, "lambda:ListFunctions")


def test_a_federated_user_without_policy_may_nothing(sts: Sts) -> None:
    session = sts.opened(sts.call("GetFederationToken", CALLER, Name="bob")).caller
    assert not may(sts, session, "lambda:ListFunctions")


def test_a_federated_user_of_the_root_user_has_its_session_policy(sts: Sts) -> None:
    answer = sts.call("GetFederationToken", ROOT, Name="bob", Policy=document(allow("lambda:*")))
    session = sts.opened(answer).caller
    assert may(sts, session, "lambda:ListFunctions")
    assert not may(sts, session, "s3:ListBuckets")
