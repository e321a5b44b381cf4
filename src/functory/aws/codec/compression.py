"""Compressed request bodies (``Content-Encoding: gzip``), with a bound on what they may grow to.

AWS takes them for the operations whose model has ``requestcompression`` (CloudWatch PutMetricData) and for CloudWatch Logs.
Where the model binds the header itself (S3 keeps it as metadata of the object), the body is never touched.
"""

from __future__ import annotations

import zlib

from functory.aws.codec.malformed import Malformed
from functory.kernel.limits import MIB

INFLATED_BYTES_MAX = 32 * MIB
_MEMBERS_MAX = 64  # clients write one; each further one copies what is left of the body
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def is_gzip(content_encoding: str) -> bool:
    """Whether gzip is the (only) coding of the body."""
    return content_encoding.strip().lower() in ("gzip", "x-gzip")


def inflate(body: bytes, bytes_max: int = INFLATED_BYTES_MAX) -> bytes:
    """The content of one or more gzip members.

    Raises:
        Malformed: not gzip, cut short, or more than ``bytes_max`` when inflated; memory stays within that bound.
    """
    pieces: list[bytes] = []
    left = bytes_max
    rest = body
    while rest:
        if len(pieces) == _MEMBERS_MAX:
            raise Malformed("The request body has too many gzip members", "syntax")
        stream = zlib.decompressobj(_GZIP_WINDOW)
        try:
            piece = stream.decompress(rest, left + 1)
        except zlib.error:
            raise Malformed("Unable to decompress the request body", "syntax") from None
        left -= len(piece)
        if left < 0:
            raise Malformed("The decompressed request body is too large", "syntax")
        if not stream.eof:
            raise Malformed("The compressed request body is cut short", "syntax")
        pieces.append(piece)
        rest = stream.unused_data
    return b"".join(pieces)
