"""The language of event patterns, case by case from AWS's documentation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.patterns import Pattern, PatternError

EVENT = {
    "source": "aws.ec2",
    "detail": {"state": "running", "count": 3, "ip": "10.0.0.7", "on": True, "none": None, "tags": ["a", "b"], "empty": ""},
    "resources": [{"kind": "x", "id": 1}, {"kind": "y", "id": 2}],
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.ec2"]}, True),
        ({"source": ["aws.s3", "aws.ec2"]}, True),
        ({"source": ["aws.s3"]}, False),
        ({"missing": ["x"]}, False),
        ({"detail": {"state": ["running"], "count": [3]}}, True),
        ({"detail": {"state": ["running"], "count": [4]}}, False),
        ({"detail": {"count": ["3"]}}, False),
        ({"detail": {"on": [True]}}, True),
        ({"detail": {"count": [True]}}, False),
        ({"detail": {"none": [None]}}, True),
        ({"detail": {"state": [None]}}, False),
        ({"detail": {"empty": [""]}}, True),
        ({"detail": {"tags": ["b"]}}, True),
        ({"detail": {"tags": ["c"]}}, False),
        ({"source": [{"prefix": "aws."}]}, True),
        ({"source": [{"suffix": ".ec2"}]}, True),
        ({"source": [{"prefix": {"equals-ignore-case": "AWS."}}]}, True),
        ({"source": [{"equals-ignore-case": "AWS.EC2"}]}, True),
        ({"source": [{"wildcard": "aws.*2"}]}, True),
        ({"source": [{"wildcard": "a*s3"}]}, False),
        ({"source": [{"anything-but": ["aws.s3"]}]}, True),
        ({"source": [{"anything-but": "aws.ec2"}]}, False),
        ({"source": [{"anything-but": {"prefix": "aws."}}]}, False),
        ({"missing": [{"anything-but": ["x"]}]}, False),
        ({"detail": {"count": [{"anything-but": [4, 5]}]}}, True),
        ({"detail": {"count": [{"numeric": ["=", 3]}]}}, True),
        ({"detail": {"count": [{"numeric": [">", 0, "<=", 3]}]}}, True),
        ({"detail": {"count": [{"numeric": [">", 3]}]}}, False),
        ({"detail": {"state": [{"numeric": [">", 0]}]}}, False),
        ({"detail": {"state": [{"exists": True}]}}, True),
        ({"detail": {"missing": [{"exists": True}]}}, False),
        ({"detail": {"missing": [{"exists": False}]}}, True),
        ({"detail": {"state": [{"exists": False}]}}, False),
        ({"detail": {"ip": [{"cidr": "10.0.0.0/24"}]}}, True),
        ({"detail": {"ip": [{"cidr": "10.0.1.0/24"}]}}, False),
        ({"resources": {"kind": ["y"], "id": [2]}}, True),
        ({"resources": {"kind": ["y"], "id": [1]}}, False),
        ({"$or": [{"source": ["no"]}, {"detail": {"count": [3]}}]}, True),
        ({"$or": [{"source": ["no"]}, {"detail": {"count": [4]}}]}, False),
        ({"source": ["aws.ec2"], "$or": [{"source": ["no"]}, {"detail": {"count": [4]}}]}, False),
    ],
)
def test_a_pattern_lets_through_what_aws_says(pattern: dict[str, Any], expected: bool) -> None:
    assert Pattern(json.dumps(pattern)).matches(EVENT) is expected


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '"x"', "{}", '{"a": "b"}', '{"a": []}', '{"a": {}}', '{"a": [[1]]}', '{"a": [{"unknown": 1}]}',
     '{"a": [{"prefix": 1}]}', '{"a": [{"numeric": [">"]}]}', '{"a": [{"numeric": ["<", 1, ">", 2]}]}',
     '{"a": [{"numeric": ["=", "1"]}]}', '{"a": [{"exists": "yes"}]}', '{"a": [{"prefix": "a", "suffix": "b"}]}',
     '{"a": [{"cidr": "nowhere"}]}', '{"a": [{"wildcard": "a**b"}]}', '{"a": [{"anything-but": []}]}',
     '{"a": ' * 40 + '["x"]' + "}" * 40, json.dumps({"a": list(range(1001))})],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        Pattern(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("xyz", min_size=1, max_size=2), VALUES, max_size=4))
def test_no_document_can_break_it(document: dict[str, Any]) -> None:
    for pattern in (
        '{"x": [{"prefix": "a"}], "y": {"z": [1, null]}}',
        '{"$or": [{"x": [true]}, {"y": [{"exists": false}]}]}',
    ):
        assert Pattern(pattern).matches(document) in (True, False)
