"""Where a runtime's streamed response goes while it comes.

A runtime that streams has a *source*, which can be held back; whoever wants the bytes is a *sink*. `Collected` is the sink
of an ordinary Invoke, which answers with the whole; `streams.ResponseStream` hands on.
"""

from __future__ import annotations

from typing import Protocol

from functory.kernel.errors import FunctoryError
from functory.kernel.limits import SYNC_RESPONSE_BYTES


class ResponseTooLarge(FunctoryError):  # noqa: N818  named as AWS names it
    """A streamed response has more bytes than its caller may get; ``limit_bytes`` is how many those are."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"response of more than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class ResponseSource(Protocol):
    """The runtime's end of a response that is under way."""

    def pause(self) -> None:
        """Hold the runtime back; what is under way may still come."""

    def resume(self) -> None:
        """Go on."""


class ResponseSink(Protocol):
    """The caller's end; called on the event loop."""

    def begin(self, content_type: str, source: ResponseSource) -> None:
        """The runtime streams; ``content_type`` is what it gave, or ``""``."""

    def take(self, data: bytes) -> None:
        """The next bytes.

        Raises:
            ResponseTooLarge: too many; nothing of them was taken.
        """

    def collected(self) -> bytes:
        """What the outcome's payload shall be when the response was complete: empty where the bytes were handed on."""


class Collected:
    """The sink that keeps everything. AWS: Invoke of a streaming function answers with up to 6 MB."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._bytes = 0

    def begin(self, content_type: str, source: ResponseSource) -> None:
        """See `ResponseSink`."""

    def take(self, data: bytes) -> None:
        """See `ResponseSink`."""
        if self._bytes + len(data) > SYNC_RESPONSE_BYTES:
            self._pieces.clear()
            raise ResponseTooLarge(SYNC_RESPONSE_BYTES)
        self._bytes += len(data)
        self._pieces.append(data)

    def collected(self) -> bytes:
        """See `ResponseSink`."""
        return b"".join(self._pieces)
