"""Statements against requests: the table of `matching_cases`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from functory.core.authorization.documents import compile_document
from functory.core.authorization.errors import PolicyError
from functory.core.authorization.evaluation import Policies, Policy, Question, evaluate
from functory.core.identity.port import Principal, PrincipalKind
from tests.unit.core.authorization.matching_cases import CASES, Case

ANN = Principal(PrincipalKind.USER, "123456789012", "arn:aws:iam::123456789012:user/ann", "AIDAANN", "ann")


def lookup_of(keys: Mapping[str, Any]) -> Any:
    lower = {key.lower(): value if isinstance(value, tuple) else (value,) for key, value in keys.items()}
    return lower.get


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.shows)
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_a_statement_applies_as_aws_documents_it(case: Case, effect: str) -> None:
    statement = {"Effect": effect, **case.statement}
    if not statement.keys() & {"Action", "NotAction"}:
        statement["Action"] = "s3:GetObject"
    if not statement.keys() & {"Resource", "NotResource"}:
        statement["Resource"] = "*"
    document = json.dumps({"Version": case.version, "Statement": statement})
    policies = Policies(identity=(Policy.of("p", document),))
    decision = evaluate(Question(ANN, case.action, case.resource, lookup=lookup_of(case.keys)), policies)
    assert decision.allowed is (case.applies and effect == "Allow")
    assert decision.explicit is (case.applies and effect == "Deny")


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        '{"Statement": [{"Effect": "Perhaps", "Action": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringEqual": {"a": "b"}}}]}',
        '{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"ForSome:Bool": {"a": "b"}}}]}',
        '{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": {"a": 1}}]}',
        '{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Principal": 1}]}',
        '{"Statement": [{"Effect": "Deny", "Action": "*", "Principal": "*", "NotPrincipal": "*"}]}',
    ],
)
def test_what_cannot_be_understood_is_an_error_and_never_skipped(document: str) -> None:
    with pytest.raises(PolicyError):
        compile_document(document)


def test_a_document_is_compiled_once() -> None:
    document = '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
    assert compile_document(document) is compile_document(str(document))


def test_a_pattern_of_many_stars_takes_no_exponential_time() -> None:
    document = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::" + "a*" * 200 + "b"}})
    question = Question(ANN, "s3:GetObject", "arn:aws:s3:::" + "a" * 1000)
    assert not evaluate(question, Policies(identity=(Policy.of("p", document),))).allowed
