"""The endpoint's sockets: the node's own listener and one inside every sandbox, all into one `Pipeline`.

Implements ``core.environments.port.EndpointHost``. A client that goes away does not stop what it asked for: an operation
may be half-way through something durable, and a function that has begun runs to its end, as on AWS.
"""

from __future__ import annotations

import socket

from functory.core.environments.port import Close
from functory.edges.aws_api.limits import body_limit
from functory.edges.aws_api.pipeline import Pipeline
from functory.kernel.tasks import TaskScope
from functory.net.http1 import Exchange, Http1Server


class AwsApi:
    """See the module.

    Args:
        pipeline: set by ``wiring`` once the services exist.
    """

    def __init__(self) -> None:
        self._server = Http1Server(body_limit)
        self._tasks = TaskScope("edges.aws_api")
        self._pipeline: Pipeline | None = None
        self._url = ""

    def attach(self, pipeline: Pipeline) -> None:
        """Answer requests from here on."""
        self._pipeline = pipeline

    @property
    def url(self) -> str:
        """See `EndpointHost`."""
        return self._url

    async def listen(self, listener: socket.socket) -> str:
        """Take requests on a bound socket of the host; returns the endpoint's URL."""
        host, port = listener.getsockname()[:2]
        await self._server.serve(listener, self._handle)
        self._url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self._url

    async def serve(self, listener: socket.socket) -> Close:
        """See `EndpointHost`."""
        server = await self._server.serve(listener, self._handle)
        return lambda: self._server.drop(server)

    def _handle(self, exchange: Exchange) -> None:
        self._tasks.spawn(self._answer(exchange), "request")

    async def _answer(self, exchange: Exchange) -> None:
        pipeline = self._pipeline
        if pipeline is None:
            raise RuntimeError("a request came before the pipeline was attached")
        exchange.respond(await pipeline.answer(exchange.request, oversize=exchange.oversize))

    async def stop_listening(self, grace_s: float) -> None:
        """Take no new requests; those in progress may be answered for ``grace_s``."""
        await self._server.close(grace_s)

    async def close(self) -> None:
        """Cut what still runs."""
        await self._tasks.close()
