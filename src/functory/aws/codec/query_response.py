"""Responses of ``query`` and ``ec2``: one XML document with the request id inside.

::

    query   <XResponse xmlns=…><XResult>…</XResult><ResponseMetadata><RequestId>…
    ec2     <XResponse xmlns=…><requestId>…</requestId>…
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.aws.codec import xml_write
from functory.aws.codec.rest_response import Serializer
from functory.aws.codec.shapes import output_of
from functory.aws.http import HttpResponse
from functory.aws.model import OperationModel

CONTENT_TYPE = "text/xml"


def serializer(operation: OperationModel, protocol: str) -> Serializer:
    """The serializer of an operation's results."""
    is_ec2 = protocol == "ec2"
    shape = output_of(operation)
    root = f"{operation.name}Response"
    members = shape.members if shape is not None else {}
    writers = xml_write.XmlWriters("iso8601_ms" if is_ec2 else "iso8601")
    write = writers.members(f"result of {operation.name}", members)
    wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
    start = f'{xml_write.DECLARATION}<{root} xmlns="{operation.service_model.metadata.get("xmlNamespace", "")}">'
    before, after = (f"<{wrapper}>", f"</{wrapper}>") if wrapper and not is_ec2 else ("", "")

    def serialize(result: Mapping[str, Any], request_id: str) -> HttpResponse:
        identifier = xml_write.escape(request_id)
        out = [start]
        if is_ec2:
            out.append(f"<requestId>{identifier}</requestId>")
        out.append(before)
        write(out, result)
        out.append(after)
        if not is_ec2:
            out.append(f"<ResponseMetadata><RequestId>{identifier}</RequestId></ResponseMetadata>")
        out.append(f"</{root}>")
        headers = [("x-amzn-RequestId", request_id), ("Content-Type", CONTENT_TYPE)]
        return HttpResponse(200, headers, "".join(out).encode("utf-8"))

    return serialize
