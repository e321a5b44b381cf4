"""The texts of broken constraints, as AWS's Java framework writes them.

``2 validation errors detected: Value '' at 'name' failed to satisfy constraint: Member must …; Value null at 'role' …``

Members are named with a lower-case first letter and joined by dots; elements of lists count from one and carry ``member``
(``tags.1.member.key``), as do values of maps after their key. A broken *scalar* in a list or map is reported at the list or
map, with all constraints of its elements. Values print as Java prints them: ``[a, b]``, ``{k=v}``; blobs as byte buffers.
Values of sensitive members are left out altogether (``Value at 'environment.variables' failed …``).

Differs: AWS documents no limit; here a value is cut after `VALUE_CHARS_MAX` characters and at most `FINDINGS_MAX` findings
are collected, so that an error is never larger than a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from functory.aws.errors import AwsError
from functory.aws.validation import codes

VALUE_CHARS_MAX = 1024
FINDINGS_MAX = 100
DEPTH_MAX = 100  # of recursive shapes; AWS's own limits are lower (32 in DynamoDB)

Path = tuple["Path | None", str]

NOT_NULL = "Member must not be null"
TOO_DEEP = f"Member must have depth less than or equal to {DEPTH_MAX}"


class Enough(Exception):  # noqa: N818  # ends a check early; it never leaves this package
    """`FINDINGS_MAX` findings are collected: nothing more would be told, so nothing more is looked at."""


class Findings:
    """What is wrong with one set of parameters, in the order found.

    Attributes:
        texts: one per broken constraint.
        instead: an error of the service's own, for a constraint it checks itself; raised when nothing else is wrong.
        depth: how many recursive shapes the check is inside of.
    """

    __slots__ = ("depth", "instead", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.instead: AwsError | None = None
        self.depth = 0

    def add(self, at: Path, value: str, constraint: str) -> None:
        """Note a broken constraint; ``value`` as `quoted`, `NULL` or `HIDDEN` give it.

        Raises:
            Enough: this was the last one worth noting.
        """
        self.texts.append(f"Value {value}at '{dotted(at)}' failed to satisfy constraint: {constraint}")
        if len(self.texts) >= FINDINGS_MAX:
            raise Enough

    def error(self, service: str) -> AwsError | None:
        """The error to answer, or None when nothing is wrong."""
        count = len(self.texts)
        if not count:
            return self.instead
        noun = "error" if count == 1 else "errors"
        return codes.error(service, f"{count} validation {noun} detected: {'; '.join(self.texts)}")


NULL = "null "
HIDDEN = ""


def quoted(value: Any, shape: Shape) -> str:
    """A value as it stands in a finding, or nothing when it is sensitive."""
    return HIDDEN if _is_sensitive(shape) else f"'{java_text(value)[:VALUE_CHARS_MAX]}' "


def java_text(value: Any) -> str:
    """What Java's ``toString`` makes of a parameter."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{java_text(key)}={java_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, Sequence):
        return "[" + ", ".join(java_text(item) for item in value) + "]"
    return "null" if value is None else str(value)


def dotted(path: Path | None) -> str:
    """The path of a member as AWS writes it."""
    parts: list[str] = []
    while path is not None:
        path, name = path
        parts.append(name)
    return ".".join(reversed(parts))


def member_label(name: str) -> str:
    """A member's name with its first letter in lower case (``KMSKeyArn`` becomes ``kMSKeyArn``)."""
    return name[:1].lower() + name[1:]


@cache
def _is_sensitive(shape: Shape) -> bool:
    """Whether anything inside the shape is sensitive, so that printing a value of it could show a secret."""
    seen: set[str] = set()
    waiting = [shape]
    while waiting:
        current = waiting.pop()
        if current.metadata.get("sensitive"):
            return True
        if current.name not in seen:
            seen.add(current.name)
            waiting.extend(_inner_shapes(current))
    return False


def _inner_shapes(shape: Shape) -> list[Shape]:
    if isinstance(shape, StructureShape):
        return list(shape.members.values())
    if isinstance(shape, ListShape):
        return [shape.member]
    return [shape.key, shape.value] if isinstance(shape, MapShape) else []
