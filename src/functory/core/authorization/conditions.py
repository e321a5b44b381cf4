"""The ``Condition`` element of a statement, compiled. Pure.

**Theory.** A block holds operators, an operator keys, a key values: all operators and all keys must hold, one value of a key
is enough (for a negated operator: none may match). A key that the request does not have makes a condition false, a negated
one true; ``…IfExists`` makes both true. ``ForAllValues:`` wants every value of the request to hold and holds for a missing
key; ``ForAnyValue:`` wants one, and does not.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functory.core.authorization.errors import PolicyError
from functory.core.authorization.operators import OPERATORS, Test
from functory.core.authorization.patterns import Lookup

_NULL = "null"
_IF_EXISTS = "ifexists"
_SETS = ("forallvalues", "foranyvalue")


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key.

    Attributes:
        key: in lower case.
        tests: one for each value of the policy.
        negated: none of the tests may hold.
        if_exists: holds for a missing key.
        over: ``""``, ``forallvalues`` or ``foranyvalue``.
    """

    key: str
    tests: tuple[Test, ...]
    negated: bool = False
    if_exists: bool = False
    over: str = ""

    def holds(self, lookup: Lookup) -> bool:
        """Whether the request fulfils it."""
        given = lookup(self.key)
        if given is None:
            return self._without_key()
        if self.over == "forallvalues":
            return all(self._fits(value, lookup) for value in given)
        if self.over == "foranyvalue" or not self.negated:
            return any(self._fits(value, lookup) for value in given)
        return all(self._fits(value, lookup) for value in given)

    def _without_key(self) -> bool:
        if self.over:
            return self.over == "forallvalues" or self.if_exists
        return self.if_exists or self.negated

    def _fits(self, value: str, lookup: Lookup) -> bool:
        return any(test(value, lookup) for test in self.tests) is not self.negated


@dataclass(frozen=True, slots=True)
class NullCondition:
    """``Null``: the key is absent (true) or present (false)."""

    key: str
    wanted: frozenset[bool]

    def holds(self, lookup: Lookup) -> bool:
        """Whether the request fulfils it."""
        return (lookup(self.key) is None) in self.wanted


def compile_conditions(block: Any, *, variables: bool) -> tuple[Condition | NullCondition, ...]:
    """The conditions of a statement.

    Args:
        block: the ``Condition`` element.
        variables: whether the document has policy variables.

    Raises:
        PolicyError: there is no such operator, or a value is not a text, a number or a truth value.
    """
    if not isinstance(block, Mapping):
        raise PolicyError("Condition is not an object")
    found: list[Condition | NullCondition] = []
    for name, keys in block.items():
        if not isinstance(keys, Mapping):
            raise PolicyError(f"condition {name} is not an object")
        found.extend(_compile(name, key, as_texts(values), variables=variables) for key, values in keys.items())
    return tuple(found)


def _compile(name: str, key: str, values: tuple[str, ...], *, variables: bool) -> Condition | NullCondition:
    over, colon, rest = name.lower().partition(":")
    if not colon:
        over, rest = "", over
    elif over not in _SETS:
        raise PolicyError(f"unknown condition operator {name}")
    if rest == _NULL and not over:
        return NullCondition(key.lower(), frozenset(value.lower() == "true" for value in values))
    if_exists = rest.endswith(_IF_EXISTS)
    operator = OPERATORS.get(rest.removesuffix(_IF_EXISTS))
    if operator is None:
        raise PolicyError(f"unknown condition operator {name}")
    tests = tuple(operator.compile(value, variables) for value in values)
    return Condition(key.lower(), tests, operator.negated, if_exists, over)


def as_texts(value: Any) -> tuple[str, ...]:
    """One value or a list of them as texts, as AWS reads JSON numbers and truth values in policies.

    Raises:
        PolicyError: it is something else.
    """
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, int | float):
        return (str(value),)
    if isinstance(value, list):
        return tuple(text for each in value for text in as_texts(each))
    raise PolicyError(f"{type(value).__name__} is no value of a policy")
