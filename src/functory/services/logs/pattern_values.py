"""What all kinds of filter patterns share: reading text, values, comparisons, boolean expressions. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from functory.services.logs import pattern_regex

NESTING_MAX = 50
REGEXES_MAX = 2

Scalar = str | int | float | bool

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\Z", re.ASCII)
_INTEGER_DIGITS_MAX = 300
_OPERATOR = re.compile(r"!=|=!|<=|>=|=|<|>")
_SPACE = re.compile(r"\s*")
_EQUALITY = ("=", "!=")


class PatternError(ValueError):
    """The filter pattern cannot be used; the text is what AWS answers."""

    def __init__(self, text: str = "Invalid filter pattern") -> None:
        super().__init__(text)


def bad_term(term: str) -> PatternError:
    """The error for a term that must be put in quotes."""
    return PatternError(f"Invalid filter pattern: Invalid character(s) in term '{term}'")


# Values


@dataclass(frozen=True, slots=True)
class Text:
    """Text to be equal to; ``*`` at its start or end stands for anything."""

    text: str

    def __str__(self) -> str:
        return quote(self.text)

    def equals(self, actual: str) -> bool:
        """Whether ``actual`` is this text, wildcards considered."""
        core, opened, closed = self.text, False, False
        if core.startswith("*"):
            core, opened = core[1:], True
        if core.endswith("*"):
            core, closed = core[:-1], True
        if opened and (closed or not core):
            return core in actual
        if opened:
            return actual.endswith(core)
        return actual.startswith(core) if closed else actual == core


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression, found anywhere in the text."""

    source: str

    def __str__(self) -> str:
        return f"%{self.source}%"

    def found(self, text: str) -> bool:
        """Whether it matches somewhere.

        Raises:
            PatternError: it takes too long.
        """
        try:
            return pattern_regex.found(self.source, text)
        except TimeoutError:
            raise PatternError("The regular expression of the filter pattern takes too long on these log events") from None


Value = Text | Number | Regex


