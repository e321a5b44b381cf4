"""Shapes made for a test, as botocore would load them."""

from __future__ import annotations

from typing import Any, cast

from botocore.model import OperationModel, ServiceModel

from functory.aws.codec.shapes import Shape


def service(shapes: dict[str, Any], operations: dict[str, Any] | None = None, **metadata: Any) -> ServiceModel:
    """A service named ``toy`` with these shapes and operations."""
    description = {
        "metadata": {"protocol": "rest-json", "endpointPrefix": "toy", "serviceId": "Toy", "apiVersion": "1", **metadata},
        "operations": operations or {},
        "shapes": shapes,
    }
    return ServiceModel(description, metadata.get("name", "toy"))


def operation(shapes: dict[str, Any], http: dict[str, Any] | None = None, **metadata: Any) -> OperationModel:
    """The operation ``Do`` with input ``In`` and output ``Out``, where those shapes exist."""
    described: dict[str, Any] = {"name": "Do", "http": {"method": "POST", "requestUri": "/", **(http or {})}}
    if "In" in shapes:
        described["input"] = {"shape": "In"}
    if "Out" in shapes:
        described["output"] = {
            "shape": "Out",
            **({"resultWrapper": "DoResult"} if metadata.get("protocol") == "query" else {}),
        }
    base = {
        "Text": {"type": "string"},
        "Number": {"type": "integer"},
        "Real": {"type": "double"},
        "Flag": {"type": "boolean"},
    }
    base |= {
        "Bytes": {"type": "blob"},
        "Moment": {"type": "timestamp"},
        "Texts": {"type": "list", "member": {"shape": "Text"}},
    }
    base |= {"TextMap": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}}}
    return service(base | shapes, {"Do": described}, **metadata).operation_model("Do")


def structure(**members: Any) -> dict[str, Any]:
    """A structure whose members are given by shape name, or by reference with traits."""
    return {
        "type": "structure",
        "members": {name: {"shape": ref} if isinstance(ref, str) else ref for name, ref in members.items()},
    }


def scalar(kind: str, **traits: Any) -> Shape:
    """A shape named ``Thing`` of a scalar type."""
    return cast("Shape", service({"Thing": {"type": kind, **traits}}).shape_for("Thing"))
