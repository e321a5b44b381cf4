"""Texts of policies with wildcards and variables, compiled. Pure.

**Wildcards.** ``*`` is any run of characters, ``?`` exactly one. In the first five parts of an ARN a ``*`` that is not the
last character of its part stays within it; every other ``*`` also crosses colons. AWS: "If the * wildcard is the last
character of a resource ARN segment, it can expand to match beyond the colon boundaries."

**Variables.** ``${aws:username}`` stands for the value of a condition key, ``${key, 'default'}`` for it or the default,
``${*}``, ``${?}``, ``${$}`` for the character itself. What a variable stands for is never a wildcard. A text with a variable
that has no single value matches nothing. Only documents of version 2012-10-17 have variables.

Matching takes time in proportion to pattern times text whatever the pattern is: documents come from tenants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

Lookup = Callable[[str], tuple[str, ...] | None]
"""Condition key in lower case -> its values, None when the request has none."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WITH_DEFAULT = re.compile(r"\s*([^,\s]+)\s*,\s*'([^']*)'\s*")
_ARN_COLONS = 5


class Wild(Enum):
    """What a pattern has beside plain text."""

    ANY = "*"
    ANY_IN_PART = "* within a part of an ARN"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Variable:
    """A place for the value of a condition key.

    Attributes:
        key: in lower case.
        default: taken when the key has no value; None for none.
    """

    key: str
    default: str | None


Token = str | Wild | Variable


def tokens(text: str, *, wildcards: bool, variables: bool) -> tuple[Token, ...]:
    """The parts of a text as a policy writes it.

    Args:
        text: from the document.
        wildcards: whether ``*`` and ``?`` mean more than themselves.
        variables: whether ``${…}`` does.
    """
    found: list[Token] = []
    position = 0
    for match in _VARIABLE.finditer(text) if variables else ():
        found.extend(_split(text[position : match.start()], wildcards=wildcards))
        found.append(_placeholder(match[1]))
        position = match.end()
    found.extend(_split(text[position:], wildcards=wildcards))
    return tuple(_within_parts(found)) if wildcards else tuple(found)


def _placeholder(inside: str) -> Token:
    if inside in ("*", "?", "$"):
        return inside
    with_default = _WITH_DEFAULT.fullmatch(inside)
    if with_default is not None:
        return Variable(with_default[1].lower(), with_default[2])
    return Variable(inside.strip().lower(), None)


def _split(text: str, *, wildcards: bool) -> Iterator[Token]:
    if not wildcards:
        if text:
            yield text
        return
    for part in re.split(r"([*?])", text):
        if part == "*":
            yield Wild.ANY
        elif part == "?":
            yield Wild.ONE
        elif part:
            yield part


def _within_parts(found: list[Token]) -> Iterator[Token]:
    """Bind the ``*`` of ARN parts; see the module."""
    is_arn = bool(found) and isinstance(found[0], str) and found[0].startswith("arn:")
    colons = 0
    for index, token in enumerate(found):
        if isinstance(token, str):
            colons += token.count(":")
        following = found[index + 1] if index + 1 < len(found) else ":"
        ends_part = isinstance(following, str) and following.startswith(":")
        if token is Wild.ANY and is_arn and colons < _ARN_COLONS and not ends_part:
            yield Wild.ANY_IN_PART
        else:
            yield token


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text between stars; ``ones`` are the places where any character will do."""

    text: str
    ones: frozenset[int]

    def fits(self, text: str, at: int) -> bool:
        if not self.ones:
            return text.startswith(self.text, at)
        if at + len(self.text) > len(text):
            return False
        return all(index in self.ones or text[at + index] == character for index, character in enumerate(self.text))


class Glob:
    """A pattern without variables."""

    __slots__ = ("_first", "_rest")

    def __init__(self, parts: tuple[str | Wild, ...]) -> None:
        stars: list[bool] = []
        runs: list[list[str | Wild]] = [[]]
        for part in parts:
            if part is Wild.ANY or part is Wild.ANY_IN_PART:
                stars.append(part is Wild.ANY)
                runs.append([])
            else:
                runs[-1].append(part)
        pieces = [_piece(run) for run in runs]
        self._first = pieces[0]
        self._rest = tuple(zip(stars, pieces[1:], strict=True))

    def matches(self, text: str) -> bool:
        """Whether the whole text fits."""
        first = self._first
        if not self._rest:
            return len(text) == len(first.text) and first.fits(text, 0)
        if not first.fits(text, 0):
            return False
        ends = {len(first.text)}
        for crosses, piece in self._rest[:-1]:
            ends = {start + len(piece.text) for start in _starts(text, ends, crosses=crosses) if piece.fits(text, start)}
            if not ends:
                return False
        crosses, last = self._rest[-1]
        start = len(text) - len(last.text)
        if start < min(ends) or not last.fits(text, start):
            return False
        return crosses or start in set(_starts(text, ends, crosses=False))


def _piece(run: list[str | Wild]) -> _Piece:
    text, ones = "", set()
    for part in run:
        if isinstance(part, str):
            text += part
        else:
            ones.add(len(text))
            text += "?"
    return _Piece(text, frozenset(ones))


def _starts(text: str, ends: set[int], *, crosses: bool) -> Iterator[int]:
    """Where the next piece may begin, after a star that begins at any of ``ends``."""
    if crosses:
        yield from range(min(ends), len(text) + 1)
        return
    reached = -1
    for end in sorted(ends):
        colon = text.find(":", end)
        stop = colon if colon >= 0 else len(text)
        yield from range(max(end, reached + 1), stop + 1)
        reached = max(reached, stop)


class Pattern:
    """A text of a policy, ready to be compared with texts of requests.

    Args:
        text: as the document has it.
        wildcards: see `tokens`.
        variables: see `tokens`.
        ignore_case: compare in lower case.
    """

    __slots__ = ("_fixed", "_ignore_case", "_tokens")

    def __init__(self, text: str, *, wildcards: bool, variables: bool, ignore_case: bool = False) -> None:
        self._tokens = tokens(text, wildcards=wildcards, variables=variables)
        self._ignore_case = ignore_case
        self._fixed = None if self.has_variables else self._glob(_nothing)

    @property
    def has_variables(self) -> bool:
        """Whether it means something else for every caller."""
        return any(isinstance(token, Variable) for token in self._tokens)

    def matches(self, text: str, lookup: Lookup) -> bool:
        """Whether the whole text fits, with the variables that ``lookup`` knows."""
        glob = self._fixed or self._glob(lookup)
        return glob is not None and glob.matches(text.lower() if self._ignore_case else text)

    def resolved(self, lookup: Lookup) -> str | None:
        """The text with its variables replaced; None when one has no value. Wildcards stand as written."""
        parts = [_value(token, lookup) if isinstance(token, Variable) else token for token in self._tokens]
        if any(part is None for part in parts):
            return None
        return "".join("?" if part is Wild.ONE else "*" if isinstance(part, Wild) else part or "" for part in parts)

    def _glob(self, lookup: Lookup) -> Glob | None:
        parts: list[str | Wild] = []
        for token in self._tokens:
            part = _value(token, lookup) if isinstance(token, Variable) else token
            if part is None:
                return None
            parts.append(part.lower() if self._ignore_case and isinstance(part, str) else part)
        return Glob(tuple(parts))


def _value(variable: Variable, lookup: Lookup) -> str | None:
    values = lookup(variable.key)
    if values is None:
        return variable.default
    return values[0] if len(values) == 1 else None


def _nothing(_key: str) -> None:
    return None
