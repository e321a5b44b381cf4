"""Invocations whose response is handed on while the function writes it.

**Theory.** An invocation runs in a task of its own, owned by `Streams`; the caller reads a `ResponseStream`. The stream
holds what the caller has not taken yet: above `KEPT_BYTES` the runtime is held back, so a slow caller slows the function
down and nothing else. A caller that goes away changes nothing for the function: it runs to its end and its bytes are
dropped. AWS: "Streamed responses are not interrupted or stopped when the invoking client connection is broken."

The limits are AWS's, as settings: so many bytes altogether, and `pace.Pace`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from types import TracebackType
from typing import Self

from functory.aws.errors import AwsError
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation, Outcome
from functory.core.invocations.pace import Pace
from functory.core.invocations.port import Invoker
from functory.core.invocations.response import ResponseSource, ResponseTooLarge
from functory.kernel.limits import MIB
from functory.kernel.settings import LambdaSettings
from functory.kernel.tasks import TaskScope

KEPT_BYTES = 256 * 1024
"""What may wait for the caller before the runtime is held back; one read of the runtime's socket may come on top."""


class ResponseStream:
    """One response between its function and its caller; implements ``response.ResponseSink``.

    Args:
        limit_bytes: longer responses fail.
        pace: how fast the caller gets it.

    Attributes:
        content_type: what the runtime gave, once `opened`; ``""`` for a function that does not stream.
        is_streamed: whether the function streams, once `opened`.
    """

    def __init__(self, limit_bytes: int, pace: Pace) -> None:
        self.content_type = ""
        self.is_streamed = False
        self._limit_bytes = limit_bytes
        self._pace = pace
        self._taken_bytes = 0
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._source: ResponseSource | None = None
        self._is_held = False
        self._is_abandoned = False
        self._outcome: Outcome | None = None
        self._error: AwsError | None = None
        self._news = asyncio.Event()

    # -- the engine's side

    def begin(self, content_type: str, source: ResponseSource) -> None:
        """See `ResponseSink`."""
        self.content_type = content_type
        self.is_streamed = True
        self._source = source
        self._news.set()

    def take(self, data: bytes) -> None:
        """See `ResponseSink`."""
        if self._taken_bytes + len(data) > self._limit_bytes:
            raise ResponseTooLarge(self._limit_bytes)
        self._taken_bytes += len(data)
        if not self._is_abandoned:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._kept.append(data)
        self._kept_bytes += len(data)
        self._news.set()
        if self._kept_bytes > KEPT_BYTES and not self._is_held and self._source is not None:
            self._is_held = True
            self._source.pause()

    def collected(self) -> bytes:
        """See `ResponseSink`."""
        return b""

    def finish(self, outcome: Outcome) -> None:
        """The invocation is over."""
        if not self.is_streamed and not outcome.function_error and outcome.payload and not self._is_abandoned:
            self._keep(outcome.payload)
        self._outcome = outcome
        self._news.set()

    def fail(self, error: AwsError) -> None:
        """Nothing ran, or nobody knows how it ended."""
        self._error = error
        self._news.set()

    # -- the caller's side

    async def opened(self) -> None:
        """Wait until the function begins to answer, or has ended.

        Raises:
            AwsError: nothing ran.
        """
        await self._until_news()
        if self._error is not None:
            raise self._error

    async def next_piece(self) -> bytes:
        """The next bytes, at AWS's pace; empty when no more come: then `outcome` says how it ended.

        Raises:
            AwsError: the node gave the invocation up.
        """
        while not self._kept:
            if self._error is not None:
                raise self._error
            if self._outcome is not None:
                return b""
            self._news.clear()
            await self._until_news()
        piece = self._kept.popleft()
        self._kept_bytes -= len(piece)
        if delay_s := self._pace.delay_s(len(piece), asyncio.get_running_loop().time()):
            await asyncio.sleep(delay_s)
        if self._is_held and self._kept_bytes <= KEPT_BYTES // 2:
            self._let_go()
        return piece

    async def _until_news(self) -> None:
        await self._news.wait()

    @property
    def outcome(self) -> Outcome:
        """How the invocation ended; only after the last piece."""
        if self._outcome is None:
            raise RuntimeError("the invocation is not over")
        return self._outcome

    def abandon(self) -> None:
        """The caller has gone: the rest is dropped. Idempotent."""
        self._is_abandoned = True
        self._kept.clear()
        self._kept_bytes = 0
        self._let_go()

    def _let_go(self) -> None:
        if self._is_held and self._source is not None:
            self._is_held = False
            self._source.resume()


class Streams:
    """Runs invocations for callers that read while the function writes; an async context manager that owns them."""

    def __init__(self, invoker: Invoker, settings: LambdaSettings) -> None:
        self._invoker = invoker
        self._settings = settings
        self._tasks = TaskScope("core.invocations")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.close()

    async def invoke(self, version: FunctionVersion, invocation: Invocation) -> ResponseStream:
        """Begin an invocation; returns when the function begins to answer, or has ended.

        Raises:
            AwsError: see `Invoker.invoke`; nothing ran.

        Cancellation: a function that has begun runs to its end.
        """
        settings = self._settings
        pace = Pace(settings.stream_burst_mib * MIB, settings.stream_mib_per_s * MIB, asyncio.get_running_loop().time())
        stream = ResponseStream(int(settings.stream_response_mib * MIB), pace)
        self._tasks.spawn(self._run(version, replace(invocation, sink=stream), stream), f"stream {version.name}")
        try:
            await stream.opened()
        except asyncio.CancelledError:
            stream.abandon()
            raise
        return stream

    async def _run(self, version: FunctionVersion, invocation: Invocation, stream: ResponseStream) -> None:
        try:
            stream.finish(await self._invoker.invoke(version, invocation))
        except AwsError as error:
            stream.fail(error)
        except BaseException:
            stream.fail(AwsError("ServiceException", "The invocation was given up."))
            raise
