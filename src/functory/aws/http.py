"""HTTP messages as plain values, shared by the server, the router and the codecs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class HttpRequest:
    """One request as it came from the wire.

    Attributes:
        method: upper case.
        path: raw, still percent-encoded, without the query; starts with ``/``.
        query: raw query string without ``?`` (may be empty).
        headers: names in lower case; a repeated header is joined with ``,`` in order.
        body: the whole body (transfer coding removed).
        peer: address of the client, or ``""``.
        secure: whether it came over TLS.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = ""
    secure: bool = False


@dataclass(slots=True)
class HttpResponse:
    """One response to put on the wire.

    Attributes:
        status: HTTP status code.
        headers: pairs in the order to be sent, names as they should appear. The server adds ``Content-Length`` (or
            chunked coding when ``stream`` is set), ``Date`` and ``Connection``; a codec adds neither.
        body: the whole body; ignored when ``stream`` is set.
        stream: body pieces sent as they come, for event streams and large objects.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None

    def header(self, name: str) -> str | None:
        """The first header of that name (any case), or None."""
        lower = name.lower()
        return next((value for key, value in self.headers if key.lower() == lower), None)
