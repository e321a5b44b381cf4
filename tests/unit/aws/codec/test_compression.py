import gzip
import tracemalloc

import pytest

from functory.aws.codec import compression
from functory.aws.codec.malformed import Malformed


def test_members_are_joined() -> None:
    assert compression.inflate(gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"
    assert compression.inflate(b"") == b""


def test_the_bound_is_exact() -> None:
    body = gzip.compress(b"a" * 100)
    assert compression.inflate(body, 100) == b"a" * 100
    with pytest.raises(Malformed):
        compression.inflate(body, 99)


def test_a_bomb_takes_no_memory() -> None:
    body = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            compression.inflate(body, 100_000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", ["gzip", " GZIP ", "x-gzip"])
def test_gzip_is_recognised(coding: str) -> None:
    assert compression.is_gzip(coding)


@pytest.mark.parametrize("coding", ["", "identity", "aws-chunked", "gzip,gzip", "br"])
def test_other_codings_are_not_gzip(coding: str) -> None:
    assert not compression.is_gzip(coding)
