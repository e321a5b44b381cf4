"""Where the statements of a policy stand in its text, as the policy simulator tells it. Pure.

AWS: a statement begins right behind the bracket, comma or colon in front of it and ends right behind its last brace; lines
and columns count from 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_BLANKS = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()

Position = dict[str, int]
"""``Line`` and ``Column``."""


def statement_positions(document: str) -> list[tuple[Position, Position]]:
    """Start and end of every statement of a well-formed document, in its order."""
    return [(_position(document, start), _position(document, end)) for start, end in _spans(document)]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at) + 1  # behind the colon
        if key == "Statement":
            yield from _statements(text, at)
        _, at = _DECODER.raw_decode(text, _skip(text, at))
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _statements(text: str, at: int) -> Iterator[tuple[int, int]]:
    begin = _skip(text, at)
    if text[begin] != "[":
        yield at, _DECODER.raw_decode(text, begin)[1]
        return
    at = begin
    while text[at] != "]":
        start = at + 1  # behind the bracket or the comma
        _, end = _DECODER.raw_decode(text, _skip(text, start))
        yield start, end
        at = _skip(text, end)


def _skip(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at


def _position(text: str, at: int) -> Position:
    return {"Line": text.count("\n", 0, at) + 1, "Column": at - text.rfind("\n", 0, at)}
