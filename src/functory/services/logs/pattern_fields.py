"""Space-delimited filter patterns: ``[ip, user, ..., status = 4*, bytes > 1000]``. Pure.

A message is cut at spaces; ``[…]`` and ``"…"`` are one field each. The pattern names the fields in order; one ``...``
stands for any number of them. A condition follows the name of its field and may be joined with ``&&`` and ``||``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from functory.services.logs.pattern_values import (
    Compare,
    Cursor,
    Expression,
    Leaf,
    PatternError,
    check_regex_count,
    holds,
    leaves,
    render,
)

_BARE = re.compile(r"[^\s,\[\]()&|=<>!\"%]+")
_NAME = re.compile(r"[A-Za-z0-9_\-]+")
_WORD = re.compile(r"\S+")
_CLOSING = {"[": "]", '"': '"'}


@dataclass(frozen=True, slots=True)
class Field:
    """One field; without a name it is known by its number."""

    name: str | None = None
    condition: Expression | None = None

    def __str__(self) -> str:
        return (self.name or "") if self.condition is None else render(self.condition, lambda selector: str(selector[0]))

    def holds(self, text: str) -> bool:
        """Whether the field's content passes."""
        return self.condition is None or holds(self.condition, lambda leaf: isinstance(leaf, Compare) and leaf.holds(text))


@dataclass(frozen=True, slots=True)
class FieldsPattern:
    """Fields from the start and, when there is an ellipsis, from the end (else ``tail`` is None)."""

    head: tuple[Field, ...]
    tail: tuple[Field, ...] | None = None

    def __str__(self) -> str:
        middle = [] if self.tail is None else ["...", *map(str, self.tail)]
        return f"[{', '.join([*map(str, self.head), *middle])}]"

    def matches(self, message: str) -> bool:
        """See `pattern.Pattern`."""
        texts = split(message, None if self.tail is not None else len(self.head) + 1)
        fields = self._fields(len(texts))
        return fields is not None and all(field.holds(text) for field, text in zip(fields, texts, strict=True))

    def extract(self, message: str) -> dict[str, str]:
        """See `pattern.Pattern`."""
        texts = split(message, None)
        fields = self._fields(len(texts)) or []
        named = zip(fields, texts, strict=False)
        return {f"${field.name or number}": text for number, (field, text) in enumerate(named, 1)}

    def _fields(self, count: int) -> list[Field] | None:
        """One field for each of ``count`` texts, or None when they do not fit."""
        tail = self.tail or ()
        missing = count - len(self.head) - len(tail)
        if missing < 0 or (self.tail is None and missing):
            return None
        return [*self.head, *([Field()] * missing), *tail]


def parse(text: str) -> FieldsPattern:
    """The pattern between the brackets.

    Raises:
        PatternError: it is none.
    """
    cursor = Cursor(text, _BARE)
    head: list[Field] = []
    tail: list[Field] | None = None
    while True:
        if cursor.take("..."):
            if tail is not None:
                raise PatternError
            tail = []
        else:
            (head if tail is None else tail).append(_field(cursor))
        if not cursor.take(","):
            break
    if cursor.peek():
        raise PatternError
    fields = [*head, *(tail or ())]
    conditions = [leaf for field in fields if field.condition for leaf in leaves(field.condition)]
    check_regex_count([leaf.value for leaf in conditions if isinstance(leaf, Compare)])
    return FieldsPattern(tuple(head), None if tail is None else tuple(tail))


def split(message: str, most: int | None) -> list[str]:
    """The fields of a message; not more than ``most`` of them."""
    texts: list[str] = []
    unclosed: set[str] = set()  # a bracket without an end is searched for once, not at every field
    at = 0
    while (most is None or len(texts) < most) and (match := _WORD.search(message, at)):
        at = match.start()
        closing = _CLOSING.get(message[at])
        end = -1 if closing is None or closing in unclosed else message.find(closing, at + 1)
        if end >= 0:
            texts.append(message[at + 1 : end])
            at = end + 1
            continue
        if closing is not None:
            unclosed.add(closing)
        texts.append(match[0])
        at = match.end()
    return texts


def _field(cursor: Cursor) -> Field:
    if cursor.peek() in {"", ","}:
        return Field()
    start = cursor.at
    if cursor.text[start] == "(":
        return _with_condition(cursor, None)
    name = cursor.expect(_NAME)
    if cursor.peek() in {"", ","}:
        return Field(name)
    cursor.at = start
    return _with_condition(cursor, name)


def _with_condition(cursor: Cursor, name: str | None) -> Field:
    condition = cursor.expression(partial(_leaf, cursor))
    names = {str(leaf.selector[0]) for leaf in leaves(condition)}
    if len(names) != 1 or name not in {None, *names}:
        raise PatternError
    return Field(names.pop(), condition)


def _leaf(cursor: Cursor) -> Leaf:
    cursor.peek()
    return cursor.comparison((cursor.expect(_NAME),))
