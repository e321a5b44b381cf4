"""Requests whose body is handed on while it comes: pieces, trailers, backpressure, broken senders."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping

from functory.aws.http import HttpResponse
from functory.net.http1 import Exchange, Http1Server
from functory.net.request_body import RequestBody

HEAD = b"POST /%b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Collector:
    """Answers with what it took, once the body has ended."""

    def __init__(self, exchange: Exchange) -> None:
        assert exchange.body is not None
        self.exchange = exchange
        self.body = exchange.body
        self.data = b""
        self.trailers: Mapping[str, str] = {}
        self.end = ""
        self.news = asyncio.Event()

    def piece(self, data: bytes) -> None:
        self.data += data
        self.news.set()

    def ended(self, trailers: Mapping[str, str]) -> None:
        self.trailers = trailers
        self.end = "ended"
        self.news.set()
        self.exchange.respond(HttpResponse(200, [("X-Path", self.exchange.request.path)], self.data))

    def lost(self) -> None:
        self.end = "lost"
        self.news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self.news.clear()
                await self.news.wait()


class Scene:
    """A server whose streamed requests land in ``taken``, and one connection to it."""

    def __init__(self, *, attach: bool = True) -> None:
        self.taken: list[Collector] = []
        self.came = asyncio.Event()
        self.attach = attach

    def application(self, exchange: Exchange) -> None:
        if exchange.body is None:
            exchange.respond(HttpResponse(200, [], exchange.request.body))
            return
        collector = Collector(exchange)
        self.taken.append(collector)
        if self.attach:
            exchange.body.attach(collector)
        self.came.set()

    async def run(self, play: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
        server = Http1Server(lambda _: 1000, lambda request: request.path.startswith("/stream"))
        listener = socket.create_server(("127.0.0.1", 0))
        await server.serve(listener, self.application)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            await asyncio.wait_for(play(reader, writer), 20)
        finally:
            writer.close()
            await server.close(grace_s=0)

    async def next(self) -> Collector:
        async with asyncio.timeout(10):
            await self.came.wait()
        self.came.clear()
        return self.taken[-1]


async def answer_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head, await reader.readexactly(length)


def test_pieces_are_there_before_the_end_is() -> None:
    scene = Scene()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % b"stream" + b"3\r\nabc\r\n")
        taken = await scene.next()
        await taken.until(lambda: taken.data == b"abc")
        writer.write(b"2\r\nde\r\n0\r\n\r\n")
        assert (await answer_of(reader))[1] == b"abcde"

    asyncio.run(scene.run(play))


def test_trailers_come_with_the_end_and_apart_from_the_headers() -> None:
    scene = Scene()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % b"stream" + b"1\r\na\r\n0\r\nX-Error: one\r\nHost: two\r\n\r\n")
        await answer_of(reader)
        assert scene.taken[0].trailers == {"x-error": "one", "host": "two"}
        assert scene.taken[0].exchange.request.headers["host"] == "x"

    asyncio.run(scene.run(play))


def test_the_connection_goes_on_after_a_streamed_request() -> None:
    scene = Scene()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            writer.write(HEAD % b"stream" + b"1\r\na\r\n0\r\n\r\n")
            assert (await answer_of(reader))[1] == b"a"
            writer.write(b"POST /plain HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
            assert (await answer_of(reader))[1] == b"hi"

    asyncio.run(scene.run(play))


def test_a_body_with_a_declared_length_streams_too() -> None:
    scene = Scene()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        taken = await scene.next()
        await taken.until(lambda: taken.data == b"ab")
        writer.write(b"cd")
        assert (await answer_of(reader))[1] == b"abcd"

    asyncio.run(scene.run(play))


def test_pipelined_streamed_requests_wait_for_their_turn_with_what_came() -> None:
    scene = Scene(attach=False)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % b"stream1" + b"1\r\na\r\n0\r\n\r\n" + HEAD % b"stream2" + b"1\r\nb\r\n0\r\n\r\n")
        first = await scene.next()
        assert len(scene.taken) == 1
        first.body.attach(first)
        assert (await answer_of(reader))[1] == b"a"
        second = await scene.next()
        second.body.attach(second)
        head, body = await answer_of(reader)
        assert body == b"b"
        assert b"X-Path: /stream2" in head

    asyncio.run(scene.run(play))


def test_a_paused_body_slows_its_sender_down() -> None:
    scene = Scene()
    size = 32 * 1024 * 1024

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % b"stream")
        taken = await scene.next()
        taken.body.pause()
        writer.write(b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n")
        drained = asyncio.create_task(writer.drain())
        for _ in range(200):  # turns of the loop, in each of which the server could read
            await asyncio.sleep(0)
        assert not drained.done(), "somebody swallowed 32 MiB"
        assert taken.data == b""
        taken.body.resume()
        await drained
        assert len((await answer_of(reader))[1]) == size

    asyncio.run(scene.run(play))


def test_an_answer_before_the_end_throws_the_rest_away() -> None:
    scene = Scene(attach=False)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % b"stream" + b"3\r\nabc\r\n")
        taken = await scene.next()
        taken.exchange.respond(HttpResponse(413, [], b"no"))
        assert (await answer_of(reader))[1] == b"no"
        writer.write(b"3\r\ndef\r\n0\r\n\r\n")
        writer.write(b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer_of(reader))[0].startswith(b"HTTP/1.1 200")

    asyncio.run(scene.run(play))


def test_a_sender_that_leaves_in_the_middle_is_noticed() -> None:
    scene = Scene()

    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % b"stream" + b"3\r\nabc\r\n")
        taken = await scene.next()
        await taken.until(lambda: taken.data == b"abc")
        writer.transport.abort()
        await taken.until(lambda: taken.end == "lost")

    asyncio.run(scene.run(play))


def test_a_broken_chunk_loses_the_body() -> None:
    scene = Scene()

    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % b"stream" + b"3\r\nabc\r\nnonsense\r\n")
        taken = await scene.next()
        await taken.until(lambda: taken.end == "lost")
        assert taken.data == b"abc"

    asyncio.run(scene.run(play))


class _Receiver:
    def __init__(self) -> None:
        self.seen: list[object] = []

    def piece(self, data: bytes) -> None:
        self.seen.append(data)

    def ended(self, trailers: Mapping[str, str]) -> None:
        self.seen.append(dict(trailers))

    def lost(self) -> None:
        self.seen.append("lost")


def test_what_is_paused_keeps_its_order_and_its_end() -> None:
    holds: list[bool] = []
    body, receiver = RequestBody(holds.append), _Receiver()
    body.push(b"a")
    body.attach(receiver)
    body.pause()
    body.push(b"b")
    body.push(b"c")
    body.complete()
    assert receiver.seen == [b"a"]
    body.resume()
    assert receiver.seen == [b"a", b"b", b"c", {}]
    assert holds[-1] is False, "the connection reads again"


def test_a_lost_body_gives_what_it_has_first() -> None:
    body, receiver = RequestBody(lambda _: None), _Receiver()
    body.attach(receiver)
    body.pause()
    body.push(b"a")
    body.lose()
    assert receiver.seen == []
    body.resume()
    assert receiver.seen == [b"a", "lost"]
