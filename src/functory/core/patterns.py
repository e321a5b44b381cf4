"""The language of event patterns: which documents a pattern lets through. Pure.

A pattern is a JSON object shaped like the documents it is for: keys of an object must all match, of a list of rules one
must; a document's list matches where one of its elements does. Compiled once, matched often.

Rules: a literal (string, number, boolean, null), ``prefix``, ``suffix``, ``equals-ignore-case``, ``wildcard``,
``anything-but`` (values, or one of the rules before), ``numeric``, ``exists``, ``cidr``; and the key ``$or``.

AWS: event patterns of Amazon EventBridge, which Lambda's event filtering shares,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from functory.kernel.errors import FunctoryError

Test = Callable[[Any], bool]
"""Whether one value of a document satisfies a rule; `ABSENT` where it has none."""

OR = "$or"
DEPTH_MAX = 32
RULES_MAX = 1_000
ABSENT = object()
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class PatternError(FunctoryError):
    """The text is no pattern; it says why."""


class Pattern:
    """A compiled pattern.

    Args:
        text: JSON.

    Raises:
        PatternError: it is no pattern.
    """

    def __init__(self, text: str) -> None:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PatternError("Filter is not valid JSON.") from error
        if not isinstance(document, dict):
            raise PatternError("Filter is not an object.")
        self.document: Mapping[str, Any] = document
        self._budget = RULES_MAX
        self._matches = self._object(document, 0)

    def matches(self, document: Mapping[str, Any]) -> bool:
        """Whether the document gets through."""
        return self._matches(document)

    def _object(self, pattern: Mapping[str, Any], depth: int) -> Test:
        if depth > DEPTH_MAX:
            raise PatternError("Filter is nested too deeply.")
        if not pattern:
            raise PatternError("Empty objects are not allowed.")
        tests: list[tuple[str, Test]] = []
        alternatives: list[list[Test]] = []
        for key, value in pattern.items():
            if key == OR and isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
                alternatives.append([self._object(each, depth + 1) for each in value])
            elif isinstance(value, dict):
                tests.append((key, _in_any(self._object(value, depth + 1))))
            elif isinstance(value, list):
                tests.append((key, self._rules(key, value)))
            else:
                raise PatternError(f'"{key}" must be an object or an array')

        def matches(document: Any) -> bool:
            members = document if isinstance(document, dict) else {}
            return all(test(members.get(key, ABSENT)) for key, test in tests) and all(
                any(test(document) for test in choice) for choice in alternatives
            )

        return matches

    def _rules(self, key: str, rules: Sequence[Any]) -> Test:
        if not rules:
            raise PatternError("Empty arrays are not allowed.")
        self._budget -= len(rules)
        if self._budget < 0:
            raise PatternError("Filter has too many rules.")
        tests = [_rule(key, rule) for rule in rules]
        return lambda value: any(test(value) for test in tests)


def _in_any(test: Test) -> Test:
    """An object's pattern also holds for a list of objects one of which satisfies it."""
    return lambda value: any(test(each) for each in value) if isinstance(value, list) else test(value)


def _rule(key: str, rule: Any) -> Test:
    if isinstance(rule, dict):
        if len(rule) != 1:
            raise PatternError(f'Only one key allowed in match expression of "{key}"')
        name, operand = next(iter(rule.items()))
        if name == "exists":
            if not isinstance(operand, bool):
                raise PatternError("exists match pattern must be either true or false.")
            return lambda value: (value is not ABSENT and not isinstance(value, dict)) is operand
        make = _RULES.get(name)
        if make is None:
            raise PatternError(f"Unrecognized match type {name}")
        return _over_elements(make(operand))
    if isinstance(rule, list):
        raise PatternError(f'"{key}": match value must be String, number, true, false, or null')
    return _over_elements(_literal(rule))


