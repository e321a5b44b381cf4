"""An HTTP request as the event a function gets: payload format 2.0. Pure.

AWS: header names in lower case, repeated headers and query parameters joined by commas, cookies apart, a body that is no
text in base64. Members without a value are left out.
"""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from functory.aws.http import HttpRequest
from functory.core.functions.urls import FunctionUrl
from functory.edges.function_url.access import UrlCaller

_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})
_OF_THE_CONNECTION = frozenset(
    {"connection", "cookie", "expect", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
)
_DEFAULT = "$default"


def event_of(
    url: FunctionUrl,
    request: HttpRequest,
    *,
    path: str,
    domain: str,
    caller: UrlCaller | None,
    now: float,
    ids: tuple[str, str],
) -> bytes:
    """The event as JSON.

    Args:
        url: what was called.
        request: as it came.
        path: as the function shall see it, raw.
        domain: the host name of the URL.
        caller: who signed; None with AuthType NONE.
        now: epoch seconds.
        ids: request id and trace id of this invocation.
    """
    headers = _headers(request, ids[1])
    event: dict[str, Any] = {"version": "2.0", "routeKey": _DEFAULT, "rawPath": path, "rawQueryString": request.query}
    if cookie := request.headers.get("cookie"):
        event["cookies"] = [part for raw in cookie.split(";") if (part := raw.strip())]
    event["headers"] = headers
    if request.query:
        event["queryStringParameters"] = query_parameters(request.query)
    event["requestContext"] = _context(url, request, path, domain, caller, now, ids[0])
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request)
    else:
        event["isBase64Encoded"] = False
    return msgspec.json.encode(event)


def query_parameters(query: str) -> dict[str, str]:
    """Decoded names and values; a repeated name has all its values, joined by commas."""
    found: dict[str, str] = {}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True, errors="replace"):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _headers(request: HttpRequest, trace_id: str) -> dict[str, str]:
    headers = {name: _text(value) for name, value in request.headers.items() if name not in _OF_THE_CONNECTION}
    if request.body:
        headers["content-length"] = str(len(request.body))
    _, colon, port = request.headers.get("host", "").rpartition(":")
    headers["x-forwarded-for"] = request.peer
    headers["x-forwarded-proto"] = "https" if request.secure else "http"
    headers["x-forwarded-port"] = port if colon and port.isdigit() else "443" if request.secure else "80"
    headers["x-amzn-trace-id"] = trace_id
    return headers


def _text(value: str) -> str:
    """A header's bytes as UTF-8 where they are that."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _context(
    url: FunctionUrl, request: HttpRequest, path: str, domain: str, caller: UrlCaller | None, now: float, request_id: str
) -> dict[str, Any]:
    context: dict[str, Any] = {"accountId": caller.principal.account_id if caller else "anonymous", "apiId": url.url_id}
    if caller is not None:
        context["authorizer"] = {"iam": _iam(caller)}
    http = {"method": request.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": request.peer}
    if agent := request.headers.get("user-agent"):
        http["userAgent"] = _text(agent)
    return {
        **context,
        "domainName": domain,
        "domainPrefix": url.url_id,
        "http": http,
        "requestId": request_id,
        "routeKey": _DEFAULT,
        "stage": _DEFAULT,
        "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now * 1000),
    }


def _iam(caller: UrlCaller) -> Mapping[str, Any]:
    principal = caller.principal
    return {
        "accessKey": caller.access_key,
        "accountId": principal.account_id,
        "callerId": principal.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": principal.arn,
        "userId": principal.user_id,
    }


def _body(request: HttpRequest) -> tuple[str, bool]:
    """The body and whether it is in base64."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if "content-encoding" not in request.headers and (kind.startswith("text/") or kind in _TEXT_TYPES):
        try:
            return request.body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode("ascii"), True
