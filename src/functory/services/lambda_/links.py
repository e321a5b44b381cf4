"""Links to a function's code that live for a while: made by GetFunction, checked by the edge that serves them. Pure.

A link carries its own proof: an HMAC over key and expiry with a secret of the node. Nothing is stored; a new secret ends
all links.

AWS: ``Code.Location`` is a presigned S3 address that lives for ten minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import urllib.parse

LIFETIME_S = 600
PATH = "/_functory/code/"
_KEY = re.compile(r"[0-9a-f]{64}")


class CodeLinks:
    """Makes and checks links.

    Args:
        secret: at least 16 random bytes, known to the nodes that serve the links.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("the secret of code links needs at least 16 bytes")
        self._secret = secret

    def make(self, endpoint: str, key: str, now: float) -> str:
        """A URL under which the package ``key`` can be fetched until ten minutes from ``now`` (epoch seconds)."""
        expires = int(now) + LIFETIME_S
        return f"{endpoint}{PATH}{key}?Expires={expires}&Signature={self._sign(key, str(expires))}"

    def verify(self, path: str, query: str, now: float) -> str | None:
        """The blob key a request may fetch, or None when the link is not ours or its time is over.

        Args:
            path: of the request, percent-encoded, without the query.
            query: raw query string.
            now: epoch seconds.
        """
        key = path.removeprefix(PATH)
        if key == path or not _KEY.fullmatch(key):
            return None
        try:
            fields = dict(urllib.parse.parse_qsl(query, strict_parsing=True, max_num_fields=8))
        except ValueError:
            return None
        expires = fields.get("Expires", "")
        expected = self._sign(key, expires)
        if not hmac.compare_digest(expected.encode(), fields.get("Signature", "").encode()):
            return None
        return key if expires.isdecimal() and now <= int(expires) else None

    def _sign(self, key: str, expires: str) -> str:
        return hmac.new(self._secret, f"{key}\n{expires}".encode(), hashlib.sha256).hexdigest()
