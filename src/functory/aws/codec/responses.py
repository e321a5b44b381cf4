"""Results → response bytes, for every protocol. Serializers are compiled once per operation and protocol and kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from functory.aws.codec import query_response, rest_response, rpc_response
from functory.aws.codec.formats import body_format
from functory.aws.http import HttpResponse
from functory.aws.model import OperationModel


def serialize_response(operation: OperationModel, protocol: str, result: Mapping[str, Any], request_id: str) -> HttpResponse:
    """The response that carries a result.

    Exactly the members given are written; None counts as absent. A streaming blob may be bytes or an async iterator of
    bytes; an event stream is an async iterator of ``{event: members}``, whose `AwsError` ends it with an error frame.

    Args:
        operation: the operation that was called.
        protocol: the one its request came in.
        result: members by botocore's names; timestamps are aware datetimes or epoch seconds.
        request_id: of this call.

    Raises:
        KeyError: a member that the model does not have.
        TypeError: a value that is not of its member's type.
        ValueError: a header value with control characters, or text that is not Unicode.
    """
    return _serializer(operation, protocol)(result, request_id)


@cache
def _serializer(operation: OperationModel, protocol: str) -> rest_response.Serializer:
    if protocol in ("query", "ec2"):
        return query_response.serializer(operation, protocol)
    if protocol.startswith("rest-"):
        return rest_response.serializer(operation, protocol, body_format(operation.service_model, protocol))
    return rpc_response.serializer(operation, protocol, body_format(operation.service_model, protocol))
