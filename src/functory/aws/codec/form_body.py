"""Requests of ``query`` and ``ec2``: form fields with dotted names.

::

    query   List.member.1.Name=a   Flat.1=a   Map.entry.1.key=k&Map.entry.1.value=v
    ec2     List.1.Name=a          (names from queryName, or locationName with a capital)

The fields become a tree first (`Branch`), so each is looked at once; the tree's depth is bounded by refusing names with
more parts. A GET carries the fields in the query string.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from functory.aws.codec import text
from functory.aws.codec.malformed import DEPTH_MAX, Malformed
from functory.aws.codec.rest_request import Parser
from functory.aws.codec.shapes import Shape, input_of
from functory.aws.http import HttpRequest
from functory.aws.model import OperationModel

FIELDS_MAX = 50_000


class Branch:
    """What stands under one name part: a value of its own, and further parts."""

    __slots__ = ("children", "value")

    def __init__(self) -> None:
        self.value: str | None = None
        self.children: dict[str, Branch] = {}

    def at(self, name: str) -> Branch | None:
        """The branch under a name, which may itself be dotted."""
        branch: Branch | None = self
        for part in name.split("."):
            if branch is None:
                return None
            branch = branch.children.get(part)
        return branch

    def numbered(self) -> list[Branch]:
        """The branches under ``1``, ``2`` …, in numeric order; gaps do not matter."""
        if any(not (part.isascii() and part.isdigit() and len(part) < 10) for part in self.children):
            raise Malformed("Unexpected list index")
        return [self.children[part] for part in sorted(self.children, key=int)]


BranchReader = Callable[[Branch], Any]


def decode(form: str) -> Branch:
    """The tree of a form.

    Raises:
        Malformed: not UTF-8, too many fields, or a name with too many parts.
    """
    try:
        fields = parse_qsl(form, keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError:
        raise Malformed("Unable to parse the form", "syntax") from None
    root = Branch()
    for name, value in fields:
        parts = name.split(".")
        if len(parts) > 2 * DEPTH_MAX:
            raise Malformed("A parameter name has too many parts", "syntax")
        branch = root
        for part in parts:
            child = branch.children.get(part)
            if child is None:
                child = branch.children[part] = Branch()
            branch = child
        branch.value = value
    return root


def parser(operation: OperationModel, protocol: str) -> Parser:
    """The parser of an operation's requests."""
    shape = input_of(operation)
    read = _Readers(protocol).members(shape.members) if shape is not None else None

    def parse(request: HttpRequest, _labels: Mapping[str, str]) -> dict[str, Any]:
        if read is None:
            return {}
        body = text.utf8(request.body)
        form = "&".join(part for part in (request.query, body.strip()) if part)
        result: dict[str, Any] = read(decode(form))
        return result

    return parse


class _Readers:
    """Readers of branches for the shapes of one operation."""

    def __init__(self, protocol: str) -> None:
        self._is_ec2 = protocol == "ec2"
        self._structures: dict[str, BranchReader] = {}

    def members(self, members: Mapping[str, Shape]) -> BranchReader:
        fields = [(self._name(shape, name), name, self._reader(shape)) for name, shape in members.items()]

        def read(branch: Branch) -> dict[str, Any]:
            result: dict[str, Any] = {}
            for wire, name, read_member in fields:
                child = branch.children.get(wire)
                if child is not None:
                    result[name] = read_member(child)
            return result

        return read

    def _name(self, shape: Shape, member: str) -> str:
        serialization = shape.serialization
        if self._is_ec2:
            if "queryName" in serialization:
                return str(serialization["queryName"])
            name = str(serialization.get("name", member))
            return name[0].upper() + name[1:]
        if shape.type_name == "list" and serialization.get("flattened") and shape.member.serialization.get("name"):
            return str(shape.member.serialization["name"])
        return str(serialization.get("name", member))

    def _reader(self, shape: Shape) -> BranchReader:
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape)
        if kind == "list":
            return self._list(shape)
        if kind == "map":
            return self._map(shape)
        read = text.reader(shape)
        return lambda branch: read(branch.value or "")

    def _structure(self, shape: Shape) -> BranchReader:
        known = self._structures.get(shape.name)
        if known is not None:
            return known
        finished: list[BranchReader] = []

        def late(branch: Branch) -> Any:
            return finished[0](branch)

        self._structures[shape.name] = late
        finished.append(self.members(shape.members))
        self._structures[shape.name] = finished[0]
        return finished[0]

    def _list(self, shape: Shape) -> BranchReader:
        read_one = self._reader(shape.member)
        is_flat = self._is_ec2 or shape.serialization.get("flattened")
        part = shape.member.serialization.get("name", "member")

        def read(branch: Branch) -> list[Any]:
            numbered = branch if is_flat else branch.at(part)
            return [read_one(child) for child in numbered.numbered()] if numbered is not None else []

        return read

    def _map(self, shape: Shape) -> BranchReader:
        read_value = self._reader(shape.value)
        is_flat = shape.serialization.get("flattened")
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")

        def read(branch: Branch) -> dict[str, Any]:
            entries = branch if is_flat else branch.at("entry")
            result: dict[str, Any] = {}
            for entry in entries.numbered() if entries is not None else []:
                key, value = entry.at(key_name), entry.at(value_name)
                if key is None or value is None:
                    raise Malformed("A map entry has no key or no value")
                result[key.value or ""] = read_value(value)
            return result

        return read
