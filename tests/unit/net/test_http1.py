"""The HTTP server over real loopback sockets: order, bounds, bad clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from functory.aws.http import HttpRequest, HttpResponse
from functory.net.http1 import DISCARD_BYTES, Exchange, Http1Server
from functory.net.streamed_answer import BrokenStream

LIMIT = 1000


def echo(exchange: Exchange) -> None:
    request = exchange.request
    if exchange.oversize:
        exchange.respond(HttpResponse(413, [], b"too large"))
    else:
        exchange.respond(HttpResponse(200, [("X-Path", request.path)], request.body or request.query.encode()))


def talk(data: bytes, application: Callable[[Exchange], None] = echo, *, shut: bool = True) -> bytes:
    """Everything the server answers to ``data`` until it closes the connection."""

    async def run() -> bytes:
        server = Http1Server(lambda request: LIMIT)
        listener = socket.create_server(("127.0.0.1", 0))
        await server.serve(listener, application)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(data)
        if shut:
            writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await server.close(grace_s=0)
        return answer

    return asyncio.run(run())


def test_pipelined_requests_are_answered_in_order() -> None:
    request = b"GET /%d?q=%d HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = talk(b"".join(request % (n, n) for n in range(5)) + last, shut=False)
    assert [part.split(b"\r\n")[0] for part in answer.split(b"X-Path: ")[1:]] == [b"/0", b"/1", b"/2", b"/3", b"/4", b"/9"]


def test_a_chunked_body_arrives_whole() -> None:
    answer = talk(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        shut=False,
    )
    assert answer.endswith(b"\r\n\r\nabcde")


def test_a_body_beyond_the_limit_is_discarded_and_the_connection_lives_on() -> None:
    big = b"POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    answer = talk(big + b"GET /next?ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", shut=False)
    assert b"413" in answer.split(b"\r\n")[0]
    assert answer.endswith(b"ok")


def test_a_body_far_beyond_the_limit_is_refused_before_it_comes() -> None:
    head = f"POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: {DISCARD_BYTES + 1}\r\n\r\n".encode()
    assert talk(head, shut=False).startswith(b"HTTP/1.1 413")


def test_a_client_that_asks_first_is_told_to_go_on_or_not() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    assert talk(head % 3 + b"abc", shut=False).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert talk(head % 5000, shut=False).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_closed(data: bytes) -> None:
    assert talk(data, shut=False).startswith(b"HTTP/1.1 400")


def test_an_endless_head_is_refused() -> None:
    endless = b"GET / HTTP/1.1\r\nX-A: " + b"a" * 2_000_000
    assert talk(endless, shut=False).startswith(b"HTTP/1.1 431")


def test_half_a_request_is_dropped_without_an_answer() -> None:
    assert talk(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc") == b""


def test_an_offer_to_upgrade_is_answered_as_a_plain_request() -> None:
    offer = b"GET /up HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n"
    answer = talk(offer, shut=False)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"X-Path: /up" in answer


def test_a_stream_is_sent_in_chunks() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b""
        yield b"de"

    answer = talk(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        lambda exchange: exchange.respond(HttpResponse(200, [], stream=pieces())),
        shut=False,
    )
    assert b"Transfer-Encoding: chunked" in answer
    assert answer.endswith(b"\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")


async def _three_pieces() -> AsyncIterator[bytes]:
    for piece in (b"abc", b"de", b"f"):
        yield piece


def streaming(exchange: Exchange, status: int = 200) -> None:
    if exchange.request.path == "/stream":
        exchange.respond(HttpResponse(status, [], stream=_three_pieces()))
    else:
        echo(exchange)


def test_a_streamed_answer_to_head_has_no_body_and_the_connection_goes_on() -> None:
    last = b"GET /?after HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = talk(b"HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n" + last, streaming, shut=False)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert rest.startswith(b"HTTP/1.1 200")
    assert rest.endswith(b"after")


def test_a_status_without_body_has_none_when_streamed() -> None:
    request = b"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = talk(request, lambda exchange: streaming(exchange, 204), shut=False)
    assert b"Transfer-Encoding" not in answer
    assert answer.endswith(b"\r\n\r\n")


def test_an_older_client_gets_a_stream_as_bytes_that_end_with_the_connection() -> None:
    answer = talk(b"GET /stream HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", streaming, shut=False)
    assert b"Transfer-Encoding" not in answer
    assert answer.endswith(b"\r\n\r\nabcdef")


def test_a_stream_that_breaks_is_not_ended() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"
        raise BrokenStream

    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = talk(request, lambda exchange: exchange.respond(HttpResponse(200, [], stream=pieces())), shut=False)
    assert answer.endswith(b"3\r\nabc\r\n")


def test_a_client_that_left_before_a_stream_began_closes_it() -> None:
    async def run() -> None:
        closed, seen, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()
        exchanges: list[Exchange] = []

        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield b"abc"
            finally:
                closed.set()

        def application(exchange: Exchange) -> None:
            exchanges.append(exchange)
            exchange.on_gone = gone.set
            seen.set()

        server = Http1Server(lambda request: LIMIT)
        listener = socket.create_server(("127.0.0.1", 0))
        await server.serve(listener, application)
        _, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(seen.wait(), 10)
        writer.transport.abort()
        await asyncio.wait_for(gone.wait(), 10)
        exchanges[0].respond(HttpResponse(200, [], stream=pieces()))
        await asyncio.wait_for(closed.wait(), 10)
        await server.close(grace_s=0)

    asyncio.run(run())


def test_a_head_request_gets_no_body_but_its_length() -> None:
    answer = talk(b"HEAD /?abc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", shut=False)
    assert b"Content-Length: 3\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_header_value_cannot_smuggle_a_line() -> None:
    answer = talk(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        lambda exchange: exchange.respond(HttpResponse(200, [("X-A", "a\r\nX-B: b")])),
        shut=False,
    )
    assert b"\r\nX-B" not in answer


def test_a_client_that_leaves_is_noticed() -> None:
    async def run() -> None:
        gone = asyncio.Event()
        seen: list[HttpRequest] = []

        def application(exchange: Exchange) -> None:
            seen.append(exchange.request)
            exchange.on_gone = gone.set

        server = Http1Server(lambda request: LIMIT)
        listener = socket.create_server(("127.0.0.1", 0))
        await server.serve(listener, application)
        _, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while not seen:
            await asyncio.sleep(0)
        writer.transport.abort()
        await asyncio.wait_for(gone.wait(), 10)
        await server.close(grace_s=0)

    asyncio.run(run())


def test_a_dropped_listener_resets_its_connections_and_no_others() -> None:
    async def run() -> None:
        waiting: list[Exchange] = []
        server = Http1Server(lambda request: LIMIT)
        one, other = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        dropped = await server.serve(one, waiting.append)
        await server.serve(other, echo)
        request = b"GET /?q HTTP/1.1\r\nHost: x\r\n\r\n"
        reader, writer = await asyncio.open_connection(*one.getsockname())
        stays, its_writer = await asyncio.open_connection(*other.getsockname())
        writer.write(request)
        async with asyncio.timeout(10):
            while not waiting:
                await asyncio.sleep(0.001)
            server.drop(dropped)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            assert waiting[0].is_gone
            its_writer.write(request)
            assert (await stays.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        its_writer.close()
        await server.close(grace_s=0)

    asyncio.run(run())
