"""`AwsError` → response bytes, for every protocol.

The error's code is looked up among the model's exception shapes, by shape name and by wire code. The shape then says the
HTTP status, the code on the wire (``NoSuchEntityException`` of IAM travels as ``NoSuchEntity``), the spelling of its message
member and what goes into headers. A code without shape is sent as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from functory.aws.codec import rest_response, rpc_response, s3_answers, xml_write
from functory.aws.codec.formats import tree_body_format
from functory.aws.codec.shapes import Shape, errors_of, is_fault
from functory.aws.errors import AwsError
from functory.aws.http import HttpResponse
from functory.aws.model import OperationModel, ServiceModel

_FAULT_CODES = ("InternalFailure", "InternalError", "InternalServerError", "InternalServiceError", "ServiceUnavailable")
# AWS: SQS kept the codes of its query protocol in this header; botocore's model of SQS no longer has them.
_SQS_QUERY_CODES = {
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "InvalidBatchEntryId": "AWS.SimpleQueueService.InvalidBatchEntryId",
    "KmsAccessDenied": "KMS.AccessDeniedException",
    "KmsDisabled": "KMS.DisabledException",
    "KmsInvalidKeyUsage": "KMS.InvalidKeyUsageException",
    "KmsInvalidState": "KMS.InvalidStateException",
    "KmsNotFound": "KMS.NotFoundException",
    "KmsOptInRequired": "KMS.OptInRequired",
    "KmsThrottled": "KMS.ThrottlingException",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
    "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
    "QueueDeletedRecently": "AWS.SimpleQueueService.QueueDeletedRecently",
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
}


def serialize_error(
    service: ServiceModel,
    protocol: str,
    error: AwsError,
    request_id: str,
    operation: OperationModel | None = None,
) -> HttpResponse:
    """The response that carries an error, so that SDKs raise the exception class the model has for it.

    Args:
        service: of the operation that failed, or that was asked for.
        protocol: the one the request came in.
        error: what to say.
        request_id: of this call.
        operation: None when the request was refused before an operation was found.

    Raises:
        KeyError: a member that the error's shape does not have.
    """
    kind = _kind(service, protocol, error.code)
    status = error.status or kind.status
    response = kind.write(error, status, request_id)
    if status in rest_response.BODILESS or (operation is not None and operation.http.get("method") == "HEAD"):
        response.body = b""
        response.headers = [(name, value) for name, value in response.headers if name != "Content-Type"]
    response.headers.extend((name, rest_response.header_text(name, value)) for name, value in error.headers.items())
    return response


ErrorWriter = Callable[[AwsError, int, str], HttpResponse]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One code of one service in one protocol, compiled."""

    status: int
    write: ErrorWriter


def _kind(service: ServiceModel, protocol: str, code: str) -> _Kind:
    """Compiled and kept for codes that the model has; the others are too many to keep."""
    shapes = _shapes(service)
    return _modelled(service, protocol, code) if code in shapes else _compile(service, protocol, code, None)


@cache
def _modelled(service: ServiceModel, protocol: str, code: str) -> _Kind:
    return _compile(service, protocol, code, _shapes(service)[code])


@cache
def _shapes(service: ServiceModel) -> dict[str, Shape]:
    """The exception shapes by wire code and, stronger, by name."""
    shapes = {str(shape.error_code): shape for shape in errors_of(service)}
    shapes.update({shape.name: shape for shape in errors_of(service)})
    return shapes


def _compile(service: ServiceModel, protocol: str, code: str, shape: Shape | None) -> _Kind:
    writer = _tree_writer if protocol in ("json", "rest-json", "smithy-rpc-v2-cbor") else _xml_writer
    return _Kind(_status(code, shape), writer(service, protocol, code, shape))


def _status(code: str, shape: Shape | None) -> int:
    if shape is None:
        return 500 if code in _FAULT_CODES else 400
    status = shape.metadata.get("error", {}).get("httpStatusCode")
    if status is not None:
        return int(status)
    return 500 if is_fault(shape) else 400


def _message_member(members: Mapping[str, Shape]) -> str | None:
    return next((name for name in members if name.lower() == "message"), None)


def _wire_code(code: str, shape: Shape | None) -> str:
    return str(shape.error_code) if shape is not None else code


def _query_error(service: ServiceModel, code: str, shape: Shape | None) -> str | None:
    """The code for ``x-amzn-query-error``, of services that once spoke ``query``."""
    if not service.is_query_compatible:
        return None
    if service.service_name == "sqs":
        return _SQS_QUERY_CODES.get(code, code)
    return _wire_code(code, shape)


