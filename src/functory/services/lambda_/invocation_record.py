"""The record of how an asynchronous invocation ended, as destinations get it. Pure.

AWS: "Capturing records of Lambda asynchronous invocations". A record that is larger than what its receiver takes loses its
payloads, the larger one first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from functory.core.invocations.outcome import Outcome
from functory.kernel.clock import iso_ms
from functory.kernel.limits import ASYNC_REQUEST_BYTES
from functory.services.lambda_.ports import AsyncEvent

SUCCESS = "Success"


def record(
    event: AsyncEvent,
    *,
    now: float,
    condition: str,
    invoke_count: int,
    function_arn: str,
    executed_version: str = "",
    outcome: Outcome | None = None,
) -> bytes:
    """The record as JSON.

    Args:
        event: what was accepted.
        now: epoch seconds.
        condition: ``Success``, ``RetriesExhausted``, ``EventAgeExceeded`` …
        invoke_count: how often the function ran.
        function_arn: qualified as the event was, ``$LATEST`` for none.
        executed_version: that ran last.
        outcome: of the last attempt when the function ran in it; without one there is no response to show.
    """
    document: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_ms(now, "Z"),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": function_arn,
            "condition": condition,
            "approximateInvokeCount": invoke_count,
        },
        "requestPayload": msgspec.Raw(event.payload),
    }
    if outcome is not None:
        response: dict[str, Any] = {"statusCode": 200, "executedVersion": executed_version}
        if outcome.function_error:
            response["functionError"] = outcome.function_error
        document |= {"responseContext": response, "responsePayload": _embedded(outcome.payload)}
    return _within(document, ASYNC_REQUEST_BYTES)


def _embedded(payload: bytes) -> msgspec.Raw | str:
    """A function's answer inside JSON: as it is, or as a text when it is no JSON."""
    try:
        msgspec.json.decode(payload, type=msgspec.Raw)
        payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return payload.decode(errors="replace")
    return msgspec.Raw(payload)


def _within(document: dict[str, Any], limit: int) -> bytes:
    encoded = msgspec.json.encode(document)
    payloads = [member for member in ("requestPayload", "responsePayload") if member in document]
    for member in sorted(payloads, key=lambda member: len(msgspec.json.encode(document[member])), reverse=True):
        if len(encoded) <= limit:
            break
        del document[member]
        encoded = msgspec.json.encode(document)
    return encoded
