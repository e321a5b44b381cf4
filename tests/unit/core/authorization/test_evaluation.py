"""AWS's evaluation logic: the table of `logic_cases`, and what holds for all policies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.authorization.evaluation import Decision, Policies, Policy, Question, evaluate
from tests.unit.core.authorization.logic_cases import FUNCTION, OWNER, ROLE, ROOT, ROWS, S3, USER, X_USER, Row, aws, grant
from tests.unit.core.authorization.matching_cases import CASES

CALLERS = [USER, ROLE, ROOT, X_USER, S3]


def policy(name: str, statements: Sequence[dict[str, Any]]) -> Policy:
    return Policy.of(name, json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def policies_of(row: Row) -> Policies:
    return Policies(
        identity=(policy("identity", row.identity),),
        boundary=None if row.boundary is None else policy("boundary", row.boundary),
        session=None if row.session is None else (policy("session", row.session),),
        resource=None if row.resource is None else policy("resource", row.resource),
        needs_resource=row.needs_resource,
    )


def outcome(decision: Decision) -> str:
    if decision.allowed:
        return "allow"
    assert decision.source is not None
    return f"deny {decision.source.value}" if decision.explicit else decision.source.value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.shows)
def test_the_right_policy_decides(row: Row) -> None:
    question = Question(row.caller, "lambda:InvokeFunction", FUNCTION, OWNER)
    assert outcome(evaluate(question, policies_of(row))) == row.outcome


def test_the_tables_have_two_hundred_rows() -> None:
    assert len(ROWS) + len(CASES) >= 200
    assert len({row.shows for row in ROWS}) == len(ROWS)


def test_a_decision_names_the_statement_that_made_it() -> None:
    statement = {"Sid": "NoInvoke", "Effect": "Deny", "Action": "lambda:Invoke*", "Resource": "*"}
    policies = Policies(identity=(policy("arn:aws:iam::aws:policy/P", [statement]),))
    decision = evaluate(Question(USER, "lambda:InvokeFunction", FUNCTION), policies)
    assert (decision.policy, decision.statement) == ("arn:aws:iam::aws:policy/P", "NoInvoke")


EFFECTS = st.sampled_from(["Allow", "Deny"])
ACTIONS = st.sampled_from(["lambda:InvokeFunction", "lambda:*", "sqs:*", "*"])
PRINCIPALS = st.sampled_from(["*", {"AWS": OWNER}, {"AWS": USER.arn}, {"AWS": ROLE.issuer_arn}, {"Service": S3.arn}])


@st.composite
def statements(draw: st.DrawFn, *, principal: bool) -> list[dict[str, Any]]:
    found = []
    for _ in range(draw(st.integers(0, 3))):
        statement = {"Effect": draw(EFFECTS), "Action": draw(ACTIONS), "Resource": draw(st.sampled_from(["*", FUNCTION]))}
        if principal:
            statement["Principal"] = draw(PRINCIPALS)
        found.append(statement)
    return found


@st.composite
def worlds(draw: st.DrawFn) -> Policies:
    own = statements(principal=False)
    session = draw(st.none() | own)
    boundary = draw(st.none() | own)
    resource = draw(st.none() | statements(principal=True))
    return Policies(
        identity=(policy("identity", draw(own)),),
        boundary=None if boundary is None else policy("boundary", boundary),
        session=None if session is None else (policy("session", session),),
        resource=None if resource is None else policy("resource", resource),
        needs_resource=draw(st.booleans()),
    )


def is_allowed(caller: Any, policies: Policies) -> bool:
    return evaluate(Question(caller, "lambda:InvokeFunction", FUNCTION, OWNER), policies).allowed


@given(worlds(), statements(principal=False), st.sampled_from(CALLERS))
def test_one_more_deny_never_allows_more(policies: Policies, more: list[dict[str, Any]], caller: Any) -> None:
    denies = [{**statement, "Effect": "Deny"} for statement in more]
    stricter = replace(policies, identity=(*policies.identity, policy("more", denies)))
    assert is_allowed(caller, policies) or not is_allowed(caller, stricter)


@given(worlds(), statements(principal=False), st.sampled_from(CALLERS))
def test_a_boundary_never_allows_more(policies: Policies, more: list[dict[str, Any]], caller: Any) -> None:
    unbounded = replace(policies, boundary=None)
    assert is_allowed(caller, unbounded) or not is_allowed(caller, replace(policies, boundary=policy("more", more)))


@given(worlds(), statements(principal=False), st.sampled_from(CALLERS))
def test_session_policies_never_allow_more(policies: Policies, more: list[dict[str, Any]], caller: Any) -> None:
    whole = replace(policies, session=None)
    assert is_allowed(caller, whole) or not is_allowed(caller, replace(policies, session=(policy("more", more),)))


@given(worlds(), statements(principal=False), st.sampled_from(CALLERS))
def test_one_more_allow_never_forbids(policies: Policies, more: list[dict[str, Any]], caller: Any) -> None:
    allows = [{**statement, "Effect": "Allow"} for statement in more]
    wider = replace(policies, identity=(*policies.identity, policy("more", allows)))
    assert not is_allowed(caller, policies) or is_allowed(caller, wider)


@given(worlds())
def test_another_account_needs_the_resource_s_policy(policies: Policies) -> None:
    assert not is_allowed(X_USER, replace(policies, resource=None))


@given(worlds(), st.sampled_from(CALLERS))
def test_a_deny_for_everybody_wins_over_everything(policies: Policies, caller: Any) -> None:
    assert not is_allowed(caller, replace(policies, resource=policy("resource", [*grant("*"), *aws("*", "Deny")])))
