"""Ids, ARNs and secrets as IAM makes them. Pure but for the randomness handed in.

An id is four letters that tell its kind and 17 characters of base 32 (access keys: 16); it is never used again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import quote

from functory.aws.arn import Arn
from functory.kernel.ids import Ids

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PREFIXES: Mapping[str, str] = {
    "user": "AIDA",
    "group": "AGPA",
    "role": "AROA",
    "policy": "ANPA",
    "instance-profile": "AIPA",
}
_SECRET_BYTES = 30  # 40 characters of base 64, as AWS's secrets have


def new_id(ids: Ids, kind: str) -> str:
    """An id for an entity of that kind: 21 characters."""
    return _PREFIXES[kind] + _random(ids, 17)


def new_access_key_id(ids: Ids) -> str:
    """``AKIA`` and 16 characters."""
    return "AKIA" + _random(ids, 16)


def new_secret(ids: Ids) -> str:
    """A secret access key: 40 characters."""
    return base64.b64encode(bytes.fromhex(ids.hex(2 * _SECRET_BYTES))).decode("ascii")


def _random(ids: Ids, count: int) -> str:
    number = int(ids.hex(2 * count), 16)
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(count))


def arn_of(account_id: str, kind: str, path: str, name: str) -> str:
    """``arn:aws:iam::ACCOUNT:KIND/PATH/NAME``; a path begins and ends with a slash."""
    return f"arn:aws:iam::{account_id}:{kind}{path}{name}"


def provider_arn(account_id: str, url: str) -> str:
    """Of an OpenID Connect provider; ``url`` without its scheme."""
    return f"arn:aws:iam::{account_id}:oidc-provider/{url}"


def parse_arn(text: str) -> tuple[str, str, str, str] | None:
    """Account, kind, path and name of an entity's ARN; None when it is none."""
    arn = Arn.parse(text)
    if arn is None or arn.service != "iam" or arn.region:
        return None
    kind, slash, rest = arn.resource.partition("/")
    if not slash or kind not in _PREFIXES or not rest:
        return None
    path, _, name = f"/{rest}".rpartition("/")
    return (arn.account_id, kind, f"{path}/", name) if name else None


def url_encoded(document: str) -> str:
    """A policy document as Get operations answer it (RFC 3986)."""
    return quote(document, safe="-_.~")
