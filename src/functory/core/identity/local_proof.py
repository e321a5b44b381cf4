"""Proof that a request comes from someone who can read the node's data folder. Pure.

What an administrator does on the machine itself (the first administrator of an account) cannot be signed with a key that
does not exist yet. Trust comes from the file system instead: only its owner can read the data folder's secret, so a request
with an HMAC made of it comes from that owner. The secret itself never travels, and a proof is good for one method, path and
body, for five minutes.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "x-functory-proof"
AGE_S_MAX = 300
_PURPOSE = b"functory local proof"


def make_proof(folder_secret: bytes, method: str, path: str, body: bytes, at_s: int) -> str:
    """The header's value for a request made at a time (epoch seconds)."""
    key = hmac.digest(folder_secret, _PURPOSE, "sha256")
    text = f"{at_s}\n{method}\n{path}\n{hashlib.sha256(body).hexdigest()}"
    return f"{at_s}:{hmac.digest(key, text.encode(), 'sha256').hex()}"


def is_proof(folder_secret: bytes, method: str, path: str, body: bytes, proof: str, now_s: float) -> bool:
    """Whether ``proof`` belongs to the request and is not too old."""
    at_text, _, _ = proof.partition(":")
    if not (at_text.isascii() and at_text.isdigit() and len(at_text) <= 12) or abs(now_s - int(at_text)) > AGE_S_MAX:
        return False
    return hmac.compare_digest(make_proof(folder_secret, method, path, body, int(at_text)).encode(), proof.encode())
