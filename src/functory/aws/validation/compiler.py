"""Shapes to closures: what a model says of a parameter, compiled once into the function that checks it.

`compile_shape` turns a shape into a `Check` or into None when nothing in it can be broken, so that unconstrained members
cost nothing. Recursive shapes (DynamoDB's AttributeValue) are tied through `_Recursion`, which also counts the depth.
Members are checked in the model's order; findings therefore come in the same order whatever order the client wrote them in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from functory.aws.validation import codes, patterns, texts
from functory.aws.validation.overrides import Override
from functory.aws.validation.texts import Findings, Path

Check = Callable[[Any, Path | None, Findings], None]
Overrides = Mapping[tuple[str, str], Override]
_AGGREGATES = (StructureShape, ListShape, MapShape)


@dataclass(frozen=True, slots=True)
class Constraint:
    """One constraint of a scalar.

    Attributes:
        holds: whether a value keeps it.
        text: what AWS says when it does not.
    """

    holds: Callable[[Any], bool]
    text: str


@dataclass(frozen=True, slots=True)
class Own:
    """What a service checks itself.

    Attributes:
        service: botocore's name.
        overrides: its own checks by (structure, member).
        pattern_texts: what it says of a broken pattern, by shape.
    """

    service: str
    overrides: Overrides
    pattern_texts: Mapping[str, str]


def compile_shape(shape: Shape, own: Own) -> Check | None:
    """The check of an operation's input, or None when no parameters can break it."""
    return _Compiler(own).compile(shape)


class _Recursion:
    """Stands for the check of a shape inside itself until that check exists."""

    def __init__(self) -> None:
        self.is_used = False
        self.check: Check | None = None

    def __call__(self, value: Any, at: Path | None, findings: Findings) -> None:
        if self.check is None:
            return
        if findings.depth >= texts.DEPTH_MAX:
            findings.add(at or (None, ""), texts.HIDDEN, texts.TOO_DEEP)
            return
        findings.depth += 1
        self.check(value, at, findings)
        findings.depth -= 1


class _Compiler:
    def __init__(self, own: Own) -> None:
        self._own = own
        self._open: dict[str, _Recursion] = {}
        self._done: dict[str, Check | None] = {}

    def compile(self, shape: Shape) -> Check | None:
        if not isinstance(shape, _AGGREGATES):
            return _scalar(shape, scalar_constraints(shape))
        if shape.name in self._done:
            return self._done[shape.name]
        if (recursion := self._open.get(shape.name)) is not None:
            return recursion
        recursion = self._open[shape.name] = _Recursion()
        check = self._done[shape.name] = recursion.check = self._aggregate(shape)
        del self._open[shape.name]
        return check

    def _aggregate(self, shape: Shape) -> Check | None:
        if isinstance(shape, StructureShape):
            return None if shape.is_document_type else self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        return self._map(shape) if isinstance(shape, MapShape) else None

    def _structure(self, shape: StructureShape) -> Check | None:
        required = frozenset(shape.required_members)
        rows = []
        for name, member in shape.members.items():
            override = self._own.overrides.get((shape.name, name))
            pattern_text = self._own.pattern_texts.get(member.name)
            if override is not None:
                child: Check | None = _overridden(override, member)
            elif pattern_text is not None:
                child = _own_pattern(self._own.service, pattern_text, member)
            else:
                child = self._member(member)
            if child is not None or name in required:
                rows.append((name, texts.member_label(name), name in required, child))
        return _structure(tuple(rows)) if rows else None

    def _member(self, shape: Shape) -> Check | None:
        is_opaque = shape.serialization.get("jsonvalue") or shape.serialization.get("eventstream")
        return None if is_opaque else self.compile(shape)

    def _list(self, shape: ListShape) -> Check | None:
        size = _size_constraints(shape)
        if isinstance(shape.member, _AGGREGATES):
            return _container(shape, size, _elements(self.compile(shape.member)))
        return _container(shape, size, _scalars_of_list(shape))

    def _map(self, shape: MapShape) -> Check | None:
        inner = _values(self.compile(shape.value)) if isinstance(shape.value, _AGGREGATES) else None
        return _container(shape, _size_constraints(shape), _scalars_of_map(shape), inner)


def scalar_constraints(shape: Shape, *, with_enum: bool = True) -> tuple[Constraint, ...]:
    """The constraints a scalar's model states, in the order AWS lists them."""
    constraints: list[Constraint] = []
    metadata = shape.metadata
    if shape.type_name in ("string", "blob", "char"):
        constraints += _size_constraints(shape)
    elif shape.type_name in ("integer", "long", "float", "double"):
        constraints += _range_constraints(metadata)
    if shape.type_name != "string":
        return tuple(constraints)
    if (pattern := metadata.get("pattern")) is not None:
        constraints.append(
            Constraint(
                lambda value: patterns.matches(pattern, value), f"Member must satisfy regular expression pattern: {pattern}"
            )
        )
    if with_enum and (allowed := enum_values(shape)):
        constraints.append(Constraint(frozenset(allowed).__contains__, enum_text(shape)))
    return tuple(constraints)


def enum_values(shape: Shape) -> list[str]:
    """The values of an enum; empty when the shape is none."""
    return list(shape.enum) if isinstance(shape, StringShape) else []


