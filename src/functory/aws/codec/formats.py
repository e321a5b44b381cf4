"""Which body format a protocol has, behind one small interface.

::

    rest-json, json      JsonFormat
    rest-xml             XmlFormat
    smithy-rpc-v2-cbor   CborFormat

``query`` and ``ec2`` are forms on the way in and XML on the way out; they have their own modules (``form_body``,
``query_answer``). A format belongs to one operation: it remembers the compiled structures of that operation only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from functory.aws.codec.cbor_body import CborFormat
from functory.aws.codec.json_body import JsonFormat
from functory.aws.codec.shapes import Shape
from functory.aws.codec.xml_body import XmlFormat
from functory.aws.model import ServiceModel

S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class BodyFormat(Protocol):
    """Makes readers and writers of bodies. Readers raise `Malformed`; writers `TypeError` or `KeyError`."""

    content_type: str

    def reader(self, shape: Shape) -> Callable[[bytes], Any]:
        """Bytes to a value of the shape."""

    def members_reader(self, members: Mapping[str, Shape]) -> Callable[[bytes], dict[str, Any]]:
        """Bytes to those of the members that are there."""

    def writer(self, shape: Shape, root: str) -> Callable[[Any], bytes]:
        """A value of the shape to bytes; ``root`` is the name of the root element where the format has one."""

    def members_writer(self, members: Mapping[str, Shape], root: str) -> Callable[[Any], bytes]:
        """A mapping with these members to bytes."""


def body_format(service: ServiceModel, protocol: str) -> BodyFormat:
    """A fresh format for one operation of the service.

    Raises:
        ValueError: the protocol has none, or is unknown.
    """
    if protocol == "rest-xml":
        return XmlFormat(S3_NAMESPACE if service.service_name == "s3" else service.metadata.get("xmlNamespace", ""))
    return tree_body_format(service, protocol)


def tree_body_format(service: ServiceModel, protocol: str) -> JsonFormat | CborFormat:
    """A fresh format of a protocol whose bodies are trees, for those that add to a tree.

    Raises:
        ValueError: the protocol has none, or is unknown.
    """
    if protocol == "rest-json":
        return JsonFormat("application/json")
    if protocol == "json":
        return JsonFormat(f"application/x-amz-json-{service.metadata.get('jsonVersion', '1.0')}")
    if protocol == "smithy-rpc-v2-cbor":
        return CborFormat()
    raise ValueError(f"protocol {protocol} has no body format")