def _over_elements(test: Test) -> Test:
    """A list satisfies a rule that one of its elements does."""

    def over(value: Any) -> bool:
        if value is ABSENT:
            return False
        return any(test(each) for each in value) if isinstance(value, list) else test(value)

    return over


def _literal(wanted: Any) -> Test:
    kind = bool if isinstance(wanted, bool) else (int, float) if isinstance(wanted, int | float) else type(wanted)

    def equal(value: Any) -> bool:
        if isinstance(value, bool) is not isinstance(wanted, bool):
            return False
        return isinstance(value, kind) and bool(value == wanted)

    return equal


def _text_rule(name: str, make: Callable[[str], Callable[[str], bool]]) -> Callable[[Any], Test]:
    def rule(operand: Any) -> Test:
        if isinstance(operand, dict) and set(operand) == {"equals-ignore-case"} and name in {"prefix", "suffix"}:
            folded = make(_text(name, operand["equals-ignore-case"]).lower())
            return lambda value: isinstance(value, str) and folded(value.lower())
        test = make(_text(name, operand))
        return lambda value: isinstance(value, str) and test(value)

    return rule


def _text(name: str, operand: Any) -> str:
    if not isinstance(operand, str):
        raise PatternError(f"{name} match pattern must be a string")
    return operand


def _wildcard(text: str) -> Callable[[str], bool]:
    if "**" in text:
        raise PatternError("Consecutive wildcard characters are not allowed.")
    pieces = re.split(r"(\\\*|\\\\|\*)", text)
    translated = "".join(
        ".*" if piece == "*" else re.escape(piece[1:] if piece in (r"\*", "\\\\") else piece) for piece in pieces
    )
    compiled = re.compile(translated, re.DOTALL)
    return lambda value: compiled.fullmatch(value) is not None


def _anything_but(operand: Any) -> Test:
    if isinstance(operand, dict):
        if len(operand) != 1 or next(iter(operand)) not in {"prefix", "suffix", "equals-ignore-case", "wildcard"}:
            raise PatternError("Unsupported anything-but pattern")
        name, inner = next(iter(operand.items()))
        tests = [_RULES[name](each) for each in (inner if isinstance(inner, list) else [inner])]
    else:
        values = operand if isinstance(operand, list) else [operand]
        if not values or any(isinstance(each, dict | list) for each in values):
            raise PatternError("Inside anything but list, start|null|boolean is not supported.")
        tests = [_literal(each) for each in values]
    return lambda value: not any(test(value) for test in tests)


def _numeric(operand: Any) -> Test:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise PatternError("Value of numeric must be an array of one or two comparisons.")
    bounds: list[tuple[Callable[[float, float], bool], float]] = []
    for sign, bound in zip(operand[::2], operand[1::2], strict=True):
        if sign not in _COMPARISONS or isinstance(bound, bool) or not isinstance(bound, int | float):
            raise PatternError(f"Unrecognized numeric range operator: {sign}")
        bounds.append((_COMPARISONS[sign], bound))
    if len(bounds) == 2 and not (operand[0] in {">", ">="} and operand[2] in {"<", "<="}):
        raise PatternError("Bad numeric range operator: " + str(operand[2]))

    def within(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and all(compare(value, bound) for compare, bound in bounds)

    return within


def _cidr(operand: Any) -> Test:
    try:
        network = ipaddress.ip_network(_text("cidr", operand), strict=False)
    except ValueError as error:
        raise PatternError(f"Malformed CIDR: {operand}") from error

    def within(value: Any) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return within


_RULES: dict[str, Callable[[Any], Test]] = {
    "prefix": _text_rule("prefix", lambda wanted: lambda value: value.startswith(wanted)),
    "suffix": _text_rule("suffix", lambda wanted: lambda value: value.endswith(wanted)),
    "equals-ignore-case": _text_rule("equals-ignore-case", lambda wanted: lambda value: value.lower() == wanted.lower()),
    "wildcard": _text_rule("wildcard", _wildcard),
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}
