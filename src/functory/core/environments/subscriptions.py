"""What an extension asks of the Telemetry API or the Logs API, checked. Pure.

AWS: Telemetry API 2022-07-01 and its predecessor, the Logs API 2020-08-15; limits of buffering as documented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from functory.core.environments.session import RuntimeApiError

TYPES = ("platform", "function", "extension")
TELEMETRY_SCHEMAS = ("2022-07-01", "2022-12-13", "2025-01-29")
LOGS_SCHEMAS = ("2020-08-15", "2021-03-18")
_HOSTS = frozenset({"sandbox.localdomain", "sandbox"})


@dataclass(frozen=True, slots=True)
class Destination:
    """Where batches go, inside the sandbox.

    Attributes:
        protocol: ``HTTP`` or ``TCP``.
        port: TCP port.
        host: of the URI, for HTTP.
        path: of the URI, for HTTP.
        method: ``POST`` or ``PUT``, for HTTP.
    """

    protocol: str
    port: int
    host: str = ""
    path: str = ""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One extension's subscription.

    Attributes:
        types: of `TYPES`.
        schema: version of the records.
        is_logs_api: whether it came by the older API.
        destination: see `Destination`.
        max_items: a batch has no more events.
        max_bytes: a batch has no more bytes.
        timeout_ms: the first event of a batch waits no longer.
    """

    types: tuple[str, ...]
    schema: str
    is_logs_api: bool
    destination: Destination
    max_items: int = 10_000
    max_bytes: int = 262_144
    timeout_ms: int = 1_000


class _Buffering(msgspec.Struct):
    maxItems: int = 10_000  # noqa: N815  AWS's names
    maxBytes: int = 262_144  # noqa: N815
    timeoutMs: int = 1_000  # noqa: N815


class _Destination(msgspec.Struct):
    protocol: str
    URI: str = ""
    port: int = 0
    method: str = "POST"
    encoding: str = "JSON"


class _Request(msgspec.Struct):
    types: list[str]
    destination: _Destination
    schemaVersion: str = ""  # noqa: N815
    buffering: _Buffering = msgspec.field(default_factory=_Buffering)


def parse(body: bytes, *, is_logs_api: bool) -> Subscription:
    """A subscription request.

    Raises:
        RuntimeApiError: it is not one.
    """
    try:
        asked = msgspec.json.decode(body, type=_Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(str(error)) from None
    schemas = LOGS_SCHEMAS if is_logs_api else TELEMETRY_SCHEMAS
    schema = asked.schemaVersion or schemas[0]
    if schema not in schemas:
        raise _invalid(f"schemaVersion {schema} is not supported")
    if not asked.types:
        raise _invalid("types should not be empty")
    for name in asked.types:
        if name not in TYPES:
            raise _invalid(f"types should only contain {', '.join(TYPES)}")
    buffering = asked.buffering
    _check_range("maxItems", buffering.maxItems, 1_000, 10_000)
    _check_range("maxBytes", buffering.maxBytes, 262_144, 1_048_576)
    _check_range("timeoutMs", buffering.timeoutMs, 25, 30_000)
    return Subscription(
        tuple(dict.fromkeys(asked.types)),
        schema,
        is_logs_api,
        _destination(asked.destination),
        buffering.maxItems,
        buffering.maxBytes,
        buffering.timeoutMs,
    )


def _destination(asked: _Destination) -> Destination:
    if asked.encoding != "JSON":
        raise _invalid("encoding should be JSON")
    if asked.protocol == "TCP":
        _check_range("port", asked.port, 1, 65_535)
        return Destination("TCP", asked.port)
    if asked.protocol != "HTTP":
        raise _invalid("protocol should be HTTP or TCP")
    if asked.method not in {"POST", "PUT"}:
        raise _invalid("method should be POST or PUT")
    try:
        parts = urlsplit(asked.URI)
        port = parts.port
    except ValueError:
        raise _invalid("URI is not valid") from None
    if parts.scheme != "http" or parts.hostname not in _HOSTS:
        raise _invalid("URI should begin with http://sandbox.localdomain")
    if not port:
        raise _invalid("URI port is not provided")
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    if not path.isascii() or any(character <= " " for character in path):
        raise _invalid("URI is not valid")
    return Destination("HTTP", port, parts.hostname, path, asked.method)


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise _invalid(f"{name} should be between {least} and {most}")


def _invalid(message: str) -> RuntimeApiError:
    return RuntimeApiError(400, "ValidationError", message)


def logs_records(kind: str, record: Any, schema: str) -> list[tuple[str, Any]]:
    """A telemetry event as the Logs API told it; nothing where it did not know the event."""
    match kind:
        case "function" | "extension" | "platform.extension" | "platform.logsDropped":
            return [(kind, record)]
        case "platform.start":
            return [(kind, {"requestId": record["requestId"], "version": record["version"]})]
        case "platform.report":
            request_id = {"requestId": record["requestId"]}
            return [("platform.end", request_id), (kind, {**request_id, "metrics": record["metrics"]})]
        case "platform.runtimeDone" if schema != LOGS_SCHEMAS[0]:
            return [(kind, {"requestId": record["requestId"], "status": record["status"]})]
        case "platform.telemetrySubscription":
            return [("platform.logsSubscription", record)]
    return []