def quote(text: str) -> str:
    """A quoted string of the pattern language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def number_of(text: str) -> int | float | None:
    """The number that ``text`` writes, or None."""
    if not _NUMBER.match(text):
        return None
    if text.lstrip("+-").isdigit() and len(text) <= _INTEGER_DIGITS_MAX:
        return int(text)
    return float(text)


def text_of(actual: Scalar) -> str:
    """A JSON scalar as JSON writes it, strings without quotes."""
    if isinstance(actual, bool):
        return "true" if actual else "false"
    return actual if isinstance(actual, str) else repr(actual)


# Comparisons and expressions


@dataclass(frozen=True, slots=True)
class Compare:
    """A condition on one field; ``selector`` is a field name, or the steps into JSON."""

    selector: tuple[str | int, ...]
    operator: str
    value: Value

    def holds(self, actual: Scalar) -> bool:
        """Whether the field's content passes.

        Raises:
            PatternError: a regular expression takes too long.
        """
        if isinstance(self.value, Number):
            return self._holds_number(self.value, actual)
        equal = self.value.found(text_of(actual)) if isinstance(self.value, Regex) else self.value.equals(text_of(actual))
        return equal == (self.operator == "=")

    def _holds_number(self, value: Number, actual: Scalar) -> bool:
        wanted = number_of(value.text)
        left = number_of(actual) if isinstance(actual, str) else None if isinstance(actual, bool) else actual
        if left is None or wanted is None:
            return self.operator == "!="
        return {
            "=": left == wanted,
            "!=": left != wanted,
            "<": left < wanted,
            "<=": left <= wanted,
            ">": left > wanted,
            ">=": left >= wanted,
        }[self.operator]


@dataclass(frozen=True, slots=True)
class Check:
    """A condition without a value: ``IS NULL``, ``IS TRUE``, ``IS FALSE``, ``NOT EXISTS``."""

    selector: tuple[str | int, ...]
    test: str


@dataclass(frozen=True, slots=True)
class Both:
    """``&&``; at least two parts."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """``||``; at least two parts."""

    parts: tuple[Expression, ...]


Leaf = Compare | Check
Expression = Compare | Check | Both | Either


def holds(expression: Expression, leaf_holds: Callable[[Leaf], bool]) -> bool:
    """Whether the expression is true when its leaves are asked one by one."""
    if isinstance(expression, Both):
        return all(holds(part, leaf_holds) for part in expression.parts)
    if isinstance(expression, Either):
        return any(holds(part, leaf_holds) for part in expression.parts)
    return leaf_holds(expression)


def leaves(expression: Expression) -> Iterator[Leaf]:
    """Every condition of the expression, from left to right."""
    if isinstance(expression, Both | Either):
        for part in expression.parts:
            yield from leaves(part)
    else:
        yield expression


def render(expression: Expression, render_selector: Callable[[tuple[str | int, ...]], str]) -> str:
    """A text that parses to an equal expression."""
    if isinstance(expression, Both | Either):
        joint = " && " if isinstance(expression, Both) else " || "
        return joint.join(
            f"({render(part, render_selector)})" if isinstance(part, Both | Either) else render(part, render_selector)
            for part in expression.parts
        )
    name = render_selector(expression.selector)
    if isinstance(expression, Check):
        return f"{name} {expression.test}"
    return f"{name} {expression.operator} {expression.value}"


def check_regex_count(values: list[Value]) -> None:
    """AWS: a JSON or space-delimited pattern holds at most two regular expressions.

    Raises:
        PatternError: it has more.
    """
    if sum(isinstance(value, Regex) for value in values) > REGEXES_MAX:
        raise PatternError(f"Invalid filter pattern: more than {REGEXES_MAX} regular expressions")


class Cursor:
    """Reads a pattern from left to right; every method raises `PatternError` when it finds something else."""

    def __init__(self, text: str, bare: re.Pattern[str]) -> None:
        """``bare`` matches the values that need no quotes here."""
        self.text = text
        self.at = 0
        self._bare = bare

    def peek(self) -> str:
        """The next character after spaces, or ``""`` at the end."""
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def take(self, literal: str) -> bool:
        """Step over ``literal`` if it comes next after spaces."""
        self.peek()
        if not self.text.startswith(literal, self.at):
            return False
        self.at += len(literal)
        return True

    def expect(self, what: re.Pattern[str]) -> str:
        """The text that ``what`` matches here."""
        match = what.match(self.text, self.at)
        if match is None:
            raise PatternError
        self.at = match.end()
        return match[0]

    def quoted(self) -> str:
        """A string in double quotes; a backslash protects ``"`` and itself."""
        out: list[str] = []
        at = self.at + 1
        while at < len(self.text) and self.text[at] != '"':
            if self.text[at] == "\\" and self.text[at + 1 : at + 2] in {'"', "\\"}:
                at += 1
            out.append(self.text[at])
            at += 1
        if at >= len(self.text):
            raise PatternError
        self.at = at + 1
        return "".join(out)

    def regex(self) -> Regex:
        """A regular expression between percent signs."""
        end = self.text.find("%", self.at + 1)
        if end < 0:
            raise PatternError
        source = self.text[self.at + 1 : end]
        try:
            pattern_regex.compiled(source)
        except ValueError:
            raise bad_term(self.text[self.at : end + 1]) from None
        self.at = end + 1
        return Regex(source)

    def value(self) -> Value:
        """A quoted string, a regular expression, a number or a word."""
        first = self.peek()
        if first == '"':
            return Text(self.quoted())
        if first == "%":
            return self.regex()
        word = self.expect(self._bare)
        return Text(word) if number_of(word) is None else Number(word)

    def comparison(self, selector: tuple[str | int, ...]) -> Compare:
        """Operator and value. AWS's documentation also writes ``=!`` for ``!=``."""
        self.peek()
        operator = self.expect(_OPERATOR).replace("=!", "!=")
        value = self.value()
        if operator not in _EQUALITY and not isinstance(value, Number):
            raise PatternError
        return Compare(selector, operator, value)

    def expression(self, leaf: Callable[[], Leaf], depth: int = 0) -> Expression:
        """Conditions joined by ``||`` and, binding closer, ``&&``; parentheses group."""
        parts = [self._conjunction(leaf, depth)]
        while self.take("||"):
            parts.append(self._conjunction(leaf, depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _conjunction(self, leaf: Callable[[], Leaf], depth: int) -> Expression:
        parts = [self._condition(leaf, depth)]
        while self.take("&&"):
            parts.append(self._condition(leaf, depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _condition(self, leaf: Callable[[], Leaf], depth: int) -> Expression:
        if not self.take("("):
            return leaf()
        if depth >= NESTING_MAX:
            raise PatternError
        inner = self.expression(leaf, depth + 1)
        if not self.take(")"):
            raise PatternError
        return inner