def _tree_writer(service: ServiceModel, protocol: str, code: str, shape: Shape | None) -> ErrorWriter:
    """``rest-json``, ``json`` and CBOR: a body of members; the code in a header or in ``__type``."""
    members: Mapping[str, Shape] = shape.members if shape is not None else {}
    is_rest = protocol == "rest-json"
    in_body = {name: member for name, member in members.items() if not (is_rest and "location" in member.serialization)}
    query_error = None if is_rest else _query_error(service, code, shape)
    name = shape.name if query_error and shape is not None else _wire_code(code, shape)
    tree_format = tree_body_format(service, protocol)
    write = tree_format.tree_writer(in_body, name)
    write_headers = rest_response.header_bindings(members if is_rest else {})
    message = _message_member(members)

    def serialize(error: AwsError, status: int, request_id: str) -> HttpResponse:
        given = {key: value for key, value in error.members.items() if value is not None}
        if message is not None:
            given[message] = error.message
        if is_rest and "Type" in in_body:
            given.setdefault("Type", "User" if status < 500 else "Service")
        tree: dict[str, Any] = {} if is_rest else {"__type": name}
        if message is None:
            tree["message"] = error.message
        response = HttpResponse(status, _headers(service, protocol, request_id))
        write_headers(given, response)
        response.headers.append(("Content-Type", tree_format.content_type))
        if is_rest:
            response.headers.append(("x-amzn-ErrorType", rest_response.header_text("x-amzn-ErrorType", name)))
        if query_error is not None:
            response.headers.append(("x-amzn-query-error", f"{query_error};{_fault(status)}"))
        body = {key: value for key, value in given.items() if key in in_body or key not in members}
        tree.update(body if shape is None else write(body))
        response.body = tree_format.encode(tree)
        return response

    return serialize


def _xml_writer(service: ServiceModel, protocol: str, code: str, shape: Shape | None) -> ErrorWriter:
    """``query``, ``ec2`` and ``rest-xml``: one ``<Error>``, in the envelope of the protocol."""
    members: Mapping[str, Shape] = shape.members if shape is not None else {}
    message = _message_member(members)
    is_rest = protocol == "rest-xml"
    in_header = {name for name, member in members.items() if is_rest and "location" in member.serialization}
    in_body = {name: member for name, member in members.items() if name != message and name not in in_header}
    is_s3 = service.service_name == "s3"
    write = xml_write.XmlWriters("iso8601").members(code, in_body)
    write_headers = rest_response.header_bindings(members if is_rest else {})
    name = _wire_code(code, shape)
    envelope = _s3_envelope if is_s3 else _ec2_envelope if protocol == "ec2" else _query_envelope
    namespace = service.metadata.get("xmlNamespace", "")
    content_type = "application/xml" if is_rest else "text/xml"

    def serialize(error: AwsError, status: int, request_id: str) -> HttpResponse:
        response = HttpResponse(status, _headers(service, protocol, request_id))
        write_headers(error.members, response)
        response.headers.append(("Content-Type", content_type))
        out = [f"<Code>{xml_write.escape(name)}</Code><Message>{xml_write.escape(error.message)}</Message>"]
        extra = error.members.keys() - members.keys() if is_s3 or shape is None else set()
        write(out, {key: value for key, value in error.members.items() if key not in extra and key not in in_header})
        out.extend(f"<{key}>{xml_write.escape(str(error.members[key]))}</{key}>" for key in sorted(extra))
        document = envelope("".join(out), _fault(status), request_id, namespace)
        response.body = (xml_write.DECLARATION + document).encode("utf-8")
        return response

    return serialize


def _s3_envelope(content: str, _who: str, request_id: str, _namespace: str) -> str:
    ids = f"<RequestId>{xml_write.escape(request_id)}</RequestId><HostId>{s3_answers.host_id(request_id)}</HostId>"
    return f"<Error>{content}{ids}</Error>"


def _ec2_envelope(content: str, _who: str, request_id: str, _namespace: str) -> str:
    error = f"<Errors><Error>{content}</Error></Errors>"
    return f"<Response>{error}<RequestID>{xml_write.escape(request_id)}</RequestID></Response>"


def _query_envelope(content: str, fault: str, request_id: str, namespace: str) -> str:
    attribute = f' xmlns="{namespace}"' if namespace else ""
    error = f"<Error><Type>{fault}</Type>{content}</Error><RequestId>{xml_write.escape(request_id)}</RequestId>"
    return f"<ErrorResponse{attribute}>{error}</ErrorResponse>"


def _fault(status: int) -> str:
    return "Sender" if status < 500 else "Receiver"


def _headers(service: ServiceModel, protocol: str, request_id: str) -> list[tuple[str, str]]:
    if protocol.startswith("rest-"):
        return rest_response.request_id_headers(service.service_name, protocol, request_id)
    return rpc_response.headers(protocol, request_id)
