"""What a function answered, as an HTTP response. Pure.

AWS: an object with ``statusCode`` says everything itself; anything else is the body of a 200 of type ``application/json``.
What cannot be sent is a 502. Headers that belong to the connection are sent under another name.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from functory.aws.http import HttpResponse

Headers = list[tuple[str, str]]
JSON = "application/json"
BYTES = "application/octet-stream"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_REMAPPED = frozenset({"connection", "content-length", "date", "keep-alive", "server", "te", "trailer", "upgrade"})
_DROPPED = frozenset({"transfer-encoding"})


class BadAnswer(Exception):  # noqa: N818  the function's fault: a value of the protocol, not an error of ours
    """The function's answer is no HTTP response."""


def buffered(payload: bytes) -> HttpResponse:
    """The response that a whole answer stands for.

    Raises:
        BadAnswer: it says something that cannot be sent.
    """
    try:
        answer = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    if not isinstance(answer, Mapping) or "statusCode" not in answer:
        return HttpResponse(200, [("Content-Type", JSON)], payload)
    return HttpResponse(_status(answer["statusCode"]), head_of(answer, JSON), _body(answer))


def begun(prelude: bytes) -> HttpResponse:
    """Status and headers from the JSON before a streamed body.

    Raises:
        BadAnswer: it is no JSON object, or says something that cannot be sent.
    """
    try:
        answer = msgspec.json.decode(prelude)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer from None
    if not isinstance(answer, Mapping):
        raise BadAnswer
    return HttpResponse(_status(answer.get("statusCode", 200)), head_of(answer, BYTES))


def head_of(answer: Mapping[str, Any], content_type: str) -> Headers:
    """Headers and cookies of an answer; ``content_type`` when it names none.

    Raises:
        BadAnswer: one of them cannot be sent.
    """
    given = answer.get("headers") or {}
    cookies = answer.get("cookies") or []
    if not isinstance(given, Mapping) or not isinstance(cookies, list):
        raise BadAnswer
    headers: Headers = []
    for name, value in given.items():
        lower = name.lower()
        if value is None or lower in _DROPPED:
            continue
        headers.append((f"x-amzn-Remapped-{name}" if lower in _REMAPPED else name, _value(name, value)))
    headers.extend(("Set-Cookie", _value("Set-Cookie", cookie)) for cookie in cookies)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", content_type))
    return headers


def _status(given: Any) -> int:
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) == 3:
        given = int(given)
    # 1xx is no end of a request, so it cannot be the answer to one
    if isinstance(given, bool) or not isinstance(given, int) or not 200 <= given <= 599:
        raise BadAnswer
    return given


def _value(name: str, given: Any) -> str:
    text = str(given).lower() if isinstance(given, bool) else str(given) if isinstance(given, int | float) else given
    if not isinstance(text, str) or not _NAME.fullmatch(name):
        raise BadAnswer
    if _CONTROL.search(text):
        raise BadAnswer
    return text.encode("utf-8").decode("latin-1")  # the server writes bytes, one for each character


def _body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BadAnswer
    if not answer.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise BadAnswer from None
