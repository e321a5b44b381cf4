"""Calls that pass or are refused, with AWS's texts; what is remembered, and what is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from functory.aws.errors import AwsError
from functory.core.authorization import evaluation
from functory.core.authorization.authorizer import AccessRequest, Authorizer
from functory.core.authorization.guard import Guard
from functory.core.calls import CallContext
from functory.core.identity.port import Caller, Grants, Principal, PrincipalKind
from functory.services.lambda_.access import ACCESS
from tests.support.identities import (
    ACCOUNT,
    ANN,
    BY_LAMBDA,
    OTHER,
    WORKER,
    FakeIdentities,
    FakePolicies,
    FixedClock,
    allow,
    deny,
    document,
    role,
)

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
SESSION = Principal(
    PrincipalKind.ASSUMED_ROLE, ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/s1", "AROAWORKER:s1", "worker", WORKER
)
S3 = Principal(
    PrincipalKind.SERVICE, "", "s3.amazonaws.com", name="s3.amazonaws.com", source={"aws:SourceArn": "arn:aws:s3:::b"}
)


class Tags:
    async def tags_of(self, resource_arn: str) -> dict[str, str]:
        return {"Stage": "prod"} if resource_arn.startswith(FUNCTION) else {}


class World:
    def __init__(self) -> None:
        self.identities = FakeIdentities(roles={WORKER: role(document(BY_LAMBDA))})
        self.policies = FakePolicies()
        self.authorizer = Authorizer(self.identities, {"lambda": self.policies}, {"lambda": Tags()})
        self.guard = Guard(self.authorizer, {"lambda": ACCESS}, {}, FixedClock())

    def call(self, operation: str, caller: Principal | Caller = ANN, keys: Any = dict, **params: Any) -> CallContext:
        who = Caller(caller) if isinstance(caller, Principal) else caller
        context = CallContext(who.principal.account_id or ACCOUNT, "us-east-1", "r", caller=who)
        return asyncio.run(self.guard.allow(context, "lambda", operation, params, keys=keys))

    def refused(self, operation: str, caller: Principal | Caller = ANN, keys: Any = dict, **params: Any) -> AwsError:
        with pytest.raises(AwsError) as refused:
            self.call(operation, caller, keys, **params)
        return refused.value


@pytest.fixture
def world() -> World:
    return World()


def test_the_text_of_a_refusal_is_aws_s(world: World) -> None:
    error = world.refused("GetFunction", FunctionName="f")
    assert (error.code, error.status) == ("AccessDeniedException", 403)
    assert error.message == (
        f"User: {ANN.arn} is not authorized to perform: lambda:GetFunction on resource: {FUNCTION} because no "
        "identity-based policy allows the lambda:GetFunction action"
    )


def test_each_kind_of_policy_is_named(world: World) -> None:
    texts = []
    world.identities.give(ANN.arn, allow("*"), deny("lambda:GetFunction"))
    texts.append(world.refused("GetFunction", FunctionName="f").message)
    world.identities.give(ANN.arn, allow("*"), boundary=document(allow("s3:*")))
    texts.append(world.refused("GetFunction", FunctionName="f").message)
    world.identities.give(ANN.arn, allow("*"))
    limited = Caller(ANN, "ASIA1", session_policies=(("inline", document(allow("s3:*"))),))
    texts.append(world.refused("GetFunction", limited, FunctionName="f").message)
    world.policies.documents[FUNCTION] = document(deny("lambda:*", FUNCTION, Principal="*"))
    texts.append(world.refused("GetFunction", FunctionName="f").message)
    assert [text.partition(FUNCTION)[2] for text in texts] == [
        " with an explicit deny in an identity-based policy",
        " because no permissions boundary allows the lambda:GetFunction action",
        " because no session policy allows the lambda:GetFunction action",
        " with an explicit deny in a resource-based policy",
    ]


def test_an_operation_on_nothing_in_particular_is_on_everything(world: World) -> None:
    world.identities.give(ANN.arn, allow("lambda:ListFunctions", FUNCTION))
    assert "on resource: * because" in world.refused("ListFunctions").message


def test_invoke_has_an_action_of_another_name_and_the_qualified_resource(world: World) -> None:
    world.identities.give(ANN.arn, allow("lambda:InvokeFunction", f"{FUNCTION}:prod"))
    world.call("Invoke", FunctionName="f", Qualifier="prod")
    world.call("InvokeWithResponseStream", FunctionName="f:prod")
    assert f"{FUNCTION} because" in world.refused("Invoke", FunctionName="f").message


def test_creating_a_function_passes_its_role_and_uses_its_layers(world: World) -> None:
    layer = f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:l:1"
    asked = {"FunctionName": "f", "Role": WORKER, "Layers": [layer]}
    world.identities.give(ANN.arn, allow("lambda:*"))
    assert f"iam:PassRole on resource: {WORKER}" in world.refused("CreateFunction", **asked).message
    to_lambda = {"Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}}
    world.identities.give(ANN.arn, allow("lambda:CreateFunction"), allow("iam:PassRole", WORKER, **to_lambda))
    assert f"lambda:GetLayerVersion on resource: {layer}" in world.refused("CreateFunction", **asked).message
    world.identities.give(ANN.arn, allow("lambda:*"), allow("iam:PassRole", WORKER, **to_lambda))
    world.call("CreateFunction", **asked)
    only_ours = {"Condition": {"ForAllValues:StringLike": {"lambda:Layer": "arn:aws:lambda:*:999999999999:layer:*"}}}
    world.identities.give(ANN.arn, allow("*"), deny("lambda:CreateFunction", Condition={"Null": {"lambda:Layer": "false"}}))
    assert "explicit deny" in world.refused("CreateFunction", **asked).message
    world.identities.give(ANN.arn, allow("*"), deny("lambda:CreateFunction", **only_ours))
    world.call("CreateFunction", **asked)


def test_a_call_that_names_no_resource_needs_the_action_on_everything(world: World) -> None:
    world.identities.give(ANN.arn, allow("lambda:TagResource", FUNCTION))
    world.call("TagResource", Resource=FUNCTION, Tags={})
    assert "lambda:TagResource on resource: * because" in world.refused("TagResource", Tags={}).message


def test_who_may_pass_a_role_can_depend_on_the_function(world: World) -> None:
    only = {"Condition": {"ArnLike": {"iam:AssociatedResourceArn": FUNCTION}}}
    world.identities.give(ANN.arn, allow("lambda:*"), allow("iam:PassRole", **only))
    world.call("CreateFunction", FunctionName="f", Role=WORKER)
    world.refused("CreateFunction", FunctionName="g", Role=WORKER)


def test_tags_of_the_request_and_of_the_resource(world: World) -> None:
    prod = {"Condition": {"StringEquals": {"aws:ResourceTag/Stage": "prod"}}}
    world.identities.give(ANN.arn, allow("lambda:DeleteFunction", **prod))
    world.call("DeleteFunction", FunctionName="f")
    world.refused("DeleteFunction", FunctionName="g")
    tagged = {"Condition": {"StringEquals": {"aws:RequestTag/Team": "${aws:PrincipalTag/Team}"}}}
    world.identities.give(ANN.arn, allow("lambda:TagResource", **tagged))
    world.call("TagResource", Resource=FUNCTION, Tags={"Team": "red"})
    world.refused("TagResource", Resource=FUNCTION, Tags={"Team": "blue"})


def test_another_account_needs_both_sides_and_acts_in_the_owner_s(world: World) -> None:
    stranger = Principal(PrincipalKind.USER, OTHER, f"arn:aws:iam::{OTHER}:user/eve", "AIDAEVE", "eve")
    world.identities.give(stranger.arn, allow("*"))
    text = world.refused("Invoke", stranger, FunctionName=FUNCTION).message
    assert text.endswith("because no resource-based policy allows the lambda:InvokeFunction action")
    world.policies.documents[FUNCTION] = document(allow("lambda:InvokeFunction", FUNCTION, Principal={"AWS": OTHER}))
    assert world.call("Invoke", stranger, FunctionName=FUNCTION).account_id == ACCOUNT
    assert world.call("ListFunctions", stranger).account_id == OTHER
    world.identities.give(stranger.arn)
    assert "identity-based" in world.refused("Invoke", stranger, FunctionName=FUNCTION).message


def test_a_service_needs_the_function_s_policy_with_its_source(world: World) -> None:
    text = world.refused("Invoke", S3, FunctionName=FUNCTION).message
    assert text.startswith("User: s3.amazonaws.com is not authorized to perform: lambda:InvokeFunction")
    by_s3 = allow(
        "lambda:InvokeFunction",
        FUNCTION,
        Principal={"Service": "s3.amazonaws.com"},
        Condition={"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}},
    )
    world.policies.documents[FUNCTION] = document(by_s3)
    world.call("Invoke", S3, FunctionName=FUNCTION)
    world.refused("Invoke", replace(S3, source={"aws:SourceArn": "arn:aws:s3:::other"}), FunctionName=FUNCTION)
    world.refused("Invoke", replace(S3, source={}), FunctionName=FUNCTION)


def test_a_session_has_nothing_of_a_role_that_was_made_anew(world: World) -> None:
    world.identities.give(WORKER, allow("lambda:*"))
    world.call("GetFunction", SESSION, FunctionName="f")
    world.identities.roles[WORKER] = role(document(BY_LAMBDA), role_id="AROANEW")
    world.identities.give(WORKER, allow("lambda:*"))
    world.refused("GetFunction", SESSION, FunctionName="f")


def test_a_deleted_user_may_nothing(world: World) -> None:
    world.identities.give(ANN.arn, allow("*"))
    world.call("ListFunctions")
    del world.identities.grants[ANN.arn]
    world.refused("ListFunctions")


def test_session_policies_by_arn_are_read_when_they_are_needed(world: World) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/p"
    caller = Caller(ANN, "ASIA1", session_policy_arns=(arn,))
    world.identities.give(ANN.arn, allow("*"))
    world.refused("ListFunctions", caller)
    world.identities.policies[arn] = document(allow("lambda:*"))
    world.call("ListFunctions", caller)
    world.identities.policies[arn] = document(allow("s3:*"))
    world.refused("ListFunctions", caller)


def test_a_document_that_cannot_be_evaluated_refuses_everything(world: World) -> None:
    world.identities.grants[ANN.arn] = Grants((("good", document(allow("*"))), ("bad", "{")))
    world.refused("ListFunctions")


def test_an_operation_without_entry_needs_its_own_name_on_everything(world: World) -> None:
    world.identities.give(ANN.arn, allow("lambda:Unheard", FUNCTION))
    assert "lambda:Unheard on resource: *" in world.refused("Unheard").message


class TestMemory:
    """Decisions are kept where that is exact."""

    @pytest.fixture
    def counted(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        asked: list[str] = []
        real = evaluation.evaluate

        def count(question: Any, policies: Any) -> Any:
            asked.append(question.action)
            return real(question, policies)

        monkeypatch.setattr("functory.core.authorization.authorizer.evaluate", count)
        return asked

    def decide(self, world: World, keys: Any = dict) -> bool:
        request = AccessRequest(Caller(ANN, "AKIA1"), "lambda:InvokeFunction", FUNCTION, keys)
        return asyncio.run(world.authorizer.decide(request)).allowed

    def test_the_same_question_is_asked_once(self, world: World, counted: list[str]) -> None:
        world.identities.give(ANN.arn, allow("lambda:*"))
        assert [self.decide(world) for _ in range(3)] == [True] * 3
        assert len(counted) == 1

    def test_a_condition_on_the_caller_alone_is_kept(self, world: World, counted: list[str]) -> None:
        world.identities.give(ANN.arn, allow("lambda:*", Condition={"StringEquals": {"aws:PrincipalTag/Team": "red"}}))
        assert [self.decide(world) for _ in range(3)] == [True] * 3
        assert len(counted) == 1

    def test_a_condition_on_the_request_is_asked_each_time(self, world: World, counted: list[str]) -> None:
        world.identities.give(ANN.arn, allow("lambda:*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
        assert self.decide(world, lambda: {"aws:sourceip": ("10.0.0.1",)})
        assert not self.decide(world, lambda: {"aws:sourceip": ("11.0.0.1",)})
        assert len(counted) == 2

    def test_new_grants_are_seen_at_once(self, world: World) -> None:
        world.identities.give(ANN.arn, allow("lambda:*"))
        assert self.decide(world)
        world.identities.give(ANN.arn, deny("lambda:*"))
        assert not self.decide(world)

    def test_a_new_policy_of_the_resource_is_seen_at_once(self, world: World) -> None:
        world.identities.give(ANN.arn, allow("lambda:*"))
        assert self.decide(world)
        world.policies.documents[FUNCTION] = document(deny("lambda:*", FUNCTION, Principal={"AWS": ANN.arn}))
        assert not self.decide(world)

    def test_keys_of_the_request_are_not_made_when_nobody_asks(self, world: World) -> None:
        world.identities.give(ANN.arn, allow("lambda:*"))

        def never() -> Any:
            raise AssertionError("made for nothing")

        assert self.decide(world, never)
