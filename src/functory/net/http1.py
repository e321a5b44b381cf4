"""An HTTP/1.1 server for the two hot edges: the AWS endpoint and every environment's Runtime API.

**Theory.** One synchronous invocation is three HTTP exchanges (Invoke, the runtime's ``next``, its ``response``), so
the cost of one exchange is most of what Functory adds to a call. llhttp (through httptools) does the parsing; this
module owns the connection: keep-alive, pipelining in order, ``Expect: 100-continue``, bounds, time limits and writing.
A complete request is handed to a plain function as an `Exchange`; the answer may be given at once, later, or never
(long polls).

Bounds: a head over `HEADER_BYTES` is answered 431; a body over what ``body_limit`` allows is read and thrown away (up to
`DISCARD_BYTES`; when more is announced, it is not waited for) and the exchange is marked `Exchange.oversize`, so that the
application can answer in its own words. A connection that makes no progress within its time limit is closed by a sweep,
without a timer per request; one whose client takes nothing of a streamed answer for `STALL_S` likewise.

Where ``streams`` says so, a request is handed over as soon as its head is there, and its body follows piece by piece
(`request_body.RequestBody`); such a body has no limit here: the application counts.

It does not speak TLS or HTTP/2. ADR 0005 says why it exists; its cost is that it is ours to keep.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast

import httptools

from functory.aws.http import HttpRequest, HttpResponse
from functory.kernel.limits import HEADER_BYTES, HEADER_COUNT
from functory.net import streamed_answer
from functory.net.request_body import RequestBody

KEEP_ALIVE_S = 75.0
"""How long a connection may wait for its next request."""
PROGRESS_S = 30.0
"""How long a request that has begun may stay without a new byte."""
STALL_S = 300.0
"""How long a client may take nothing of a streamed answer that waits for it."""
SWEEP_S = 5.0
LINGER_S = 2.0
"""How long a refused client may go on sending before it is cut off."""
PIPELINE_MAX = 8
DISCARD_BYTES = 256 * 1024 * 1024

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_NO_LINGER = struct.pack("ii", 1, 0)
_BODYLESS = frozenset({204, 304})
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Application = Callable[["Exchange"], None]
BodyLimit = Callable[[HttpRequest], int]
Streams = Callable[[HttpRequest], bool]


class _DateHeader:
    """The ``Date`` header's text, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def text(self) -> str:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._text = f"Date: {formatdate(now, usegmt=True)}\r\n"
        return self._text


class Exchange:
    """One request and the duty to answer it once.

    Attributes:
        request: the request, complete but for a streamed body.
        oversize: the body was longer than allowed and is not in ``request.body``.
        body: of a streamed request, its body as it comes; else None, and ``request.body`` has it.
        on_gone: called once if the client's connection ends before the answer.
    """

    __slots__ = ("_answered", "_connection", "_keep_alive", "body", "on_gone", "oversize", "request")

    def __init__(
        self,
        connection: _Connection,
        request: HttpRequest,
        *,
        keep_alive: bool,
        oversize: bool = False,
        body: RequestBody | None = None,
    ) -> None:
        self.request = request
        self.oversize = oversize
        self.body = body
        self.on_gone: Callable[[], None] | None = None
        self._connection = connection
        self._keep_alive = keep_alive
        self._answered = False

    @property
    def is_gone(self) -> bool:
        """Whether nobody is there any more to read an answer."""
        return self._connection.is_closed

    @property
    def is_answered(self) -> bool:
        """Whether `respond` was called."""
        return self._answered

    def respond(self, response: HttpResponse) -> None:
        """Send the answer; a second one is a programming error, one to a closed connection is dropped."""
        if self._answered:
            raise RuntimeError("this exchange is answered already")
        self._answered = True
        if self.body is not None:
            self.body.discard()
        self._connection.answer(self, response, keep_alive=self._keep_alive)


