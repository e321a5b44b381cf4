"""Bodies signed in chunks: AWS's own example, and what changes of them do."""

from __future__ import annotations

import hashlib

import pytest

from functory.aws.auth_failure import AuthenticationFailed, Failure
from functory.aws.sigv4_chunks import SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER, ChunkKeys, decode
from functory.aws.sigv4_verify import sign, signing_key

# AWS: sigv4-streaming.html, "Example calculations"
STAMP, SCOPE = "20130524T000000Z", "20130524/us-east-1/s3/aws4_request"
KEY = signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3")
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
KEYS = ChunkKeys(KEY, STAMP, SCOPE, SEED)
CHUNKS = [
    (b"a" * 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (b"a" * 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (b"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
]


def coded(chunks: list[tuple[bytes, str]]) -> bytes:
    return b"".join(f"{len(data):x};chunk-signature={signature}\r\n".encode() + data + b"\r\n" for data, signature in chunks)


def test_aws_s_example() -> None:
    assert decode(coded(CHUNKS), SIGNED, KEYS).body == b"a" * 66560


def test_a_changed_chunk_is_refused() -> None:
    changed = [(b"b" + CHUNKS[0][0][1:], CHUNKS[0][1]), *CHUNKS[1:]]
    with pytest.raises(AuthenticationFailed) as failed:
        decode(coded(changed), SIGNED, KEYS)
    assert failed.value.failure is Failure.MISMATCH


def test_a_chunk_that_is_left_out_is_noticed() -> None:
    with pytest.raises(AuthenticationFailed):
        decode(coded([CHUNKS[0], CHUNKS[2]]), SIGNED, KEYS)


def test_the_end_cannot_be_cut_off() -> None:
    with pytest.raises(AuthenticationFailed) as failed:
        decode(coded(CHUNKS[:2]), SIGNED, KEYS)
    assert failed.value.failure is Failure.BAD_PAYLOAD


def test_the_first_chunk_is_bound_to_the_request() -> None:
    with pytest.raises(AuthenticationFailed):
        decode(coded(CHUNKS), SIGNED, ChunkKeys(KEY, STAMP, SCOPE, "0" * 64))


def with_trailer(value: str, signed_value: str) -> bytes:
    last = SEED
    out = b""
    for data in (b"hello", b""):
        empty, digest = hashlib.sha256(b"").hexdigest(), hashlib.sha256(data).hexdigest()
        last = sign(KEY, f"AWS4-HMAC-SHA256-PAYLOAD\n{STAMP}\n{SCOPE}\n{last}\n{empty}\n{digest}")
        out += f"{len(data):x};chunk-signature={last}\r\n".encode() + data + (b"\r\n" if data else b"")
    trailer = hashlib.sha256(f"x-amz-checksum-crc32c:{signed_value}\n".encode()).hexdigest()
    signature = sign(KEY, f"AWS4-HMAC-SHA256-TRAILER\n{STAMP}\n{SCOPE}\n{last}\n{trailer}")
    return out + f"x-amz-checksum-crc32c:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()


def test_signed_trailers() -> None:
    decoded = decode(with_trailer("sOO8/Q==", "sOO8/Q=="), SIGNED_TRAILER, KEYS)
    assert decoded.body == b"hello"
    assert decoded.trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


def test_a_changed_trailer_is_refused() -> None:
    with pytest.raises(AuthenticationFailed):
        decode(with_trailer("AAAAAA==", "sOO8/Q=="), SIGNED_TRAILER, KEYS)


def test_unsigned_chunks_with_trailers() -> None:
    raw = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    decoded = decode(raw, UNSIGNED_TRAILER, None)
    assert (decoded.body, decoded.trailers) == (b"hello", {"x-amz-checksum-crc32": "NhCmhg=="})


@pytest.mark.parametrize("raw", [b"", b"5", b"zz\r\n", b"-1\r\n", b"5\r\nhel", b"5\r\nhelloXX0\r\n\r\n"])
def test_what_is_no_chunk_is_refused(raw: bytes) -> None:
    with pytest.raises(AuthenticationFailed):
        decode(raw, UNSIGNED_TRAILER, None)
