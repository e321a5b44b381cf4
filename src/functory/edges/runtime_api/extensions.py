"""HTTP of the Extensions API around `core.environments.extensions.Extensions`.

AWS: Extensions API 2020-01-01; statuses and error documents as AWS's own agent gives them. Errors are raised as
`RuntimeApiError` and made into documents by `api`.
"""

from __future__ import annotations

import msgspec

from functory.aws.http import HttpRequest, HttpResponse
from functory.core.environments.extensions import Extensions
from functory.edges.runtime_api.open_request import OpenRequest
from functory.net.http1 import Exchange

PREFIX = "/2020-01-01/extension/"
_JSON = [("Content-Type", "application/json")]
_OK = b'{"status":"OK"}\n'
_IDENTIFIER = "lambda-extension-identifier"


class ExtensionsApi:
    """The API of one environment's extensions."""

    __slots__ = ("_extensions",)

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions

    def route(self, exchange: Exchange, request: HttpRequest) -> HttpResponse | None:
        """The answer of one call; None when it comes later.

        Raises:
            RuntimeApiError: refused.
        """
        headers = request.headers
        identifier = headers.get(_IDENTIFIER, "")
        match (request.method, request.path[len(PREFIX) :]):
            case ("POST", "register"):
                return self._register(request)
            case ("GET", "event/next"):
                self._extensions.next(identifier, OpenRequest(exchange))
                return None
            case ("POST", "init/error"):
                self._extensions.init_error(identifier, headers.get("lambda-extension-function-error-type", ""))
                return HttpResponse(202, _JSON, _OK)
            case ("POST", "exit/error"):
                self._extensions.exit_error(identifier, headers.get("lambda-extension-function-error-type", ""))
                return HttpResponse(202, _JSON, _OK)
            case (_, "register" | "event/next" | "init/error" | "exit/error"):
                return HttpResponse(405)
            case _:
                return HttpResponse(404, [("Content-Type", "text/plain")], b"404 page not found\n")

    def _register(self, request: HttpRequest) -> HttpResponse:
        headers = request.headers
        features = [name.strip() for name in headers.get("lambda-extension-accept-feature", "").split(",")]
        identifier, answer = self._extensions.register(
            headers.get("lambda-extension-name", ""), request.body, wants_account="accountId" in features
        )
        return HttpResponse(200, [*_JSON, ("Lambda-Extension-Identifier", identifier)], msgspec.json.encode(answer))