def enum_text(shape: Shape) -> str:
    """AWS's text for a value outside an enum, in the model's order (AWS's own order is that of a Java set)."""
    return f"Member must satisfy enum value set: [{', '.join(enum_values(shape))}]"


def _size_constraints(shape: Shape) -> list[Constraint]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    constraints = []
    if high is not None:
        constraints.append(
            Constraint(lambda value: len(value) <= high, f"Member must have length less than or equal to {high}")
        )
    if low is not None:
        constraints.append(
            Constraint(lambda value: len(value) >= low, f"Member must have length greater than or equal to {low}")
        )
    return constraints


def _range_constraints(metadata: Mapping[str, Any]) -> list[Constraint]:
    low, high = metadata.get("min"), metadata.get("max")
    constraints = []
    if high is not None:
        constraints.append(Constraint(lambda value: value <= high, f"Member must have value less than or equal to {high}"))
    if low is not None:
        constraints.append(Constraint(lambda value: value >= low, f"Member must have value greater than or equal to {low}"))
    return constraints


def _scalar(shape: Shape, constraints: tuple[Constraint, ...]) -> Check | None:
    if not constraints:
        return None

    def check(value: Any, at: Path | None, findings: Findings) -> None:
        for constraint in constraints:
            if not constraint.holds(value):
                findings.add(at or (None, ""), texts.quoted(value, shape), constraint.text)

    return check


def _overridden(override: Override, shape: Shape) -> Check:
    model_check = _scalar(shape, scalar_constraints(shape, with_enum=False))
    text = enum_text(shape)
    allowed = frozenset(enum_values(shape))

    def check(value: Any, at: Path | None, findings: Findings) -> None:
        if model_check is not None:
            model_check(value, at, findings)
        if value not in allowed and not override.accepts(value):
            findings.instead = findings.instead or override.error(value[: texts.VALUE_CHARS_MAX], texts.dotted(at), text)

    return check


def _own_pattern(service: str, text: str, shape: Shape) -> Check:
    """The pattern in the service's words, everything else in the framework's."""
    model_check = _scalar(shape, tuple(_size_constraints(shape)))
    pattern = shape.metadata["pattern"]

    def check(value: Any, at: Path | None, findings: Findings) -> None:
        if model_check is not None:
            model_check(value, at, findings)
        if not patterns.matches(pattern, value):
            findings.instead = findings.instead or codes.error(service, text.format(member=texts.dotted(at)))

    return check


def _structure(rows: tuple[tuple[str, str, bool, Check | None], ...]) -> Check:
    def check(value: Any, at: Path | None, findings: Findings) -> None:
        get = value.get
        for name, label, is_required, child in rows:
            member = get(name)
            if member is None:
                if is_required:
                    findings.add((at, label), texts.NULL, texts.NOT_NULL)
            elif child is not None:
                child(member, (at, label), findings)

    return check


def _container(shape: Shape, size: list[Constraint], *inner: Check | None) -> Check | None:
    """The size of a list or map first, then what is in it."""
    checks = [check for check in (_scalar(shape, tuple(size)), *inner) if check is not None]
    if len(checks) < 2:
        return checks[0] if checks else None

    def check_all(value: Any, at: Path | None, findings: Findings) -> None:
        for check in checks:
            check(value, at, findings)

    return check_all


def _elements(child: Check | None) -> Check:
    def check(value: Any, at: Path | None, findings: Findings) -> None:
        for index, item in enumerate(value, start=1):
            place = ((at, str(index)), "member")
            if item is None:
                findings.add(place, texts.NULL, texts.NOT_NULL)
            elif child is not None:
                child(item, place, findings)

    return check


def _values(child: Check | None) -> Check:
    def check(value: Any, at: Path | None, findings: Findings) -> None:
        for key, item in value.items():
            place = ((at, key), "member")
            if item is None:
                findings.add(place, texts.NULL, texts.NOT_NULL)
            elif child is not None:
                child(item, place, findings)

    return check


def _scalars_of_list(shape: ListShape) -> Check:
    constraints = scalar_constraints(shape.member)
    text = f"Member must satisfy constraint: {_listed(constraints)}"

    def check(value: Any, at: Path | None, findings: Findings) -> None:
        if any(_is_broken(item, constraints) for item in value):
            findings.add(at or (None, ""), texts.quoted(value, shape), text)

    return check


def _scalars_of_map(shape: MapShape) -> Check:
    keys = scalar_constraints(shape.key)
    has_scalars = not isinstance(shape.value, _AGGREGATES)
    values = scalar_constraints(shape.value) if has_scalars else ()
    key_text = f"Map keys must satisfy constraint: {_listed(keys)}"
    value_text = f"Map value must satisfy constraint: {_listed(values)}"

    def check(value: Any, at: Path | None, findings: Findings) -> None:
        if keys and any(_is_broken(key, keys) for key in value):
            findings.add(at or (None, ""), texts.quoted(value, shape), key_text)
        if has_scalars and any(_is_broken(item, values) for item in value.values()):
            findings.add(at or (None, ""), texts.quoted(value, shape), value_text)

    return check


def _is_broken(value: Any, constraints: tuple[Constraint, ...]) -> bool:
    return value is None or not all(constraint.holds(value) for constraint in constraints)


def _listed(constraints: tuple[Constraint, ...]) -> str:
    return f"[{', '.join([*(constraint.text for constraint in constraints), texts.NOT_NULL])}]"
