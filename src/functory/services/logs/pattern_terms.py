"""Unstructured filter patterns: ``ERROR -Exiting``, ``?WARN ?ERROR``, ``"two words"``, ``%regular expression%``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from functory.services.logs.pattern_values import Cursor, PatternError, Regex, bad_term, quote

_WORD = re.compile(r"\S+")
_END = re.compile(r"\s|\Z")


@dataclass(frozen=True, slots=True)
class Literal:
    """Text to be contained."""

    text: str

    def __str__(self) -> str:
        return quote(self.text)

    def found(self, message: str) -> bool:
        """Whether the message contains it, case-sensitively."""
        return self.text in message


Term = Literal | Regex


@dataclass(frozen=True, slots=True)
class TermsPattern:
    """All of ``required``, none of ``excluded``; with neither of those, one of ``optional``.

    AWS: ``?`` terms are ignored next to terms of the other kinds.
    """

    required: tuple[Term, ...] = ()
    optional: tuple[Term, ...] = ()
    excluded: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(
            [*map(str, self.required), *(f"?{term}" for term in self.optional), *(f"-{term}" for term in self.excluded)]
        )

    def matches(self, message: str) -> bool:
        """See `pattern.Pattern`."""
        if self.required or self.excluded:
            return all(term.found(message) for term in self.required) and not any(
                term.found(message) for term in self.excluded
            )
        return not self.optional or any(term.found(message) for term in self.optional)

    def extract(self, _message: str) -> dict[str, str]:
        """Terms name no fields."""
        return {}


def parse(text: str) -> TermsPattern:
    """The terms of a pattern.

    Raises:
        PatternError: a term needs quotes, or quotes do not close.
    """
    cursor = Cursor(text, _WORD)
    terms: dict[str, list[Term]] = {"": [], "?": [], "-": []}
    while first := cursor.peek():
        kind = first if first in terms else ""
        if kind:
            cursor.at += 1
        terms[kind].append(_term(cursor))
    return TermsPattern(tuple(terms[""]), tuple(terms["?"]), tuple(terms["-"]))


def _term(cursor: Cursor) -> Term:
    first, start = cursor.peek(), cursor.at
    if not first:
        raise PatternError
    if first == '"':
        term: Term = Literal(cursor.quoted())
    elif first == "%":
        term = cursor.regex()
    else:
        word = cursor.expect(_WORD)
        if not word.replace("_", "a").isalnum():
            raise bad_term(word)
        return Literal(word)
    if term == Literal("") or not _END.match(cursor.text, cursor.at):
        raise bad_term(_WORD.findall(cursor.text[start:])[0])
    return term
