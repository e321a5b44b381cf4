"""What a boto3 client was asked and told, member by member, to see what no test has touched."""

from __future__ import annotations

from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

Member = tuple[str, str]
"""Shape and member."""


class Recorder:
    """Listens to a client.

    Attributes:
        operations: those that were answered without an error.
        asked: members of input shapes that were given.
        told: members of output shapes that were answered.
    """

    def __init__(self, client: Any) -> None:
        self.operations: set[str] = set()
        self.asked: set[Member] = set()
        self.told: set[Member] = set()
        service = client.meta.service_model.service_name
        client.meta.events.register(f"provide-client-params.{service}", self._before)
        client.meta.events.register(f"after-call.{service}", self._after)

    def _before(self, params: Any, model: OperationModel, **_: Any) -> None:
        if model.input_shape is not None:
            _visit(model.input_shape, params, self.asked)

    def _after(self, parsed: Any, http_response: Any, model: OperationModel, **_: Any) -> None:
        if http_response.status_code < 300:
            self.operations.add(model.name)
            if model.output_shape is not None:
                _visit(model.output_shape, parsed, self.told)


def _visit(shape: Shape, value: Any, seen: set[Member]) -> None:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for name, member in shape.members.items():
            if name in value:
                seen.add((shape.name, name))
                _visit(member, value[name], seen)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for each in value:
            _visit(shape.member, each, seen)
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for each in value.values():
            _visit(shape.value, each, seen)


def members_of(shape: Shape | None) -> set[Member]:
    """Every member below a shape."""
    found: set[Member] = set()
    waiting, done = [shape], set()
    while waiting:
        each = waiting.pop()
        if each is None or each.name in done:
            continue
        done.add(each.name)
        if isinstance(each, StructureShape):
            found |= {(each.name, name) for name in each.members}
            waiting += each.members.values()
        elif isinstance(each, ListShape):
            waiting.append(each.member)
        elif isinstance(each, MapShape):
            waiting.append(each.value)
    return found
