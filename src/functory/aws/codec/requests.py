"""Request bytes → parameters, for every protocol.

Parsers are compiled once per operation and protocol and kept; a call walks values only. Nothing but `AwsError` leaves
`parse_request`, whatever the bytes are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from functory.aws.codec import compression, form_body, rest_request, rpc_request
from functory.aws.codec.formats import body_format
from functory.aws.codec.malformed import Malformed, refusal
from functory.aws.codec.shapes import input_of
from functory.aws.http import HttpRequest
from functory.aws.model import OperationModel


def parse_request(
    operation: OperationModel,
    protocol: str,
    request: HttpRequest,
    path_params: Mapping[str, str],
    *,
    inflated_bytes_max: int = compression.INFLATED_BYTES_MAX,
) -> dict[str, Any]:
    """The parameters of a call by botocore's member names.

    Strings, ints, floats and bools are themselves, blobs bytes, timestamps aware UTC datetimes, structures and maps
    dicts, lists lists, documents what JSON says; an event stream is the list of its events ``{event: members}``. What was
    not sent, or sent as null, is absent; no default and no idempotency token is filled in.

    Args:
        operation: the operation that was routed to.
        protocol: as botocore names it: the service's, or one of its ``protocols``.
        request: the request.
        path_params: path labels by their name in the URI template, percent-decoded.
        inflated_bytes_max: what a compressed body may grow to.

    Raises:
        AwsError: the request cannot be read (status 400).
    """
    try:
        parse, may_be_compressed = _parser(operation, protocol)
        if may_be_compressed and compression.is_gzip(request.headers.get("content-encoding", "")):
            request = replace(request, body=compression.inflate(request.body, inflated_bytes_max))
        return parse(request, path_params)
    except Malformed as fault:
        raise refusal(operation.service_model.service_name, protocol, fault) from None


@cache
def _parser(operation: OperationModel, protocol: str) -> tuple[rest_request.Parser, bool]:
    if protocol in ("query", "ec2"):
        return form_body.parser(operation, protocol), True
    compile_parser = rest_request.parser if protocol.startswith("rest-") else rpc_request.parser
    parse = compile_parser(operation, body_format(operation.service_model, protocol))
    return parse, _may_be_compressed(operation)


def _may_be_compressed(operation: OperationModel) -> bool:
    """Whether ``Content-Encoding`` is about this message, and not a member or about an opaque payload."""
    shape = input_of(operation)
    if shape is None:
        return False
    payload = shape.serialization.get("payload")
    is_opaque = payload is not None and shape.members[payload].type_name in ("blob", "string")
    bound = {member.serialization.get("name", "").lower() for member in shape.members.values()}
    return not is_opaque and "content-encoding" not in bound
