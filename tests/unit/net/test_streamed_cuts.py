"""However the bytes of a connection are cut, a streamed body is the same, and nothing is read while it is held back."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from functory.aws.http import HttpResponse
from functory.net.http1 import Exchange, Http1Server, _Connection


class Transport:
    """Remembers what was written; a stalled one has been told not to read."""

    def __init__(self) -> None:
        self.written = b""
        self.is_stalled = False
        self.closed = False

    def get_extra_info(self, _: str) -> None:
        return None

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        self.written += data

    def write_eof(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.is_stalled = True

    def resume_reading(self) -> None:
        self.is_stalled = False


class Taker:
    def __init__(self, exchange: Exchange) -> None:
        assert exchange.body is not None
        self.exchange, self.body = exchange, exchange.body
        self.pieces: list[bytes] = []
        self.trailers: Mapping[str, str] | None = None
        self.body.attach(self)

    def piece(self, data: bytes) -> None:
        assert data
        self.pieces.append(data)

    def ended(self, trailers: Mapping[str, str]) -> None:
        self.trailers = trailers
        self.exchange.respond(HttpResponse(200, [], b"".join(self.pieces)))

    def lost(self) -> None:
        raise AssertionError("nothing was lost")


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    st.sets(st.integers(1, 400), max_size=30),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_however_it_is_cut_it_is_the_same_body(chunks: list[bytes], cuts: set[int], pauses: list[bool]) -> None:
    takers: list[Taker] = []
    server = Http1Server(lambda _: 1000, lambda _: True)
    server.now = lambda: 0.0
    connection = _Connection(server, lambda exchange: takers.append(Taker(exchange)), set())
    transport = Transport()
    connection.connection_made(cast(Any, transport))
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    wire = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\nX-End: yes\r\n\r\n"
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    pieces = [wire[begin:end] for begin, end in itertools.pairwise(places)]
    for number, piece in enumerate(pieces):
        if takers and pauses[number] and takers[0].trailers is None:
            before = len(takers[0].pieces)
            takers[0].body.pause()
            assert transport.is_stalled
            connection.data_received(piece)  # what was under way when the socket was stopped
            assert len(takers[0].pieces) == before
            takers[0].body.resume()
        else:
            connection.data_received(piece)
        assert not transport.is_stalled
    assert b"".join(takers[0].pieces) == b"".join(chunks)
    assert takers[0].trailers == {"x-end": "yes"}
    assert transport.written.endswith(b"\r\n\r\n" + b"".join(chunks))
    assert not transport.closed
