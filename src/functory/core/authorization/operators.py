"""The condition operators of policies: one value of a policy against one value of a request. Pure.

Owns comparison only; which values are compared, and what a missing key means, is `conditions`'. A value that is not of the
operator's type (a number, a date, an address …) equals nothing.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from functory.core.authorization.patterns import Lookup, Pattern

Test = Callable[[str, Lookup], bool]
"""Whether a value of the request fits; compiled from one value of the policy."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    Attributes:
        compile: value of the policy, whether it may hold variables -> its test.
        negated: the condition holds where no test does.
    """

    compile: Callable[[str, bool], Test]
    negated: bool = False


def _string(*, wildcards: bool = False, ignore_case: bool = False) -> Callable[[str, bool], Test]:
    def build(value: str, variables: bool) -> Test:
        return Pattern(value, wildcards=wildcards, variables=variables, ignore_case=ignore_case).matches

    return build


def _arn(value: str, variables: bool) -> Test:
    """AWS: each of the six parts is compared by itself, each may hold wildcards; ArnEquals and ArnLike are the same."""
    parts = _arn_parts(value)
    if parts is None:
        whole = Pattern(value, wildcards=False, variables=variables)
        return _never if not whole.has_variables else lambda text, lookup: _as_variable_arn(whole, text, lookup)
    patterns = [Pattern(part, wildcards=True, variables=variables) for part in parts]

    def test(text: str, lookup: Lookup) -> bool:
        given = _arn_parts(text)
        return given is not None and all(
            pattern.matches(part, lookup) for pattern, part in zip(patterns, given, strict=True)
        )

    return test


def _arn_parts(text: str) -> list[str] | None:
    """The six parts of an ARN. Colons within ``${…}`` are of the variable."""
    parts: list[str] = []
    depth = start = 0
    for index, character in enumerate(text):
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        elif character == ":" and depth <= 0 and len(parts) < 5:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts if len(parts) == 6 and parts[0] == "arn" else None


def _as_variable_arn(whole: Pattern, text: str, lookup: Lookup) -> bool:
    """A policy value that is an ARN only once its variable is replaced: compared literally."""
    return whole.matches(text, lookup) and _arn_parts(text) is not None


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _date(text: str) -> float | None:
    """Epoch seconds of an ISO 8601 date and time, or of epoch seconds as text. AWS: takes both."""
    number = _number(text)
    if number is not None and "-" not in text.strip()[1:]:
        return float(number)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _ordered(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[[str, bool], Test]:
    """Comparison of values that have an order; these take no variables."""

    def build(value: str, _variables: bool) -> Test:
        bound = read(value)
        if bound is None:
            return _never

        def test(text: str, _lookup: Lookup) -> bool:
            given = read(text)
            return given is not None and compare(given, bound)

        return test

    return build


def _bool(value: str, variables: bool) -> Test:
    pattern = Pattern(value, wildcards=False, variables=variables, ignore_case=True)
    return lambda text, lookup: text.lower() in ("true", "false") and pattern.matches(text, lookup)


def _binary(value: str, _variables: bool) -> Test:
    bound = _bytes(value)
    return _never if bound is None else lambda text, _lookup: _bytes(text) == bound


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _address(value: str, _variables: bool) -> Test:
    """AWS: an address without a prefix length is that one address."""
    try:
        network = ipaddress.ip_network(value.strip(), strict=False)
    except ValueError:
        return _never

    def test(text: str, _lookup: Lookup) -> bool:
        try:
            address = ipaddress.ip_address(text.strip())
        except ValueError:
            return False
        return address.version == network.version and address in network

    return test


def _never(_text: str, _lookup: Lookup) -> bool:
    return False


_COMPARISONS: tuple[tuple[str, Callable[[Any, Any], bool], bool], ...] = (
    ("equals", operator.eq, False),
    ("notequals", operator.eq, True),
    ("lessthan", operator.lt, False),
    ("lessthanequals", operator.le, False),
    ("greaterthan", operator.gt, False),
    ("greaterthanequals", operator.ge, False),
)

OPERATORS = {
    "stringequals": Operator(_string()),
    "stringnotequals": Operator(_string(), negated=True),
    "stringequalsignorecase": Operator(_string(ignore_case=True)),
    "stringnotequalsignorecase": Operator(_string(ignore_case=True), negated=True),
    "stringlike": Operator(_string(wildcards=True)),
    "stringnotlike": Operator(_string(wildcards=True), negated=True),
    "bool": Operator(_bool),
    "binaryequals": Operator(_binary),
    "ipaddress": Operator(_address),
    "notipaddress": Operator(_address, negated=True),
    "arnequals": Operator(_arn),
    "arnlike": Operator(_arn),
    "arnnotequals": Operator(_arn, negated=True),
    "arnnotlike": Operator(_arn, negated=True),
    **{f"numeric{name}": Operator(_ordered(_number, compare), negated) for name, compare, negated in _COMPARISONS},
    **{f"date{name}": Operator(_ordered(_date, compare), negated) for name, compare, negated in _COMPARISONS},
}
"""By name in lower case, without ``IfExists`` and set prefixes; ``Null`` is not among them."""
