"""One type for all of botocore's shapes, and where the codec gets them from.

botocore has a class per kind of shape and its stubs know little of them; the compilers of this package ask `type_name`
first and then use what that kind has. An attribute that the kind lacks raises AttributeError when compiling, never per call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from functory.aws.model import OperationModel, ServiceModel


class Shape(Protocol):
    """A shape of any kind; see the module."""

    name: str
    type_name: str
    serialization: Mapping[str, Any]
    metadata: Mapping[str, Any]
    required_members: list[str]
    members: Mapping[str, Shape]  # of a structure
    is_document_type: bool
    event_stream_name: str | None
    error_code: str | None
    member: Shape  # of a list
    key: Shape  # of a map
    value: Shape


def input_of(operation: OperationModel) -> Shape | None:
    """The input's structure; None when the operation takes nothing."""
    return cast("Shape | None", operation.input_shape)


def output_of(operation: OperationModel) -> Shape | None:
    """The output's structure; None when the operation answers nothing."""
    return cast("Shape | None", operation.output_shape)


def errors_of(service: ServiceModel) -> list[Shape]:
    """Every exception of the service."""
    return cast("list[Shape]", service.error_shapes)


def is_fault(shape: Shape) -> bool:
    """Whether an exception is the service's fault; botocore keeps this attribute but shows it nowhere."""
    return bool(cast("Any", shape)._shape_model.get("fault"))
