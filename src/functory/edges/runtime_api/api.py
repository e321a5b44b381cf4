"""HTTP of the Runtime API: paths, headers and error documents around `RuntimeSession`; the door to the Extensions API.

The API is default-deny: a path or method that is not here is answered 404 or 405, a call at the wrong moment with the
session's error. AWS: Lambda Runtime API 2018-06-01; statuses and error documents as AWS's own agent gives them.
"""

from __future__ import annotations

import base64
import binascii
import socket

import msgspec

from functory.aws.http import HttpRequest, HttpResponse
from functory.core.environments.port import Close, Served
from functory.core.environments.session import RuntimeApiError
from functory.edges.runtime_api.extensions import PREFIX as EXTENSION_PREFIX
from functory.edges.runtime_api.extensions import ExtensionsApi
from functory.edges.runtime_api.open_request import OpenRequest
from functory.edges.runtime_api.telemetry import PATHS as SUBSCRIPTION_PATHS
from functory.edges.runtime_api.telemetry import TelemetryApi
from functory.kernel.limits import MIB, SYNC_RESPONSE_BYTES
from functory.net.http1 import Exchange, Http1Server

PREFIX = "/2018-06-01/runtime/"
STREAM_BYTES = 200 * MIB
"""AWS: a streamed response may have 200 MB; a plain Invoke of it is still bound to 6 MB."""

_JSON = [("Content-Type", "application/json")]
_OK = b'{"status":"OK"}\n'


def body_limit(request: HttpRequest) -> int:
    """How much a runtime may post."""
    streamed = request.headers.get("lambda-runtime-function-response-mode", "") == "streaming"
    return STREAM_BYTES if streamed else SYNC_RESPONSE_BYTES


class RuntimeApi:
    """Implements ``core.environments.port.RuntimeApiHost``."""

    def __init__(self) -> None:
        self._server = Http1Server(body_limit)

    async def serve(self, listener: socket.socket, served: Served) -> Close:
        """See `RuntimeApiHost`."""
        api = _SessionApi(served)
        server = await self._server.serve(listener, api.handle)
        return lambda: self._server.drop(server)

    async def close(self) -> None:
        """Stop serving every environment."""
        await self._server.close(grace_s=0.0)


class _SessionApi:
    """The API of one session."""

    __slots__ = ("_extensions", "_session", "_telemetry")

    def __init__(self, served: Served) -> None:
        self._session = served.session
        self._extensions = ExtensionsApi(served.extensions)
        self._telemetry = TelemetryApi(served.extensions, served.telemetry)

    def handle(self, exchange: Exchange) -> None:
        """Answer one call, now or (``next``) later."""
        request = exchange.request
        try:
            answer = self._route(exchange, request)
        except RuntimeApiError as error:
            document = {"errorMessage": error.message, "errorType": error.error_type}
            answer = HttpResponse(error.status, _JSON, msgspec.json.encode(document))
        if answer is not None:
            exchange.respond(answer)

    def _route(self, exchange: Exchange, request: HttpRequest) -> HttpResponse | None:
        path = request.path
        if path.startswith(PREFIX):
            return self._runtime(exchange, request)
        if path.startswith(EXTENSION_PREFIX):
            return self._extensions.route(exchange, request)
        if path in SUBSCRIPTION_PATHS:
            return self._telemetry.route(request)
        return HttpResponse(404, [("Content-Type", "text/plain")], b"404 page not found\n")

    def _runtime(self, exchange: Exchange, request: HttpRequest) -> HttpResponse | None:
        session = self._session
        path = request.path
        parts = path[len(PREFIX) :].split("/")
        match parts:
            case ["invocation", "next"]:
                if request.method != "GET":
                    return HttpResponse(405)
                session.next(OpenRequest(exchange))
                return None
            case ["invocation", request_id, ("response" | "error") as kind]:
                if request.method != "POST":
                    return HttpResponse(405)
                self._answered(exchange, request, request_id, kind)
                return HttpResponse(202, _JSON, _OK)
            case ["init", "error"]:
                if request.method != "POST":
                    return HttpResponse(405)
                session.init_error(request.body, _error_type(request))
                return HttpResponse(202, _JSON, _OK)
            case _:
                return HttpResponse(404, [("Content-Type", "text/plain")], b"404 page not found\n")

    def _answered(self, exchange: Exchange, request: HttpRequest, request_id: str, kind: str) -> None:
        if exchange.oversize:
            self._session.oversize_response(request_id)
        if kind == "error":
            self._session.error(request_id, request.body, _error_type(request))
            return
        headers = request.headers
        mode = headers.get("lambda-runtime-function-response-mode", "")
        if mode and (failure := headers.get("lambda-runtime-function-error-type", "")):
            # a stream that broke in the middle says so in its trailers
            self._session.error(request_id, _trailer_body(request), failure)
            return
        self._session.response(request_id, request.body, mode)


def _error_type(request: HttpRequest) -> str:
    return request.headers.get("lambda-runtime-function-error-type") or "Unhandled"


def _trailer_body(request: HttpRequest) -> bytes:
    encoded = request.headers.get("lambda-runtime-function-error-body", "")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return b""
