"""Filters, answers, and how many batches run at once: what a mapping decides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functory.core.mappings.filters import Filters, split
from functory.core.mappings.outcomes import failed_items
from functory.core.mappings.scaling import CALM_S, Allowance, Limits


def criteria(*patterns: Any) -> dict[str, Any]:
    return {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}


@pytest.mark.parametrize(
    ("pattern", "body", "expected"),
    [
        ({"body": {"x": [1]}}, '{"x": 1}', True),
        ({"body": {"x": [1]}}, '{"x": 2}', False),
        ({"body": {"x": [1]}}, "text", False),
        ({"body": {"x": [{"exists": False}]}}, "text", False),
        ({"body": ["text"]}, "text", True),
        ({"body": ["text"]}, "other", False),
        ({"body": [{"prefix": "{"}]}, '{"x": 1}', False),
        ({"attributes": {"SenderId": ["me"]}}, "text", True),
        ({"attributes": {"SenderId": ["you"]}}, '{"x": 1}', False),
    ],
)
def test_bodies_are_seen_in_the_kind_the_pattern_asks_for(pattern: Any, body: str, expected: bool) -> None:
    record = {"body": body, "attributes": {"SenderId": "me"}}
    assert Filters(criteria(pattern), "body").let_through(record) is expected


def test_filters_are_alternatives_and_none_lets_everything_through() -> None:
    records = [{"body": text} for text in ("a", "b", "c")]
    assert split(Filters(criteria({"body": ["a"]}, {"body": ["c"]}), "body"), records) == ([0, 2], [1])
    assert split(Filters({}, "body"), records) == ([0, 1, 2], [])


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (b"", set()),
        (b"null", set()),
        (b"{}", set()),
        (b'{"batchItemFailures": []}', set()),
        (b'{"batchItemFailures": null}', set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "b"}]}', {"b"}),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', {"a", "b"}),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', {"a", "b"}),
        (b'{"batchItemFailures": [{"wrong": "b"}]}', {"a", "b"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "stranger"}]}', {"a", "b"}),
        (b'{"batchItemFailures": "b"}', {"a", "b"}),
        (b"not json", {"a", "b"}),
    ],
)
def test_answers_mean_what_aws_says(answer: bytes, failed: set[str]) -> None:
    assert failed_items(answer, ["a", "b"]) == failed


def test_a_backlog_grows_by_three_hundred_a_minute_to_the_limit() -> None:
    limits = Limits.of({})
    allowance = Allowance.begin(limits, 0.0)
    assert allowance.batches == 5
    for second in range(1, 61):
        allowance = allowance.after_backlog(limits, float(second))
    assert allowance.batches == pytest.approx(305)
    assert allowance.after_backlog(limits, 10_000.0).batches == 1_250


def test_bounds_of_a_mapping_are_kept() -> None:
    limits = Limits.of({"ScalingConfig": {"MaximumConcurrency": 2}})
    allowance = Allowance.begin(limits, 0.0).after_backlog(limits, 600.0)
    assert (limits.least, allowance.batches) == (2, 2)
    provisioned = Limits.of({"ProvisionedPollerConfig": {"MinimumPollers": 3, "MaximumPollers": 4}})
    assert (provisioned.least, provisioned.most) == (30, 40)


def test_calm_goes_back_to_the_beginning_and_trouble_halves() -> None:
    limits = Limits.of({})
    grown = Allowance.begin(limits, 0.0).after_backlog(limits, 60.0)
    assert grown.after_calm(limits, 61.0).batches == grown.batches
    assert grown.after_calm(limits, 60.0 + CALM_S).batches == 5
    halved = grown
    for _ in range(20):
        halved = halved.after_trouble(limits, 61.0)
    assert halved.batches == 1
