"""Bodies in ``aws-chunked`` coding, whose chunks may each be signed. Sans I/O.

Three forms, named by ``x-amz-content-sha256``: every chunk signed, every chunk and the trailers signed, nothing signed but
trailers present. Each signature covers the one before it, so that no chunk can be left out or moved.

AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and …/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from functory.aws.auth_failure import AuthenticationFailed, Failure
from functory.aws.sigv4_verify import sign

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
FORMS = (SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER)

_EMPTY = hashlib.sha256(b"").hexdigest()
_LINE_MAX = 16_384


@dataclass(frozen=True, slots=True)
class ChunkKeys:
    """What the chunks are signed with.

    Attributes:
        key: the request's signing key.
        stamp: the request's time of signing.
        scope_text: the request's scope.
        seed: the request's own signature.
    """

    key: bytes
    stamp: str
    scope_text: str
    seed: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body without its coding.

    Attributes:
        body: the content.
        trailers: names in lower case.
    """

    body: bytes
    trailers: dict[str, str]


def decode(raw: bytes, form: str, keys: ChunkKeys | None) -> Decoded:
    """Take the coding away and check every signature.

    Args:
        raw: the body as it came.
        form: one of `FORMS`.
        keys: None checks no signature (a node that authenticates nobody).

    Raises:
        AuthenticationFailed: a chunk is malformed, missing or not signed by the same signer.
    """
    chain = _Chain(keys) if keys is not None and form != UNSIGNED_TRAILER else None
    pieces: list[bytes] = []
    position = 0
    while True:
        line, position = _line(raw, position)
        size, signature = _chunk_head(line)
        data = raw[position : position + size]
        if len(data) != size:
            raise AuthenticationFailed(Failure.BAD_PAYLOAD)
        if chain is not None:
            chain.check_chunk(data, signature)
        position += size
        if size == 0:
            break
        pieces.append(data)
        if raw[position : position + 2] != b"\r\n":
            raise AuthenticationFailed(Failure.BAD_PAYLOAD)
        position += 2
    trailers = _trailers(raw, position)
    if form == SIGNED_TRAILER and chain is not None:
        chain.check_trailers(trailers)
    trailers.pop("x-amz-trailer-signature", None)
    return Decoded(b"".join(pieces), trailers)


class _Chain:
    """Signatures, each of which covers the one before."""

    def __init__(self, keys: ChunkKeys) -> None:
        self._keys = keys
        self._last = keys.seed

    def check_chunk(self, data: bytes, signature: str) -> None:
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{_EMPTY}\n{hashlib.sha256(data).hexdigest()}", signature)

    def check_trailers(self, trailers: dict[str, str]) -> None:
        signed = sorted((name, value) for name, value in trailers.items() if name != "x-amz-trailer-signature")
        text = "".join(f"{name}:{value}\n" for name, value in signed)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._check("AWS4-HMAC-SHA256-TRAILER", digest, trailers.get("x-amz-trailer-signature", ""))

    def _check(self, kind: str, what: str, signature: str) -> None:
        keys = self._keys
        wanted = sign(keys.key, f"{kind}\n{keys.stamp}\n{keys.scope_text}\n{self._last}\n{what}")
        if not hmac.compare_digest(wanted, signature.encode("ascii", "replace").decode()):
            raise AuthenticationFailed(Failure.MISMATCH)
        self._last = wanted


def _line(raw: bytes, position: int) -> tuple[str, int]:
    end = raw.find(b"\r\n", position, position + _LINE_MAX)
    if end < 0:
        raise AuthenticationFailed(Failure.BAD_PAYLOAD)
    return raw[position:end].decode("latin-1"), end + 2


def _chunk_head(line: str) -> tuple[int, str]:
    size, _, extension = line.partition(";")
    try:
        length = int(size.strip(), 16)
    except ValueError:
        raise AuthenticationFailed(Failure.BAD_PAYLOAD) from None
    if length < 0:
        raise AuthenticationFailed(Failure.BAD_PAYLOAD)
    name, _, value = extension.strip().partition("=")
    return length, value if name == "chunk-signature" else ""


def _trailers(raw: bytes, position: int) -> dict[str, str]:
    """The fields after the last chunk."""
    found: dict[str, str] = {}
    for line in raw[position:].decode("latin-1").replace("\r\n", "\n").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip().lower()] = value.strip()
    return found
