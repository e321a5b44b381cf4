r"""Regular expressions in filter patterns: AWS's small dialect, checked and translated. Pure.

**Theory.** AWS allows letters, digits, a few symbols and ``^ $ ? [ ] { } | \ * + .``; no groups, nothing but ASCII. Without
groups a match can be slow but not exponential; a time limit ends those that are. The text is translated token by token
rather than passed on, because Python's dialects give meaning to combinations that AWS's does not have.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import regex  # type: ignore[import-untyped]

TIMEOUT_S = 0.25
REPEAT_MAX = 1000

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_#=@/;,-: ")
_OPERATORS = frozenset("^$?|*+.")
_ESCAPABLE = frozenset("^$?[]{}|\\*+.") | frozenset("_#=@/;,-: ")
_CLASS_ESCAPE = re.compile(r"\\[dDsSwW]")
_HEX_ESCAPE = re.compile(r"\\x[0-9A-Fa-f]{2}")
_REPEAT = re.compile(r"\{(\d{1,4})(?:(,)(\d{0,4}))?\}")


@lru_cache(maxsize=256)
def compiled(source: str) -> Any:
    """The compiled expression.

    Raises:
        ValueError: AWS's dialect does not have it.
    """
    try:
        return regex.compile(_Translation(source).whole(), regex.ASCII)
    except regex.error as error:
        raise ValueError(str(error)) from None


def found(source: str, text: str) -> bool:
    """Whether the expression matches somewhere in ``text``.

    Raises:
        TimeoutError: it takes too long.
    """
    return compiled(source).search(text, timeout=TIMEOUT_S, concurrent=True) is not None


class _Translation:
    """Reads AWS's dialect and writes Python's."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    def whole(self) -> str:
        """The translated expression.

        Raises:
            ValueError: a character or combination is not allowed.
        """
        if not self._source:
            raise ValueError("empty expression")
        out: list[str] = []
        while self._at < len(self._source):
            out.append(self._token())
        return "".join(out)

    def _token(self) -> str:
        character = self._source[self._at]
        if character in _OPERATORS:
            self._at += 1
            return character
        if character == "[":
            return self._set()
        if character == "{":
            return self._repeat()
        return self._literal(classes=True)

    def _literal(self, *, classes: bool) -> str:
        r"""One character, escaped for Python; with ``classes`` also ``\d`` and the like."""
        if classes and (match := _CLASS_ESCAPE.match(self._source, self._at)):
            self._at = match.end()
            return match[0]
        if match := _HEX_ESCAPE.match(self._source, self._at):
            self._at = match.end()
            return match[0]
        character = self._source[self._at]
        self._at += 1
        if character == "\\" and self._source[self._at : self._at + 1] in _ESCAPABLE:
            character = self._source[self._at]
            self._at += 1
        elif character not in _PLAIN:
            raise ValueError(f"character {character!r}")
        return character if character.isalnum() or character == "_" else f"\\x{ord(character):02x}"

    def _set(self) -> str:
        self._at += 1
        out = "["
        if self._source.startswith("^", self._at):
            self._at += 1
            out = "[^"
        empty = True
        while not self._source.startswith("]", self._at):
            if self._at >= len(self._source):
                raise ValueError("unclosed set")
            out += self._member()
            empty = False
        if empty:
            raise ValueError("empty set")
        self._at += 1
        return out + "]"

    def _member(self) -> str:
        """One character, class or range of a set."""
        if match := _CLASS_ESCAPE.match(self._source, self._at):
            self._at = match.end()
            return match[0]
        low = self._member_character()
        is_range = self._source.startswith("-", self._at) and self._source[self._at + 1 : self._at + 2] not in {"", "]"}
        if not is_range:
            return low
        self._at += 1
        return f"{low}-{self._member_character()}"

    def _member_character(self) -> str:
        character = self._source[self._at]
        if character in _OPERATORS or character in "[{}":
            self._at += 1
            return f"\\x{ord(character):02x}"
        return self._literal(classes=False)

    def _repeat(self) -> str:
        match = _REPEAT.match(self._source, self._at)
        if match is None or int(match[1]) > REPEAT_MAX or int(match[3] or 0) > REPEAT_MAX:
            raise ValueError("repetition")
        self._at = match.end()
        return match[0]
