"""A streamed answer as an HTTP response: the head from its prelude, the body as it comes.

AWS: with the content type of `INTEGRATION` the stream begins with a JSON object (``statusCode``, ``headers``, ``cookies``)
and eight NUL bytes. With any other the whole stream is the body of a 200.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from functory.aws.errors import AwsError
from functory.aws.http import HttpResponse
from functory.core.invocations.streams import ResponseStream
from functory.edges.function_url import response
from functory.edges.function_url.response import BadAnswer
from functory.kernel.limits import MIB
from functory.net.streamed_answer import BrokenStream

INTEGRATION = "application/vnd.awslambda.http-integration-response"
_END = b"\0" * 8
_PRELUDE_BYTES_MAX = MIB


async def respond(stream: ResponseStream) -> HttpResponse:
    """The response to a stream that has opened; its ``stream`` must be read or closed.

    Raises:
        AwsError: the node gave the invocation up.
        BadAnswer: the function failed before it said anything, or said something that cannot be sent.
    """
    if not stream.is_streamed:
        body = b"".join([piece async for piece in _pieces(stream, b"")])
        if stream.outcome.function_error:
            raise BadAnswer
        return HttpResponse(200, [("Content-Type", response.JSON)], body)
    if stream.content_type.partition(";")[0].strip().lower() == INTEGRATION:
        head, rest = await _prelude(stream)
        begun = response.begun(head)
    else:
        begun = HttpResponse(200, [("Content-Type", stream.content_type or response.BYTES)])
        rest = await stream.next_piece()
        if not rest and stream.outcome.function_error:
            raise BadAnswer
    begun.stream = _body(stream, rest)
    return begun


async def _prelude(stream: ResponseStream) -> tuple[bytes, bytes]:
    """The JSON, and what came behind it."""
    seen = bytearray()
    while piece := await stream.next_piece():
        begin = max(0, len(seen) - len(_END) + 1)
        seen += piece
        end = seen.find(_END, begin)
        if end >= 0:
            return bytes(seen[:end]), bytes(seen[end + len(_END) :])
        if len(seen) > _PRELUDE_BYTES_MAX:
            break
    raise BadAnswer


async def _pieces(stream: ResponseStream, first: bytes) -> AsyncGenerator[bytes, None]:
    if first:
        yield first
    while piece := await stream.next_piece():
        yield piece


async def _body(stream: ResponseStream, first: bytes) -> AsyncGenerator[bytes, None]:
    """The body; a function that fails on the way leaves it without its end."""
    try:
        async for piece in _pieces(stream, first):
            yield piece
        if stream.outcome.function_error:
            raise BrokenStream
    except AwsError:
        raise BrokenStream from None
    finally:
        stream.abandon()
