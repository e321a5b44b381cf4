"""AssumeRole: who may, for how long, with what."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functory.core.identity.port import Caller, Principal, PrincipalKind
from tests.support.identities import ACCOUNT, ANN, OTHER, WORKER, allow, deny, document, role
from tests.support.sts_service import Sts

CALLER = Caller(ANN, "AKIAANN")
ROOT = Caller(Principal(PrincipalKind.ROOT, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT), "AKIAROOT")
EVE = Caller(Principal(PrincipalKind.USER, OTHER, f"arn:aws:iam::{OTHER}:user/eve", "AIDAEVE", "eve"), "AKIAEVE")
ASSUME = {"RoleArn": WORKER, "RoleSessionName": "s1"}


def trust(principal: Any, *actions: str, **more: Any) -> str:
    return document({"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", *actions], **more})


@pytest.fixture
def sts() -> Sts:
    subject = Sts()
    subject.identities.roles[WORKER] = role(trust({"AWS": ANN.arn}))
    return subject


def test_the_answer_has_aws_s_members(sts: Sts) -> None:
    answer = sts.call("AssumeRole", CALLER, **ASSUME)
    assert answer.keys() == {"Credentials", "AssumedRoleUser", "SessionTokenUtilization", "SessionTokenSize"}
    assert answer["AssumedRoleUser"] == {
        "AssumedRoleId": "AROAWORKER:s1",
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/s1",
    }
    assert answer["Credentials"]["Expiration"] == sts.clock.now + 3600
    assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"])
    principal = sts.opened(answer).caller.principal
    assert (principal.kind, principal.issuer_arn) == (PrincipalKind.ASSUMED_ROLE, WORKER)


def test_whom_the_trust_policy_does_not_name_is_refused(sts: Sts) -> None:
    bob = replace(CALLER, principal=replace(ANN, arn=f"arn:aws:iam::{ACCOUNT}:user/bob"))
    sts.identities.give(bob.principal.arn, allow("sts:*"))
    code, text = sts.refused("AssumeRole", bob, **ASSUME)
    assert code == "AccessDenied"
    assert text == f"User: {bob.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {WORKER}"


def test_a_role_that_does_not_exist_looks_the_same(sts: Sts) -> None:
    code, text = sts.refused("AssumeRole", CALLER, RoleArn=f"{WORKER}x", RoleSessionName="s1")
    assert code == "AccessDenied"
    assert text == f"User: {ANN.arn} is not authorized to perform: sts:AssumeRole on resource: {WORKER}x"


def test_an_account_that_is_trusted_decides_by_its_own_policies(sts: Sts) -> None:
    sts.identities.roles[WORKER] = role(trust({"AWS": ACCOUNT}))
    assert sts.refused("AssumeRole", CALLER, **ASSUME)[0] == "AccessDenied"
    sts.identities.give(ANN.arn, allow("sts:AssumeRole", WORKER))
    sts.call("AssumeRole", CALLER, **ASSUME)
    sts.identities.give(ANN.arn, allow("sts:AssumeRole", WORKER), deny("sts:AssumeRole"))
    assert sts.refused("AssumeRole", CALLER, **ASSUME)[0] == "AccessDenied"


def test_another_account_needs_both_sides(sts: Sts) -> None:
    sts.identities.roles[WORKER] = role(trust({"AWS": EVE.principal.arn}))
    assert sts.refused("AssumeRole", EVE, **ASSUME)[0] == "AccessDenied"
    sts.identities.give(EVE.principal.arn, allow("sts:AssumeRole", WORKER))
    sts.call("AssumeRole", EVE, **ASSUME)


def test_the_external_id_must_be_the_agreed_one(sts: Sts) -> None:
    agreed = {"Condition": {"StringEquals": {"sts:ExternalId": "x-1"}}}
    sts.identities.roles[WORKER] = role(trust({"AWS": ANN.arn}, **agreed))
    sts.call("AssumeRole", CALLER, **ASSUME, ExternalId="x-1")
    assert sts.refused("AssumeRole", CALLER, **ASSUME, ExternalId="x-2")[0] == "AccessDenied"
    assert sts.refused("AssumeRole", CALLER, **ASSUME)[0] == "AccessDenied"


def test_the_root_user_cannot(sts: Sts) -> None:
    assert sts.refused("AssumeRole", ROOT, **ASSUME) == ("AccessDenied", "Roles may not be assumed by root accounts.")


def test_a_session_lasts_no_longer_than_its_role_allows(sts: Sts) -> None:
    assert sts.refused("AssumeRole", CALLER, **ASSUME, DurationSeconds=3601) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    sts.identities.roles[WORKER] = role(trust({"AWS": ANN.arn}), max_session_s=7200)
    assert (
        sts.call("AssumeRole", CALLER, **ASSUME, DurationSeconds=7200)["Credentials"]["Expiration"] == sts.clock.now + 7200
    )


def test_a_chained_session_lasts_an_hour_at_most(sts: Sts) -> None:
    second = f"arn:aws:iam::{ACCOUNT}:role/second"
    sts.identities.roles[second] = role(trust({"AWS": WORKER}), second, max_session_s=7200)
    caller = sts.opened(sts.call("AssumeRole", CALLER, **ASSUME)).caller
    asked = {"RoleArn": second, "RoleSessionName": "s2"}
    assert "role chaining" in sts.refused("AssumeRole", caller, **asked, DurationSeconds=3601)[1]
    sts.call("AssumeRole", caller, **asked, DurationSeconds=3600)


def test_tags_need_the_permission_to_tag_and_transitive_ones_go_on(sts: Sts) -> None:
    tags = {"Tags": [{"Key": "Team", "Value": "blue"}, {"Key": "Cost", "Value": "7"}], "TransitiveTagKeys": ["Team"]}
    text = sts.refused("AssumeRole", CALLER, **ASSUME, **tags)[1]
    assert text.startswith(f"User: {ANN.arn} is not authorized to perform: sts:TagSession")
    sts.identities.roles[WORKER] = role(trust({"AWS": ANN.arn}, "sts:TagSession"))
    answer = sts.call("AssumeRole", CALLER, **ASSUME, **tags)
    assert answer["PackedPolicySize"] > 0
    caller = sts.opened(answer).caller
    assert caller.principal.tags == {"Team": "blue", "Cost": "7"}
    second = f"arn:aws:iam::{ACCOUNT}:role/second"
    sts.identities.roles[second] = role(trust({"AWS": WORKER}), second)
    last = sts.opened(sts.call("AssumeRole", caller, RoleArn=second, RoleSessionName="s2")).caller
    assert last.principal.tags == {"Team": "blue"}


def test_the_source_identity_is_set_once_and_stays(sts: Sts) -> None:
    assert "sts:SetSourceIdentity" in sts.refused("AssumeRole", CALLER, **ASSUME, SourceIdentity="ann")[1]
    sts.identities.roles[WORKER] = role(trust({"AWS": ANN.arn}, "sts:SetSourceIdentity"))
    answer = sts.call("AssumeRole", CALLER, **ASSUME, SourceIdentity="ann")
    assert sts.opened(answer).caller.keys["aws:MultiFactorAuthPresent"] == "false"
    assert answer["SourceIdentity"] == "ann"
    caller = sts.opened(answer).caller
    second = f"arn:aws:iam::{ACCOUNT}:role/second"
    sts.identities.roles[second] = role(trust({"AWS": WORKER}, "sts:SetSourceIdentity"), second)
    asked = {"RoleArn": second, "RoleSessionName": "s2"}
    assert sts.refused("AssumeRole", caller, **asked, SourceIdentity="bob")[0] == "AccessDenied"
    assert sts.opened(sts.call("AssumeRole", caller, **asked)).caller.keys["aws:SourceIdentity"] == "ann"


def test_session_policies_go_into_the_session(sts: Sts) -> None:
    inline, arn = document(allow("s3:*")), "arn:aws:iam::aws:policy/ReadOnlyAccess"
    answer = sts.call("AssumeRole", CALLER, **ASSUME, Policy=inline, PolicyArns=[{"arn": arn}])
    caller = sts.opened(answer).caller
    assert caller.session_policies == (("session policy", inline),)
    assert caller.session_policy_arns == (arn,)
    only_arns = sts.opened(sts.call("AssumeRole", CALLER, **ASSUME, PolicyArns=[{"arn": arn}])).caller
    assert only_arns.session_policies == ()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Policy": "{"}, "MalformedPolicyDocumentException"),
        ({"Policy": document(allow("s3:*", Principal="*"))}, "MalformedPolicyDocumentException"),
        ({"Policy": document(allow("s3:" + "x" * 2100))}, "PackedPolicyTooLargeException"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/P"}] * 11}, "ValidationError"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]}, "ValidationError"),
        ({"Tags": [{"Key": "aws:x", "Value": "1"}]}, "ValidationError"),
        ({"TransitiveTagKeys": ["a"]}, "ValidationError"),
        ({"SerialNumber": "arn:aws:iam::1:mfa/x", "TokenCode": "123456"}, "ValidationError"),
        ({"ProvidedContexts": [{"ProviderArn": "x"}]}, "ValidationError"),
        ({"RoleArn": "arn:aws:iam::111122223333:user/ann"}, "ValidationError"),
        ({"RoleArn": "not-an-arn-at-all-really"}, "ValidationError"),
    ],
)
def test_what_cannot_be_is_refused(sts: Sts, given: dict[str, Any], code: str) -> None:
    assert sts.refused("AssumeRole", CALLER, **{**ASSUME, **given})[0] == code


def test_a_token_can_be_asked_to_be_long(sts: Sts) -> None:
    answer = sts.call("AssumeRole", CALLER, **ASSUME, MinimumSessionTokenSize=3000)
    assert 3000 <= answer["SessionTokenSize"] <= 4096
    assert answer["SessionTokenUtilization"] == -(-answer["SessionTokenSize"] * 100 // 4096)
    sts.opened(answer)


def test_a_node_that_asks_nobody_gives_a_session_of_any_role() -> None:
    sts = Sts(guarded=False)
    answer = sts.call("AssumeRole", RoleArn=f"arn:aws:iam::{OTHER}:role/deep/any", RoleSessionName="s1")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/any/s1"
    assert sts.opened(answer).caller.principal.account_id == OTHER
    again = sts.call("AssumeRole", RoleArn=f"arn:aws:iam::{OTHER}:role/deep/any", RoleSessionName="s1")
    assert again["AssumedRoleUser"] == answer["AssumedRoleUser"]
    json.dumps(answer)
