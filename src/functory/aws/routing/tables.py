"""The operations of one service, compiled from its model, and how a request names one of them.

An `OperationTable` is built when the first request needs the service and is never changed. It reads only what each protocol
puts on the outside of a request: the REST path, ``X-Amz-Target``, the query protocols' ``Action``, the path of RPC v2 CBOR.
Bodies are not parsed; ``Action`` and ``Version`` are picked out of a form without decoding the rest of it.

What AWS answers to an operation it does not know, by protocol (`OperationTable.unknown`):

=================  ===================================================================================================
rest-json          404 ``UnknownOperationException``, no message
rest-xml (S3)      405 ``MethodNotAllowed``
json, rpc-v2-cbor  400 and 404 ``UnknownOperationException``, no message
query              400 ``InvalidAction`` "Could not find operation X for version Y", with ``NO_VERSION_SPECIFIED``
ec2                400 ``InvalidAction`` "The action X is not valid for this web service."; ``NoSuchVersion`` for a version
=================  ===================================================================================================

Differs: AWS refuses most query requests without ``Version``; SNS's own confirmation links have none. Here a missing version
means the modelled one. A version *other* than the modelled one is refused: answering it in another version's form would be
accepting something silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_plus

from functory.aws import model
from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest
from functory.aws.routing.trie import RestOperation, Trie
from functory.aws.routing_catalog import CatalogRow

CBOR = "smithy-rpc-v2-cbor"
JSON = "json"
QUERY_PROTOCOLS = ("query", "ec2")
REST_PROTOCOLS = ("rest-json", "rest-xml")
_FORM = "application/x-www-form-urlencoded"
_CBOR_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)/?")
_ACTION_IN_FORM = re.compile(rb"(?:\A|&)Action=([^&]*)")
_VERSION_IN_FORM = re.compile(rb"(?:\A|&)Version=([^&]*)")
_ACTION_IN_QUERY = re.compile(r"(?:\A|&)Action=([^&]*)")
_VERSION_IN_QUERY = re.compile(r"(?:\A|&)Version=([^&]*)")
_NAME_CHARS_MAX = 128  # of an operation name echoed in an error


@dataclass(frozen=True, slots=True)
class Match:
    """An operation found in a table.

    Attributes:
        operation: its name.
        protocol: the protocol the request used.
        path_params: values of the path's labels by label name (a member's location name), percent-decoded.
    """

    operation: str
    protocol: str
    path_params: dict[str, str]


class OperationTable:
    """The operations of one service; reading its model happens here.

    Args:
        row: the service's catalog row.

    Raises:
        KeyError: the installed botocore has no such service.
    """

    def __init__(self, row: CatalogRow) -> None:
        self.row = row
        service = model.service(row.name)
        self._operations = frozenset(service.operation_names)
        has_rest = any(protocol in REST_PROTOCOLS for protocol in row.protocols)
        self._trie = Trie(_rest_operations(service) if has_rest else ())

    def find(self, request: HttpRequest, path: str) -> Match | None:
        """The operation this request names, or None.

        Args:
            request: the request.
            path: its path, or the one it stands for (bucket moved from the host into the path).

        Raises:
            AwsError: ``InvalidURI`` or ``SerializationException`` (400) when the path is not percent-encoded UTF-8.
        """
        protocol = self.protocol_of(request)
        if protocol in REST_PROTOCOLS:
            return self._find_rest(request, path, protocol)
        if protocol == CBOR:
            name = cbor_names(request)
        elif protocol == JSON:
            name = target_names(request)
        else:
            return self._find_action(request, protocol)
        if name is None or name[0] != self.row.target_prefix or name[1] not in self._operations:
            return None
        return Match(name[1], protocol, {})

    def protocol_of(self, request: HttpRequest) -> str:
        """Which of the service's protocols the request uses, as far as its outside tells."""
        protocols = self.row.protocols
        if len(protocols) == 1:
            return protocols[0]
        headers = request.headers
        if CBOR in protocols and headers.get("smithy-protocol") == "rpc-v2-cbor":
            return CBOR
        if JSON in protocols and "x-amz-target" in headers:
            return JSON
        for protocol in protocols:
            if protocol in QUERY_PROTOCOLS and form_fields(request)[0] is not None:
                return protocol
        return protocols[0]

    def unknown(self, request: HttpRequest) -> AwsError:
        """What AWS answers to a request of this service that names none of its operations."""
        protocol = self.protocol_of(request)
        if protocol == JSON:
            return AwsError("UnknownOperationException", "", status=400)
        if protocol == "rest-xml":
            text = "The specified method is not allowed against this resource."
            return AwsError("MethodNotAllowed", text, status=405, members={"Method": request.method})
        if protocol not in QUERY_PROTOCOLS:
            return AwsError("UnknownOperationException", "", status=404)
        action, version = form_fields(request)
        action = (action or "")[:_NAME_CHARS_MAX]
        if protocol == "query":
            named = (version or "NO_VERSION_SPECIFIED")[:_NAME_CHARS_MAX]
            return AwsError("InvalidAction", f"Could not find operation {action} for version {named}", status=400)
        if version is not None and version != self.row.version:
            text = f"The requested version ({version[:_NAME_CHARS_MAX]}) of service AmazonEC2 does not exist"
            return AwsError("NoSuchVersion", text, status=400)
        return AwsError("InvalidAction", f"The action {action} is not valid for this web service.", status=400)

    def _find_action(self, request: HttpRequest, protocol: str) -> Match | None:
        action, version = form_fields(request)
        if action is None or action not in self._operations or version not in (None, self.row.version):
            return None
        return Match(action, protocol, {})

    def _find_rest(self, request: HttpRequest, path: str, protocol: str) -> Match | None:
        try:
            found = self._trie.match(request.method, path, request.query, request.headers)
        except UnicodeDecodeError:
            if protocol == "rest-xml":
                raise AwsError("InvalidURI", "Couldn't parse the specified URI.", status=400) from None
            raise AwsError("SerializationException", "The path is not valid UTF-8.", status=400) from None
        return Match(found[0], protocol, found[1]) if found is not None else None


