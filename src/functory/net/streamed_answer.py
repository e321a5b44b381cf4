"""The body of an answer that is sent as it comes: framing, and the end of those who make the pieces.

Whoever makes the pieces must learn when nobody reads on, whether the client took all of them, some, or left before the
first: `end` and `drop` see to it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable


class BrokenStream(Exception):  # noqa: N818  how a stream says that it cannot be ended
    """Raised by the pieces of a streamed answer: the client must see that the rest is missing."""


async def send(
    pieces: AsyncIterator[bytes],
    write: Callable[[bytes], None],
    until_writable: Callable[[], Awaitable[None]],
    *,
    is_chunked: bool,
) -> bool:
    """Write a whole body; False when it broke off, and then without its last chunk, so that the client sees it.

    Args:
        pieces: of the body.
        write: takes framed bytes.
        until_writable: waits while the client is slow.
        is_chunked: False for clients of HTTP/1.0, which get bytes and the end of the connection.
    """
    try:
        async for piece in pieces:
            if piece:
                write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
            await until_writable()
    except BrokenStream:
        return False
    if is_chunked:
        write(b"0\r\n\r\n")
    return True


async def end(pieces: AsyncIterator[bytes]) -> None:
    """Tell a generator that was not exhausted that nobody reads on."""
    if isinstance(pieces, AsyncGenerator):
        await pieces.aclose()


async def drop(pieces: AsyncIterator[bytes]) -> None:
    """Likewise for one that nobody has begun to read: ending it would run nothing of it."""
    try:
        async for _ in pieces:
            break
    finally:
        await end(pieces)
