"""Cross-origin requests, which the platform answers for the function. Pure.

AWS: with CORS configured an OPTIONS request never reaches the function, and every response gets the headers that its origin
is entitled to, beside those that the function sets itself.
"""

from __future__ import annotations

from functory.aws.http import HttpRequest, HttpResponse
from functory.core.functions.urls import Cors

Headers = list[tuple[str, str]]


def preflight(cors: Cors | None, request: HttpRequest) -> HttpResponse | None:
    """The platform's answer to an OPTIONS request; None when the function is to answer."""
    if cors is None or request.method != "OPTIONS":
        return None
    headers = headers_for(cors, request)
    if headers and "access-control-request-method" in request.headers:
        if cors.allow_methods:
            headers.append(("Access-Control-Allow-Methods", ",".join(cors.allow_methods)))
        if cors.allow_headers:
            headers.append(("Access-Control-Allow-Headers", ",".join(cors.allow_headers)))
        if cors.max_age_s is not None:
            headers.append(("Access-Control-Max-Age", str(cors.max_age_s)))
    return HttpResponse(200, headers)


def headers_for(cors: Cors | None, request: HttpRequest) -> Headers:
    """What a response gets; nothing for an origin that is not let in, or none."""
    origin = request.headers.get("origin")
    if cors is None or origin is None or not _is_let_in(cors, origin):
        return []
    any_origin = "*" in cors.allow_origins and not cors.allow_credentials
    headers: Headers = [("Access-Control-Allow-Origin", "*" if any_origin else origin)]
    if not any_origin:
        headers.append(("Vary", "Origin"))
    if cors.expose_headers:
        headers.append(("Access-Control-Expose-Headers", ",".join(cors.expose_headers)))
    if cors.allow_credentials:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    return headers


def _is_let_in(cors: Cors, origin: str) -> bool:
    return "*" in cors.allow_origins or origin.lower() in {each.lower() for each in cors.allow_origins}