def target_names(request: HttpRequest) -> tuple[str, str] | None:
    """Target prefix and operation of ``X-Amz-Target``; None without one or when it has no dot."""
    target = request.headers.get("x-amz-target")
    if target is None or request.method != "POST":
        return None
    prefix, dot, operation = target.strip().rpartition(".")
    return (prefix, operation) if dot else None


def cbor_names(request: HttpRequest) -> tuple[str, str] | None:
    """Service name and operation of an RPC v2 CBOR request; None when it is not one."""
    if request.headers.get("smithy-protocol") != "rpc-v2-cbor" or request.method != "POST":
        return None
    found = _CBOR_PATH.fullmatch(request.path)
    return (found[1], found[2]) if found else None


def form_fields(request: HttpRequest) -> tuple[str | None, str | None]:
    """``Action`` and ``Version`` of a query-protocol request, from the form or else from the query string."""
    action = version = None
    if request.method == "POST" and request.headers.get("content-type", _FORM).startswith(_FORM):
        action = _in_form(_ACTION_IN_FORM, request.body)
        version = _in_form(_VERSION_IN_FORM, request.body)
    if action is None and (found := _ACTION_IN_QUERY.search(request.query)):
        action = unquote_plus(found[1])
    if version is None and (found := _VERSION_IN_QUERY.search(request.query)):
        version = unquote_plus(found[1])
    return action, version


def _in_form(pattern: re.Pattern[bytes], body: bytes) -> str | None:
    found = pattern.search(body)
    return unquote_plus(found[1].decode("utf-8", "replace")) if found else None


def _rest_operations(service: model.ServiceModel) -> Iterator[RestOperation]:
    for name in service.operation_names:
        operation = service.operation_model(name)
        query, headers = set(), set()
        for location, location_name in _required_outside(operation):
            if location == "querystring":
                query.add(location_name)
            elif location == "header":
                headers.add(location_name.lower())
        http = operation.http
        yield RestOperation(
            name, http["method"], http["requestUri"], frozenset(query), frozenset(headers), bool(operation.deprecated)
        )


def _required_outside(operation: model.OperationModel) -> Iterator[tuple[str | None, str]]:
    shape = operation.input_shape
    if shape is None:
        return
    for member in shape.required_members:
        serialization = shape.members[member].serialization
        yield serialization.get("location"), serialization.get("name", member)
