"""HTTP of the Runtime API: paths, headers and error documents around `RuntimeSession`; the door to the Extensions API.

The API is default-deny: a path or method that is not here is answered 404 or 405, a call at the wrong moment with the
session's error. AWS: Lambda Runtime API 2018-06-01; statuses and error documents as AWS's own agent gives them.
"""

from __future__ import annotations

import socket

from functory.aws.http import HttpRequest, HttpResponse
from functory.core.environments.port import Close, Served
from functory.core.environments.session import RuntimeApiError
from functory.core.environments.variables import CREDENTIALS_PATH
from functory.edges.runtime_api.extensions import PREFIX as EXTENSION_PREFIX
from functory.edges.runtime_api.extensions import ExtensionsApi
from functory.edges.runtime_api.open_request import OpenRequest
from functory.edges.runtime_api.streamed_response import JSON, MODE, OK, StreamedResponse, is_streamed, refusal
from functory.edges.runtime_api.telemetry import PATHS as SUBSCRIPTION_PATHS
from functory.edges.runtime_api.telemetry import TelemetryApi
from functory.kernel.limits import SYNC_RESPONSE_BYTES
from functory.net.http1 import Exchange, Http1Server

PREFIX = "/2018-06-01/runtime/"
_TEXT = [("Content-Type", "text/plain; charset=utf-8")]


def body_limit(_: HttpRequest) -> int:
    """How much a runtime may post at once; a streamed response is counted by who takes it."""
    return SYNC_RESPONSE_BYTES


class RuntimeApi:
    """Implements ``core.environments.port.RuntimeApiHost``."""

    def __init__(self) -> None:
        self._server = Http1Server(body_limit, is_streamed)

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

    __slots__ = ("_extensions", "_served", "_session", "_telemetry")

    def __init__(self, served: Served) -> None:
        self._served = served
        self._session = served.session
        self._extensions = ExtensionsApi(served.extensions)
        self._telemetry = TelemetryApi(served.extensions, served.telemetry)

    def handle(self, exchange: Exchange) -> None:
        """Answer one call, now or (``next``) later."""
        request = exchange.request
        try:
            answer = self._route(exchange, request)
        except RuntimeApiError as error:
            answer = refusal(error)
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
        if path == CREDENTIALS_PATH and request.method == "GET":
            return self._credentials(request)
        return HttpResponse(404, [("Content-Type", "text/plain")], b"404 page not found\n")

    def _credentials(self, request: HttpRequest) -> HttpResponse:
        """AWS: the wrong token is answered as its own agent does."""
        door = self._served.credentials
        document = door.open(request.headers.get("authorization", "")) if door is not None else None
        if document is None:
            return HttpResponse(404, _TEXT, b"cannot get credentials for the provided token\n")
        return HttpResponse(200, JSON, document)

    def _runtime(self, exchange: Exchange, request: HttpRequest) -> HttpResponse | None:
        session = self._session
        path = request.path
        parts = path[len(PREFIX) :].split("/")
        match parts:
            case [("invocation" | "restore") as kind, "next"]:
                if request.method != "GET":
                    return HttpResponse(405)
                wait = session.next if kind == "invocation" else session.restore_next
                wait(OpenRequest(exchange))
                return None
            case ["invocation", request_id, ("response" | "error") as kind]:
                if request.method != "POST":
                    return HttpResponse(405)
                if exchange.body is not None:
                    StreamedResponse(session, exchange, exchange.body, request_id)
                    return None
                self._answered(exchange, request, request_id, kind)
                return HttpResponse(202, JSON, OK)
            case [("init" | "restore") as kind, "error"]:
                if request.method != "POST":
                    return HttpResponse(405)
                report = session.init_error if kind == "init" else session.restore_error
                report(request.body, _error_type(request))
                return HttpResponse(202, JSON, OK)
            case _:
                return HttpResponse(404, [("Content-Type", "text/plain")], b"404 page not found\n")

    def _answered(self, exchange: Exchange, request: HttpRequest, request_id: str, kind: str) -> None:
        if exchange.oversize:
            self._session.oversize_response(request_id)
        if kind == "error":
            self._session.error(request_id, request.body, _error_type(request))
            return
        self._session.response(request_id, request.body, request.headers.get(MODE, ""))


def _error_type(request: HttpRequest) -> str:
    return request.headers.get("lambda-runtime-function-error-type") or "Unhandled"
