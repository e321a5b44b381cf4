"""HTTP of a runtime's streamed response: chunks and trailers around `RuntimeSession`.

AWS: header ``Lambda-Runtime-Function-Response-Mode: streaming``, chunked coding (the Go client sends only that, whatever its
handler returned), and for a failure after the first byte the trailers ``Lambda-Runtime-Function-Error-Type`` and
``Lambda-Runtime-Function-Error-Body`` (base64 of the error document). The answer comes when the response has ended; one that
is too long is answered at once.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import msgspec

from functory.aws.http import HttpRequest, HttpResponse
from functory.core.environments.session import RuntimeApiError, RuntimeSession
from functory.net.http1 import Exchange
from functory.net.request_body import RequestBody

JSON = [("Content-Type", "application/json")]
OK = b'{"status":"OK"}\n'
MODE = "lambda-runtime-function-response-mode"


def is_streamed(request: HttpRequest) -> bool:
    """Whether a runtime streams with this request."""
    headers = request.headers
    if not ("transfer-encoding" in headers or MODE in headers):
        return False
    is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    return (is_chunked or headers.get(MODE, "").lower() == "streaming") and request.path.endswith("/response")


def refusal(error: RuntimeApiError) -> HttpResponse:
    """A refused call of the runtime, as AWS's agent words it."""
    document = {"errorMessage": error.message, "errorType": error.error_type}
    return HttpResponse(error.status, JSON, msgspec.json.encode(document))


class StreamedResponse:
    """One response on its way; implements ``net.request_body.BodyReceiver``.

    Raises:
        RuntimeApiError: by its making: the runtime may not respond now.
    """

    __slots__ = ("_exchange", "_session")

    def __init__(self, session: RuntimeSession, exchange: Exchange, body: RequestBody, request_id: str) -> None:
        self._session = session
        self._exchange = exchange
        headers = exchange.request.headers
        session.begin_response(request_id, headers.get("content-type", ""), body, headers.get(MODE, ""))
        body.attach(self)

    def piece(self, data: bytes) -> None:
        """See `BodyReceiver`."""
        try:
            self._session.send_response(data)
        except RuntimeApiError as error:
            self._exchange.respond(refusal(error))

    def ended(self, trailers: Mapping[str, str]) -> None:
        """See `BodyReceiver`."""
        encoded = trailers.get("lambda-runtime-function-error-body", "")
        self._session.end_response(trailers.get("lambda-runtime-function-error-type", ""), _decoded(encoded))
        self._exchange.respond(HttpResponse(202, JSON, OK))

    def lost(self) -> None:
        """See `BodyReceiver`."""
        self._session.cut_response()
        if not self._exchange.is_gone:
            text = "HTTP request detected as truncated"
            self._exchange.respond(refusal(RuntimeApiError(400, "TruncatedHTTPRequest", text)))


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return b""
