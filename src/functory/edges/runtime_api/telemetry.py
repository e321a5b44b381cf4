"""HTTP of the Telemetry API and of its predecessor, the Logs API: one call, a subscription.

AWS: Telemetry API 2022-07-01, Logs API 2020-08-15. Errors are raised as `RuntimeApiError` and made into documents by `api`.
"""

from __future__ import annotations

from functory.aws.http import HttpRequest, HttpResponse
from functory.core.environments.extensions import Extensions
from functory.core.environments.telemetry import Telemetry

TELEMETRY = "/2022-07-01/telemetry"
LOGS = "/2020-08-15/logs"
PATHS = frozenset({TELEMETRY, LOGS})


class TelemetryApi:
    """The API of one environment."""

    __slots__ = ("_extensions", "_telemetry")

    def __init__(self, extensions: Extensions, telemetry: Telemetry) -> None:
        self._extensions = extensions
        self._telemetry = telemetry

    def route(self, request: HttpRequest) -> HttpResponse:
        """The answer of one call.

        Raises:
            RuntimeApiError: refused.
        """
        if request.method != "PUT":
            return HttpResponse(405)
        extension = self._extensions.find(request.headers.get("lambda-extension-identifier", ""))
        self._telemetry.subscribe(extension.name, request.body, is_logs_api=request.path == LOGS)
        return HttpResponse(200, [("Content-Type", "application/json")], b'"OK"')