class _Connection(asyncio.Protocol):
    """One client connection; see the module's theory."""

    def __init__(self, server: Http1Server, application: Application, family: set[_Connection]) -> None:
        self._server = server
        self._family = family
        self._application = application
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._peer = ""
        self._waiting: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._stream: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._reset_message()
        self._in_message = False
        self._head_bytes = 0
        self._paused = False
        self._held = False
        self._closing = False
        self.is_closed = False
        self.deadline = 0.0

    def _reset_message(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._header_count = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._limit = 0
        self._oversize = False
        self._head_done = False
        self._request: HttpRequest | None = None
        self._streamed: RequestBody | None = None

    # -- transport side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.connections.add(self)
        self._family.add(self)
        self.deadline = self._server.now() + KEEP_ALIVE_S

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self.is_closed = True
        self._server.forget(self)
        if self._streamed is not None:
            self._streamed.lose()
        self._family.discard(self)
        if self._stream is not None:
            self._stream.cancel()
        if self._writable is not None and not self._writable.done():
            self._writable.cancel()
        current, self._current = self._current, None
        waiting, self._waiting = self._waiting, deque()
        for exchange in (current, *waiting):
            if exchange is not None and not exchange.is_answered and exchange.on_gone is not None:
                exchange.on_gone()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if not self._head_done:
            self._head_bytes += len(data)
        if self._current is None:
            self.deadline = self._server.now() + PROGRESS_S
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # an offer to change protocols is answered as the plain request it also is
            rest = data[upgrade.args[0] :]
            self._parser = httptools.HttpRequestParser(self)
            if rest:
                self.data_received(rest)
        except (httptools.HttpParserError, ValueError):
            self._refuse(400)
            if self._streamed is not None:
                self._streamed.lose()
            return
        if not self._head_done and self._in_message and self._head_bytes > HEADER_BYTES:
            self._refuse(431)

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # -- parser side

    def on_message_begin(self) -> None:
        self._reset_message()
        self._in_message = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        if self._header_count > HEADER_COUNT:
            raise ValueError("too many headers")
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        headers = self._headers if self._streamed is None else self._streamed.trailers
        if key in headers:
            text = f"{headers[key]},{text}"
        headers[key] = text

    def on_headers_complete(self) -> None:
        self._head_done = True
        self._head_bytes = 0
        method = self._parser.get_method().decode("ascii")
        path, _, query = self._url.decode("latin-1").partition("?")
        if not path.startswith("/"):
            path = _origin_form(path)
        request = HttpRequest(method, path, query, self._headers, b"", self._peer)
        self._request = request
        if self._server.streams is not None and self._server.streams(request):
            self._begin_streamed(request)
            return
        self._limit = self._server.body_limit(request)
        declared = self._headers.get("content-length", "")
        length = int(declared) if declared.isdigit() else 0
        self._oversize = length > self._limit
        asks_first = self._headers.get("expect", "").lower() == "100-continue"
        if self._oversize and (asks_first or length > DISCARD_BYTES):
            # nobody reads such a body: the client is told before it sends it
            self._complete(keep_alive=False)
            self._closing = True
        elif asks_first and self._transport is not None and self._current is None:
            self._transport.write(_CONTINUE)

    def _begin_streamed(self, request: HttpRequest) -> None:
        """Hand a request over before its body, or line it up behind the one that is being answered."""
        body = self._streamed = RequestBody(self._hold)
        if self._headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(_CONTINUE)
        self._take(Exchange(self, request, keep_alive=self._parser.should_keep_alive(), body=body))

    def _hold(self, held: bool) -> None:
        if held is not self._held:
            self._held = held
            self._steer_reading()

    def _steer_reading(self) -> None:
        """Read the socket, unless the pipeline is full or a body is held back."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._paused or self._held:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._streamed is not None:
            if self._streamed.is_discarded and self._body_bytes > DISCARD_BYTES:
                raise ValueError("body far beyond any limit")
            self._streamed.push(body)
            return
        if self._body_bytes > self._limit:
            self._oversize = True
            self._body.clear()
            if self._body_bytes > DISCARD_BYTES:
                raise ValueError("body far beyond any limit")
        elif not self._oversize:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._streamed is not None:
            body, self._streamed = self._streamed, None
            self._in_message = self._head_done = False
            body.complete()
            return
        if self._closing:
            return
        self._complete(keep_alive=self._parser.should_keep_alive())

    # -- exchanges

    def _complete(self, *, keep_alive: bool) -> None:
        request = cast("HttpRequest", self._request)
        if not self._oversize and self._body:
            request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        exchange = Exchange(self, request, keep_alive=keep_alive, oversize=self._oversize)
        self._body = []
        self._in_message = False
        self._head_done = False
        self._take(exchange)

    def _take(self, exchange: Exchange) -> None:
        if self._current is None:
            self._begin(exchange)
        else:
            self._waiting.append(exchange)
            if len(self._waiting) >= PIPELINE_MAX and not self._paused:
                self._paused = True
                self._steer_reading()

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self.deadline = float("inf")
        self._application(exchange)

    def answer(self, exchange: Exchange, response: HttpResponse, *, keep_alive: bool) -> None:
        transport = self._transport
        if self.is_closed or transport is None or exchange is not self._current:
            if response.stream is not None:
                self._server.drop_stream(response.stream)
            return
        keep = keep_alive and not self._server.is_draining
        if response.stream is not None:
            self._start_stream(transport, exchange, response, response.stream, keep_alive=keep)
            return
        body = response.body
        head = _head(self._server.date.text(), response, keep_alive=keep)
        if response.status in _BODYLESS:
            transport.write((head + "\r\n").encode("latin-1"))
        else:
            framed = f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1")
            transport.write(framed if exchange.request.method == "HEAD" else framed + body)
        self._finish(transport, keep_alive=keep)

    def _start_stream(
        self,
        transport: asyncio.Transport,
        exchange: Exchange,
        response: HttpResponse,
        pieces: AsyncIterator[bytes],
        *,
        keep_alive: bool,
    ) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            if task.cancelled():  # perhaps before its first step, in which case nothing of it ran
                self._server.drop_stream(pieces)

        is_chunked = self._parser.get_http_version() != "1.0"  # an older client gets bytes, and their end by the close
        sending = self._send_stream(
            transport, exchange, response, pieces, is_chunked=is_chunked, keep_alive=keep_alive and is_chunked
        )
        self._stream = asyncio.get_running_loop().create_task(sending)
        self._stream.add_done_callback(ended)

    async def _send_stream(
        self,
        transport: asyncio.Transport,
        exchange: Exchange,
        response: HttpResponse,
        pieces: AsyncIterator[bytes],
        *,
        is_chunked: bool,
        keep_alive: bool,
    ) -> None:
        head = _head(self._server.date.text(), response, keep_alive=keep_alive)
        is_bodyless = response.status in _BODYLESS or exchange.request.method == "HEAD"
        coding = "Transfer-Encoding: chunked\r\n" if is_chunked and response.status not in _BODYLESS else ""
        complete = False
        try:
            transport.write(f"{head}{coding}\r\n".encode("latin-1"))
            if is_bodyless:
                await streamed_answer.drop(pieces)
                complete = True
            else:
                complete = await streamed_answer.send(pieces, transport.write, self._until_writable, is_chunked=is_chunked)
        finally:
            self._stream = None
            await streamed_answer.end(pieces)
            self._finish(transport, keep_alive=keep_alive and complete)

    async def _until_writable(self) -> None:
        if self._writable is not None:
            self.deadline = self._server.now() + STALL_S
            await self._writable
            self.deadline = float("inf")

    def _finish(self, transport: asyncio.Transport, *, keep_alive: bool) -> None:
        self._current = None
        if not keep_alive or self._closing:
            self._closing = True
            transport.close()
            return
        self.deadline = self._server.now() + (PROGRESS_S if self._in_message else KEEP_ALIVE_S)
        if self._waiting:
            following = self._waiting.popleft()
            if self._paused and len(self._waiting) < PIPELINE_MAX:
                self._paused = False
                self._steer_reading()
            # not from here: an application that answers at once would recurse
            asyncio.get_running_loop().call_soon(self._begin, following)
            self._current = following

    def _refuse(self, status: int) -> None:
        self._closing = True
        if self._transport is None:
            return
        if self._current is None:
            head = _head(self._server.date.text(), HttpResponse(status), keep_alive=False)
            self._transport.write(f"{head}Content-Length: 0\r\n\r\n".encode("latin-1"))
            self._linger(self._transport)

    def _linger(self, transport: asyncio.Transport) -> None:
        """Close our side and drop what still comes: closing at once would reset the answer away from a busy sender."""
        transport.write_eof()
        self.deadline = self._server.now() + LINGER_S

    def close_if_idle(self) -> None:
        """Close unless a request is being answered."""
        if self._current is None and self._transport is not None:
            self._closing = True
            self._transport.close()

    def reset(self) -> None:
        """Close at once, and have the other side's kernel forget the connection, too."""
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


def _head(date: str, response: HttpResponse, *, keep_alive: bool) -> str:
    lines = [_STATUS_LINES.get(response.status) or f"HTTP/1.1 {response.status} Unknown\r\n", date]
    for name, value in response.headers:
        if "\r" in value or "\n" in value:
            value = value.replace("\r", " ").replace("\n", " ")  # noqa: PLW2901  a header cannot hold a line end
        lines.append(f"{name}: {value}\r\n")
    if not keep_alive:
        lines.append("Connection: close\r\n")
    return "".join(lines)


def _origin_form(target: str) -> str:
    """The path of an absolute request target (``http://host/path``), as proxies send it."""
    _, _, rest = target.partition("://")
    _, slash, path = rest.partition("/")
    return slash + path or "/"


class Http1Server:
    """Serves applications on any number of listening sockets.

    Args:
        body_limit: how many bytes of body the request with this head may have.
        streams: whether the body of the request with this head is handed on as it comes; None for never.
    """

    def __init__(self, body_limit: BodyLimit, streams: Streams | None = None) -> None:
        self.body_limit = body_limit
        self.streams = streams
        self.connections: set[_Connection] = set()
        self.date = _DateHeader()
        self.is_draining = False
        self.now: Callable[[], float] = time.monotonic
        self._servers: list[asyncio.Server] = []
        self._of: dict[asyncio.Server, set[_Connection]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._dropped: set[asyncio.Task[None]] = set()

    def drop_stream(self, pieces: AsyncIterator[bytes]) -> None:
        """Close an answer whose client went away before it began."""
        task = asyncio.get_running_loop().create_task(streamed_answer.drop(pieces))
        self._dropped.add(task)
        task.add_done_callback(self._dropped.discard)

    async def serve(self, listener: socket.socket, application: Application) -> asyncio.Server:
        """Accept connections of a listening socket; the returned server closes it.

        ``application`` is called with every complete request (of a streamed one: with the head), on the event loop; it must
        not raise.
        """
        loop = asyncio.get_running_loop()
        self.now = loop.time
        family: set[_Connection] = set()
        server = await loop.create_server(lambda: _Connection(self, application, family), sock=listener, backlog=1024)
        self._servers.append(server)
        self._of[server] = family
        if self._sweep is None:
            self._sweep = loop.call_later(SWEEP_S, self._close_stalled)
        return server

    def drop(self, server: asyncio.Server) -> None:
        """Stop accepting on one listener and reset its connections: whoever they lead to must notice at once."""
        server.close()
        if server in self._servers:
            self._servers.remove(server)
        for connection in self._of.pop(server, ()):
            connection.reset()

    def forget(self, connection: _Connection) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def _close_stalled(self) -> None:
        now = self.now()
        for connection in [each for each in self.connections if each.deadline < now]:
            connection.abort()
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._close_stalled)

    async def close(self, grace_s: float = 5.0) -> None:
        """Stop accepting, let requests in progress be answered for up to ``grace_s``, then close every connection."""
        self.is_draining = True
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in list(self.connections):
            connection.close_if_idle()
        await self._until_empty(grace_s)
        for connection in list(self.connections):
            connection.abort()
        for task in self._dropped:
            task.cancel()
        await self._until_empty(1.0)

    async def _until_empty(self, limit_s: float) -> None:
        if not self.connections:
            return
        self._empty.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), limit_s)
