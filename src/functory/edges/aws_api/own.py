"""The node's own paths: ``/_functory/health``, links to function code, and the first administrator.

They are for the CLI, load balancers and AWS tools that download code; none is an AWS operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from functory.aws.http import HttpRequest, HttpResponse
from functory.edges.aws_api import bootstrap
from functory.edges.aws_api.bootstrap import BootstrapRoute
from functory.kernel.clock import Clock
from functory.store.port import Blobs


class Links(Protocol):
    """Checks links to code."""

    def verify(self, path: str, query: str, now: float) -> str | None:
        """The blob key that a request may fetch, or None."""


class NodeRoutes:
    """See the module.

    Args:
        health: gives the health document.
    """

    def __init__(
        self,
        health: Callable[[], dict[str, Any]],
        links: Links,
        blobs: Blobs,
        clock: Clock,
        first_administrator: BootstrapRoute,
    ) -> None:
        self._health = health
        self._first_administrator = first_administrator
        self._links = links
        self._blobs = blobs
        self._clock = clock

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer one request of the node's own paths."""
        if request.method == "POST" and request.path == bootstrap.PATH:
            return await self._first_administrator.answer(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponse(405)
        if request.path == "/_functory/health":
            return HttpResponse(200, [("Content-Type", "application/json")], msgspec.json.encode(self._health()))
        key = self._links.verify(request.path, request.query, self._clock.epoch_s())
        if key is not None:
            try:
                return HttpResponse(200, [("Content-Type", "application/zip")], await self._blobs.get(key))
            except KeyError:
                return HttpResponse(404)
        return HttpResponse(403 if request.path.startswith("/_functory/code/") else 404)
