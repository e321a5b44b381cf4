r"""AWS's regular expressions, which are Java's, for Python.

The models carry the patterns AWS's own services run in Java with ``matches()``: they cover the whole value even without
anchors. The ``regex`` package knows most of the syntax; `translate` rewrites what means something else there:

- ``\w \d \s`` and the POSIX names (``\p{Alpha}``, ``\p{Print}`` …) are ASCII in Java, Unicode in Python;
- ``.`` also stops at ``\r``, NEL and the Unicode line separators;
- ``\x{H…}``, ``\z``, ``\v`` and surrogate pairs written as two escapes have other spellings;
- ``&&`` inside a class is an intersection (``regex``'s version 1 sets).

A pattern is compiled when a value first meets it and kept. A match may take at most `TIMEOUT_S`, `TRIES` times; a value that
needs longer (catastrophic backtracking) does not match: refusing a value nobody sends beats a node that stands still. One
try would not do: the clock goes on while a busy machine lets the node wait, and a good value would be refused.
"""

from __future__ import annotations

from functools import cache

import regex  # type: ignore[import-untyped]  # ships no stubs

TIMEOUT_S = 0.05
TRIES = 4
_LINE_ENDS = r"\n\r\x85\u2028\u2029"
_END = r"\U0010ffff"
_ASCII_SETS = {  # name: contents of a character class
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Upper": "A-Z",
    "Lower": "a-z",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": r"\x20-~",
    "Blank": r"\x20\t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r"\x20\t-\r",
    "ASCII": r"\x00-\x7f",
    "all": rf"\x00-{_END}",
    "LD": r"\p{L}\p{Nd}",
}
_ESCAPED_SETS = {
    "d": "0-9",
    "w": "a-zA-Z0-9_",
    "s": r"\x20\t-\r",
    "v": r"\n\x0b\f\r\x85\u2028\u2029",
    "D": rf"\x00-/:-{_END}",
    "W": rf"\x00-/:-@\[-\^`{{-{_END}",
    "S": rf"\x00-\x08\x0e-\x1f!-{_END}",
}
_PROPERTY_NAMES = {"IsAlphabetic": "Alphabetic", "IsWhitespace": "White_Space", "IsWhite_Space": "White_Space"}
_PIECE = regex.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a surrogate pair
    r"|\\[pP](?:\{[^}]*\}|.)"
    r"|\\x\{[0-9a-fA-F]+\}"
    r"|\\."
    r"|\[\^?\]?|\]|&&|.",
    flags=regex.DOTALL,
)


@cache
def compiled(pattern: str) -> regex.Pattern[str] | None:
    """The compiled pattern; None when even Java-aware reading makes no sense of it, so that it cannot be held."""
    try:
        return regex.compile(translate(pattern))
    except regex.error:
        return None


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text satisfies a pattern of AWS's models."""
    expression = compiled(pattern)
    return expression is None or covers(expression, text)


def covers(expression: regex.Pattern[str], text: str) -> bool:
    """Whether an expression matches the whole text in the time it may take."""
    for _ in range(TRIES):
        try:
            return expression.fullmatch(text, timeout=TIMEOUT_S) is not None
        except TimeoutError:
            continue
    return False


def translate(pattern: str) -> str:
    """A Java pattern in the syntax of the ``regex`` package."""
    parts: list[str] = []
    in_class = has_intersection = False
    dot_is_all = "(?s" in pattern
    pieces = _PIECE.findall(pattern)
    for before, piece, after in zip(["", *pieces], pieces, [*pieces[1:], ""], strict=False):
        part = piece
        if len(piece) > 1 and piece[0] == "\\":
            part = _escape(piece, in_class=in_class)
        elif piece[0] == "[":
            # A bracket in a class is a character, or the start of an intersection's second set, closed by its own.
            part = piece if in_class else piece.replace("]", r"\]")
            in_class = not (in_class and piece.endswith("]"))
        elif piece == "]":
            in_class = False
        elif in_class:
            has_intersection |= piece == "&&"
            if piece == "-" and (_is_set(before) or _is_set(after)):
                part = r"\-"  # beside a set it is a character, not a range
        elif piece == "." and not dot_is_all:
            part = f"[^{_LINE_ENDS}]"
        parts.append(part)
    return ("(?V1)" if has_intersection else "") + "".join(parts)


def _is_set(piece: str) -> bool:
    return len(piece) > 1 and piece[0] == "\\" and (piece[1] in _ESCAPED_SETS or piece[1] in "pP")


def _escape(piece: str, *, in_class: bool) -> str:
    kind = piece[1]
    if kind in "pP":
        return _property(piece, in_class=in_class)
    if kind in _ESCAPED_SETS:
        return _ESCAPED_SETS[kind] if in_class else f"[{_ESCAPED_SETS[kind]}]"
    if piece.startswith(r"\x{"):
        return rf"\U{int(piece[3:-1], 16):08x}"
    if kind == "u" and len(piece) > 2:
        high, low = int(piece[2:6], 16), int(piece[8:12], 16)
        return rf"\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"
    if kind in "zZ" and not in_class:
        return r"\Z"
    return piece


def _property(piece: str, *, in_class: bool) -> str:
    name = piece[2:].strip("{}")
    ascii_set = _ASCII_SETS.get(name)
    if ascii_set is None or piece[1] == "P":  # negated POSIX names, which no model has, stay Unicode's
        return rf"\{piece[1]}{{{_PROPERTY_NAMES.get(name, name)}}}"
    return ascii_set if in_class else f"[{ascii_set}]"
