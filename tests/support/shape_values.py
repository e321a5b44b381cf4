"""Values for botocore's shapes, drawn from a seed: for round trips through codecs.

Every value survives its place on the wire: header text is printable ASCII, what travels as RFC 822 has whole seconds, and
so on. Recursive shapes end after a few levels.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Extent = Literal["minimal", "full", "some"]

_LEVELS = 5
_PLAIN = "abcXYZ019-_.~"
_HEADER = _PLAIN + " :/=;()"
_WILD = _PLAIN + " /+%&=?#<>\"'\\{}[],:;@!$*|\u00e9\u20ac\U0001f600\n\t"
_BASE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def seed_of(*names: str) -> int:
    """A seed that is the same in every run."""
    return zlib.crc32("/".join(names).encode())


class ShapeValues:
    """Draws values.

    Args:
        chance: where randomness comes from.
        extent: only required members, all, or each optional one by chance.
        is_answer: for an output; some clients read headers more simply than they write them.
    """

    def __init__(self, chance: random.Random, extent: Extent, *, is_answer: bool = False) -> None:
        self._chance = chance
        self._extent = extent
        self._is_answer = is_answer

    def structure(self, shape: Any) -> dict[str, Any]:
        """Members of an input or output; event streams are left to the caller."""
        names = self._chosen(shape, 0)
        members = {name: shape.members[name] for name in names if not shape.members[name].serialization.get("eventstream")}
        return {name: self.value(member, 1) for name, member in members.items()}

    def value(self, shape: Any, level: int = 0) -> Any:
        """A value of any shape."""
        serialization = shape.serialization
        if serialization.get("jsonvalue") and serialization.get("location") == "header":
            return self._document()
        if serialization.get("location") == "statusCode":
            return self._chance.choice([200, 201, 202])
        kind = shape.type_name
        if kind == "structure":
            if shape.is_document_type:
                return self._document()
            return {name: self.value(shape.members[name], level + 1) for name in self._chosen(shape, level)}
        if kind == "list":
            return [self._within(shape, shape.member, level) for _ in range(self._chance.randint(1, 2))]
        if kind == "map":
            return self._map(shape, level)
        return self._scalar(shape, serialization.get("location"))

    def _within(self, outer: Any, shape: Any, level: int) -> Any:
        """An item of a list or map, which is where its container is."""
        location = outer.serialization.get("location")
        if location and shape.type_name not in ("structure", "list", "map"):
            return self._scalar(shape, "header list" if location == "header" else location)
        return self.value(shape, level + 1)

    def _chosen(self, shape: Any, level: int) -> list[str]:
        if shape.is_tagged_union:
            return [self._branch(shape, level)]
        required = set(shape.required_members)
        if self._extent == "minimal" or level > _LEVELS:
            return [name for name in shape.members if name in required]
        if self._extent == "full":
            return list(shape.members)
        return [name for name in shape.members if name in required or self._chance.random() < 0.5]

    def _branch(self, shape: Any, level: int) -> str:
        names = list(shape.members)
        flat = [name for name in names if shape.members[name].type_name not in ("structure", "list", "map")]
        return str(self._chance.choice(flat if flat and level > _LEVELS else names))

    def _map(self, shape: Any, level: int) -> dict[str, Any]:
        location = shape.serialization.get("location")
        if location == "headers":
            return {f"name-{index}": self._text(_HEADER).strip() or "x" for index in range(2)}
        keys = (
            shape.key.enum[:2]
            if getattr(shape.key, "enum", None)
            else [f"key{index}{self._text(_PLAIN)}" for index in range(2)]
        )
        return {key: self._within(shape, shape.value, level) for key in keys}

    def _scalar(self, shape: Any, location: str | None) -> Any:
        kind = shape.type_name
        if kind in ("string", "character"):
            return self._string(shape, location)
        if kind == "integer":
            return self._chance.choice([0, 1, -1, 23, 24, 256, 70_000, 2**31 - 1, -(2**31)])
        if kind == "long":
            return self._chance.choice([0, 1, -1, 255, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)])
        if kind in ("float", "double"):
            return self._chance.choice([0.0, -0.25, 1.5, 1024.125, 2.0**-20, 2.0**70])
        if kind == "boolean":
            return self._chance.random() < 0.5
        if kind == "blob":
            return self._chance.randbytes(self._chance.randint(1, 20))
        assert kind == "timestamp", kind
        return self._timestamp(shape, location)

    def _string(self, shape: Any, location: str | None) -> str:
        if shape.enum:
            return str(self._chance.choice(list(shape.enum)))
        if shape.serialization.get("hostLabel"):
            return self._text("abc019")
        if location == "header list":
            return self._text(_PLAIN if self._is_answer else _HEADER + ',"').strip() or "x"
        if location in ("header", "headers"):
            return self._text(_HEADER).strip() or "x"
        return self._text(_WILD)

    def _text(self, alphabet: str) -> str:
        return "".join(self._chance.choices(alphabet, k=self._chance.randint(1, 12)))

    def _timestamp(self, shape: Any, location: str | None) -> datetime:
        has_fraction = location not in ("header", "header list") and shape.serialization.get("timestampFormat") != "rfc822"
        fraction = self._chance.choice([0, 0, 7, 123]) if has_fraction else 0
        return _BASE + timedelta(seconds=self._chance.randint(-(10**9), 10**9), milliseconds=fraction)

    def _document(self) -> Any:
        return {"text": self._text(_WILD), "number": 1.5, "list": [1, True, None, {"deep": []}]}


def pruned(value: Any) -> Any:
    """Without empty structures, lists and maps, in lists too: several protocols cannot tell them from absent ones."""
    if isinstance(value, Mapping):
        members = {name: pruned(member) for name, member in value.items()}
        return {name: member for name, member in members.items() if member is not None and member != {} and member != []}
    if isinstance(value, list):
        items = [pruned(item) for item in value]
        return [item for item in items if item not in ({}, [])]
    return value
