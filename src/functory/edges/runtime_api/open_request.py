"""A long poll of the Runtime or Extensions API that waits for its event."""

from __future__ import annotations

from functory.aws.http import HttpResponse
from functory.net.http1 import Exchange


class OpenRequest:
    """Implements ``core.environments.session.NextWaiter`` over one HTTP exchange."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def deliver(self, headers: list[tuple[str, str]], body: bytes) -> None:
        """See `NextWaiter`."""
        self._exchange.respond(HttpResponse(200, headers, body))

    @property
    def is_gone(self) -> bool:
        """See `NextWaiter`."""
        return self._exchange.is_gone
