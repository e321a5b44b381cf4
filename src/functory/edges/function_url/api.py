"""From a request to a function URL to its response: the ordered steps on one screen.

1. the address: which URL, and the path the function sees;
2. a CORS preflight is answered by the platform;
3. access: who calls, and whether they may;
4. the event, the function, its answer as a response;
5. CORS headers, request id and trace id.

AWS: errors are ``{"Message": …}``; a function that fails, or answers with what is no response, is a 502.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from functory.aws.errors import AwsError
from functory.aws.function_urls import address_of
from functory.aws.http import HttpRequest, HttpResponse
from functory.core.functions.urls import RESPONSE_STREAM, FunctionUrl
from functory.core.invocations.outcome import Outcome
from functory.core.invocations.streams import ResponseStream
from functory.core.invocations.trace import new_trace_id
from functory.edges.function_url import cors, response, streamed
from functory.edges.function_url.access import Forbidden, UrlAccess
from functory.edges.function_url.event import event_of
from functory.edges.function_url.response import BadAnswer
from functory.kernel import log
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.kernel.limits import SYNC_REQUEST_BYTES
from functory.store.port import StoreError

FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
_TOO_LARGE = f"Request must be smaller than {SYNC_REQUEST_BYTES} bytes for the InvokeFunction operation"
_JSON = ("Content-Type", "application/json")


class UrlFunctions(Protocol):
    """What the Lambda service does for this edge."""

    async def find(self, url_id: str) -> FunctionUrl | None:
        """The URL of that id, or None."""

    async def invoke(self, url: FunctionUrl, request_id: str, event: bytes, trace_id: str) -> Outcome:
        """Run the function; raises AwsError when nothing ran."""

    async def stream(self, url: FunctionUrl, request_id: str, event: bytes, trace_id: str) -> ResponseStream:
        """Run the function; returns when it begins to answer, or has ended; raises AwsError when nothing ran."""


class UrlMeter(Protocol):
    """Who counts; see `functory.edges.function_url.metrics.UrlMetrics`."""

    def answered(self, url: FunctionUrl, status: int, latency_ms: float) -> None:
        """Note one answer."""


class FunctionUrlApi:
    """See the module.

    Args:
        domain: ends the host name that functions see when they were called by a path.
    """

    def __init__(
        self, functions: UrlFunctions, access: UrlAccess, meter: UrlMeter, clock: Clock, ids: Ids, domain: str
    ) -> None:
        self._functions = functions
        self._access = access
        self._meter = meter
        self._clock = clock
        self._ids = ids
        self._domain = domain
        self._log = log.get("edges.function_url")

    async def answer(self, request: HttpRequest, *, oversize: bool = False) -> HttpResponse:
        """The response to one request.

        Args:
            oversize: the body was longer than AWS allows and is not there.
        """
        began = self._clock.monotonic_s()
        request_id = self._ids.uuid()
        trace_id = request.headers.get("x-amzn-trace-id") or new_trace_id(self._clock.epoch_s(), self._ids)
        address = address_of(request)
        try:
            url = await self._functions.find(address.url_id) if address is not None else None
        except StoreError as error:
            self._log.error("store_refused", request_id=request_id, reason=str(error))
            return _named(_error(500, "Internal Server Error"), request_id, trace_id)
        if url is None or address is None:
            return _named(_error(403, FORBIDDEN), request_id, trace_id)
        found = cors.preflight(url.cors, request)
        if found is None:
            domain = address.domain or f"{url.domain_start}.{self._domain}"
            found = await self._guarded(url, request, address.path, domain, (request_id, trace_id), oversize=oversize)
            found.headers.extend(cors.headers_for(url.cors, request))
        self._meter.answered(url, found.status, (self._clock.monotonic_s() - began) * 1000)
        return _named(found, request_id, trace_id)

    async def _guarded(
        self, url: FunctionUrl, request: HttpRequest, path: str, domain: str, ids: tuple[str, str], *, oversize: bool
    ) -> HttpResponse:
        """Run one call; every error becomes an answer."""
        try:
            caller = await self._access.admit(url, request)
            if oversize:
                return _error(413, _TOO_LARGE)
            now = self._clock.epoch_s()
            event = event_of(url, request, path=path, domain=domain, caller=caller, now=now, ids=ids)
            return await self._call(url, event, *ids)
        except Forbidden:
            return _error(403, FORBIDDEN)
        except BadAnswer:
            return HttpResponse(502, [_JSON], b"Internal Server Error")
        except AwsError as error:
            return _refused(error)
        except StoreError as error:
            self._log.error("store_refused", request_id=ids[0], reason=str(error))
            return _error(500, "Internal Server Error")

    async def _call(self, url: FunctionUrl, event: bytes, request_id: str, trace_id: str) -> HttpResponse:
        if url.invoke_mode == RESPONSE_STREAM:
            stream = await self._functions.stream(url, request_id, event, trace_id)
            try:
                return await streamed.respond(stream)
            except BaseException:
                stream.abandon()
                raise
        outcome = await self._functions.invoke(url, request_id, event, trace_id)
        if outcome.function_error:
            raise BadAnswer
        return response.buffered(outcome.payload)


def _named(answer: HttpResponse, request_id: str, trace_id: str) -> HttpResponse:
    answer.headers += [("x-amzn-RequestId", request_id), ("X-Amzn-Trace-Id", trace_id)]
    return answer


def _error(status: int, message: str) -> HttpResponse:
    return HttpResponse(status, [_JSON], msgspec.json.encode({"Message": message}))


def _refused(error: AwsError) -> HttpResponse:
    """What the Lambda service would not run."""
    if error.code == "TooManyRequestsException":
        answer = _error(429, error.message)
        retry_after = error.members.get("retryAfterSeconds")
        if retry_after is not None:
            answer.headers.append(("Retry-After", str(retry_after)))
        return answer
    if error.code == "RequestTooLargeException":
        return _error(413, error.message)
    if error.code == "ResourceNotFoundException":
        return _error(403, FORBIDDEN)
    if error.code == "ServiceException":
        return _error(503, "Service Unavailable")
    return _error(502, "Internal Server Error")
