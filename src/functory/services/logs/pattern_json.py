"""JSON filter patterns: ``{ $.a.b[0] = "x*" && ($.n >= 3 || $.z IS NULL) }``. Pure.

AWS: a selector must lead to a string, number or boolean; a comparison with anything else, or with nothing, is false,
whatever its operator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from functory.services.logs.pattern_values import (
    Check,
    Compare,
    Cursor,
    Expression,
    Leaf,
    PatternError,
    check_regex_count,
    holds,
    leaves,
    render,
    text_of,
)

_BARE = re.compile(r"[\w.*:/+\-]+")
_STEP = re.compile(r"\.[A-Za-z0-9_\-]+|\[\d{1,9}\]")
_TEST = re.compile(r"(IS)\s+(NULL|TRUE|FALSE)\b|(NOT)\s+(EXISTS)\b", re.IGNORECASE)
_MISSING = object()
_DECODER = msgspec.json.Decoder()

Selector = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class JsonPattern:
    """Conditions on the values of one JSON document."""

    expression: Expression

    def __str__(self) -> str:
        return f"{{ {render(self.expression, render_selector)} }}"

    def matches(self, message: str) -> bool:
        """See `pattern.Pattern`."""
        document = _document(message)
        return document is not _MISSING and holds(self.expression, partial(_leaf_holds, document))

    def extract(self, message: str) -> dict[str, str]:
        """See `pattern.Pattern`."""
        document = _document(message)
        found = {leaf.selector: select(document, leaf.selector) for leaf in leaves(self.expression)}
        return {
            render_selector(selector): text_of(value)
            for selector, value in found.items()
            if isinstance(value, str | int | float)
        }


def parse(text: str) -> JsonPattern:
    """The pattern between the braces.

    Raises:
        PatternError: it is none.
    """
    cursor = Cursor(text, _BARE)
    expression = cursor.expression(partial(_leaf, cursor))
    if cursor.peek():
        raise PatternError
    check_regex_count([leaf.value for leaf in leaves(expression) if isinstance(leaf, Compare)])
    return JsonPattern(expression)


def render_selector(selector: Selector) -> str:
    """``$.name[0].name``."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in selector)


def select(document: Any, selector: Selector) -> Any:
    """The value the selector leads to, or `_MISSING`."""
    for step in selector:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return _MISSING
            document = document[step]
        elif isinstance(document, dict) and step in document:
            document = document[step]
        else:
            return _MISSING
    return document


def _document(message: str) -> Any:
    """The message as JSON object or array, or `_MISSING`."""
    if not message.lstrip().startswith(("{", "[")):
        return _MISSING
    try:
        return _DECODER.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return _MISSING


def _leaf_holds(document: Any, leaf: Leaf) -> bool:
    value = select(document, leaf.selector)
    if isinstance(leaf, Compare):
        return isinstance(value, str | int | float) and leaf.holds(value)
    if leaf.test == "NOT EXISTS":
        return value is _MISSING
    return value is {"IS NULL": None, "IS TRUE": True, "IS FALSE": False}[leaf.test]


def _leaf(cursor: Cursor) -> Leaf:
    if not cursor.take("$"):
        raise PatternError
    steps: list[str | int] = []
    while match := _STEP.match(cursor.text, cursor.at):
        steps.append(match[0][1:] if match[0].startswith(".") else int(match[0][1:-1]))
        cursor.at = match.end()
    if not steps or isinstance(steps[0], int):
        raise PatternError
    selector = tuple(steps)
    cursor.peek()
    if match := _TEST.match(cursor.text, cursor.at):
        cursor.at = match.end()
        return Check(selector, " ".join(group.upper() for group in match.groups() if group))
    return cursor.comparison(selector)
