"""Execution roles: which ones functions may have, and the credentials they get of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from functory.aws.errors import AwsError
from functory.core.authorization.authorizer import Authorizer
from functory.core.calls import CallContext
from functory.core.functions.model import FunctionVersion
from functory.core.identity.execution_roles import LIFETIME_S, SPARE_S, ExecutionRoles
from functory.core.identity.port import PrincipalKind
from functory.core.identity.sessions import Sessions
from functory.kernel.ids import SeededIds
from functory.kernel.limits import TIMEOUT_S_MAX
from tests.support.identities import ACCOUNT, BY_LAMBDA, OTHER, WORKER, FakeIdentities, FixedClock, allow, document, role

ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
VERSION = FunctionVersion(ACCOUNT, "us-east-1", "f", "$LATEST", "e", "k", "python3.12", "app.handler", role=WORKER)
CONTEXT = CallContext(ACCOUNT, "us-east-1", "r")


class World:
    def __init__(self) -> None:
        self.clock = FixedClock()
        self.identities = FakeIdentities(roles={WORKER: role(document(BY_LAMBDA))})
        self.sessions = Sessions(b"s" * 32, self.clock, SeededIds())
        self.roles = ExecutionRoles(self.identities, self.sessions, self.clock)
        self.roles.decide_with(Authorizer(self.identities, {}, {}))

    def trust(self, **more: Any) -> None:
        self.identities.roles[WORKER] = role(document({**BY_LAMBDA, **more}))

    def refusal(self, role_arn: str = WORKER) -> tuple[str, str]:
        with pytest.raises(AwsError) as refused:
            asyncio.run(self.roles.check(CONTEXT, role_arn, ARN))
        return refused.value.code, refused.value.message


@pytest.fixture
def world() -> World:
    return World()


CANNOT = ("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")


def test_a_role_that_trusts_lambda(world: World) -> None:
    asyncio.run(world.roles.check(CONTEXT, WORKER, ARN))


def test_a_role_that_does_not_or_is_not_there(world: World) -> None:
    assert world.refusal(f"{WORKER}x") == CANNOT
    world.trust(Principal={"Service": "ec2.amazonaws.com"})
    assert world.refusal() == CANNOT
    world.trust(Action="sts:TagSession")
    assert world.refusal() == CANNOT
    world.identities.roles[WORKER] = role("{")
    assert world.refusal() == CANNOT


def test_a_role_of_another_account(world: World) -> None:
    code, text = world.refusal(f"arn:aws:iam::{OTHER}:role/r")
    assert (code, text) == ("AccessDeniedException", "Cross-account pass role is not allowed.")


def test_trust_can_be_for_one_function(world: World) -> None:
    world.trust(Condition={"ArnLike": {"aws:SourceArn": ARN}, "StringEquals": {"aws:SourceAccount": ACCOUNT}})
    asyncio.run(world.roles.check(CONTEXT, WORKER, ARN))
    world.trust(Condition={"ArnLike": {"aws:SourceArn": f"{ARN}x"}})
    assert world.refusal() == CANNOT


def test_the_session_is_named_after_the_function_and_names_it(world: World) -> None:
    found = asyncio.run(world.roles.credentials(VERSION))
    session = world.sessions.open(found.access_key_id, found.session_token)
    assert session is not None
    assert session.secret == found.secret_access_key
    principal = session.caller.principal
    assert (principal.kind, principal.arn) == (
        PrincipalKind.ASSUMED_ROLE,
        f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/f",
    )
    assert (principal.issuer_arn, principal.user_id) == (WORKER, "AROAWORKER:f")
    assert session.caller.keys["lambda:SourceFunctionArn"] == ARN


def test_the_longest_invocation_ends_before_the_credentials_do(world: World) -> None:
    found = asyncio.run(world.roles.credentials(VERSION))
    session = world.sessions.open(found.access_key_id, found.session_token)
    assert session is not None
    assert session.caller.expires_at == world.clock.now + LIFETIME_S
    assert found.good_until == world.clock.now + LIFETIME_S - SPARE_S
    assert SPARE_S > TIMEOUT_S_MAX


def test_a_role_that_is_gone_gives_no_credentials(world: World) -> None:
    del world.identities.roles[WORKER]
    with pytest.raises(AwsError) as refused:
        asyncio.run(world.roles.credentials(VERSION))
    assert (refused.value.code, refused.value.status) == ("AccessDeniedException", 403)


def test_what_the_platform_does_for_a_function_its_role_must_allow(world: World) -> None:
    def may(action: str, resource: str) -> bool:
        return asyncio.run(world.roles.allows(VERSION, action, resource))

    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    assert not may("sqs:SendMessage", queue)
    only_here = {"Condition": {"ArnEquals": {"lambda:SourceFunctionArn": ARN}}}
    world.identities.give(WORKER, allow("sqs:SendMessage", queue, **only_here))
    assert may("sqs:SendMessage", queue)
    assert not may("sqs:SendMessage", f"{queue}x")
    assert not may("sqs:ReceiveMessage", queue)
    del world.identities.roles[WORKER]
    assert not may("sqs:SendMessage", queue)
