"""Invocations through function URLs: which function an id stands for, and running it.

**Theory.** URLs are kept in memory like routes, and forgotten with them: a URL remembered here belongs to the generation of
its function in the catalogue, which ends with every committed change of the function. It was read after that generation had
begun, so it is never older than the last change.
"""

from __future__ import annotations

from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.core.functions.catalogue import Functions, Generation
from functory.core.functions.urls import FunctionUrl
from functory.core.invocations.outcome import Outcome
from functory.core.invocations.port import Invoker
from functory.core.invocations.streams import ResponseStream
from functory.services.lambda_ import url_rows
from functory.services.lambda_.invoke import Admitted, InvokeApi
from functory.services.lambda_.invoke_stream import StreamingInvoker
from functory.store.port import Store

REMEMBERED_MAX = 10_000
_OPERATION = "InvokeFunction"


class UrlInvocations:
    """What the edge of function URLs asks of the Lambda service."""

    def __init__(
        self, store: Store, functions: Functions, invoke: InvokeApi, invoker: Invoker, streams: StreamingInvoker
    ) -> None:
        self._store = store
        self._functions = functions
        self._invoke = invoke
        self._invoker = invoker
        self._streams = streams
        self._remembered: dict[str, tuple[FunctionUrl, Generation]] = {}

    async def find(self, url_id: str) -> FunctionUrl | None:
        """The URL of that id as it is configured now, or None."""
        known = self._remembered.get(url_id)
        if known is not None and known[1] is self._generation(known[0]):
            return known[0]
        self._remembered.pop(url_id, None)
        url = await self._load(url_id)
        if url is None:
            return None
        generation = self._generation(url)
        url = await self._load(url_id)  # once more: now nothing older than the generation can come
        if url is not None:
            while len(self._remembered) >= REMEMBERED_MAX:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[url_id] = (url, generation)
        return url

    async def invoke(self, url: FunctionUrl, request_id: str, event: bytes, trace_id: str) -> Outcome:
        """Run the function and return how it ended.

        Raises:
            AwsError: nothing ran.
        """
        admitted = await self._admit(url, request_id, event, trace_id)
        return await self._invoker.invoke(await admitted.version(), admitted.invocation)

    async def stream(self, url: FunctionUrl, request_id: str, event: bytes, trace_id: str) -> ResponseStream:
        """Run the function; returns when it begins to answer, or has ended.

        Raises:
            AwsError: nothing ran.
        """
        admitted = await self._admit(url, request_id, event, trace_id)
        return await self._streams.invoke(await admitted.version(), admitted.invocation)

    async def _admit(self, url: FunctionUrl, request_id: str, event: bytes, trace_id: str) -> Admitted:
        ctx = CallContext(url.account_id, url.region, request_id, trace_id=trace_id)
        return await self._invoke.admit(ctx, url.name, url.qualifier, operation=_OPERATION, payload=event)

    async def _load(self, url_id: str) -> FunctionUrl | None:
        def work(conn: Connection) -> FunctionUrl | None:
            record = url_rows.find_url(conn, url_id)
            return record.url if record is not None else None

        return await self._store.read(work)

    def _generation(self, url: FunctionUrl) -> Generation:
        return self._functions.generation(url.account_id, url.region, url.name)
