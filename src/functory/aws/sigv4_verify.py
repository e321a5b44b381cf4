"""Whether a request was signed with a secret: Signature Version 4 in the header and in the query. Sans I/O.

Owns the canonical request, the string to sign, the signing key, the window of time. Whose secret it is, is the
authenticator's question; the *claim* was read by `sigv4`.

**Theory.** The signature is computed anew over what *arrived*. Paths are normalised and encoded once more, except for S3,
whose paths are signed as they are. A signer may encode the query (and S3's path) in more than one way; the spelling
that arrived and the canonical one stand for the same, so either will do.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import posixpath
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote, unquote, unquote_to_bytes

from functory.aws.auth_failure import AuthenticationFailed, Failure
from functory.aws.http import HttpRequest
from functory.aws.sigv4 import V4, CredentialScope, authorization_fields

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
SKEW_S = 300
"""How far the caller's clock may be off. AWS: 5 minutes."""
S3_SKEW_S = 900
"""AWS: 15 minutes for S3."""
EXPIRES_MAX_S = 604_800
"""AWS: a presigned URL lives at most seven days."""

_SAFE = "-._~"
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Proof:
    """The parts of a signature beside the claim.

    Attributes:
        scope: the claim.
        signed_headers: names in lower case, as signed.
        signature: 64 hexadecimal digits.
        stamp: the time of signing, ``YYYYMMDDTHHMMSSZ``.
        signed_at: the same as epoch seconds.
        expires_s: how long a presigned request is good; None in the header form.
        token: the session token, ``""`` for none.
        payload: ``x-amz-content-sha256``, ``""`` where not given.
    """

    scope: CredentialScope
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str
    signed_at: float
    expires_s: int | None
    token: str
    payload: str

    @property
    def scope_text(self) -> str:
        """``date/region/service/aws4_request``."""
        scope = self.scope
        return f"{scope.date}/{scope.region or ''}/{scope.service or ''}/aws4_request"


def read_proof(request: HttpRequest, scope: CredentialScope) -> Proof:
    """The signature of a request that makes this claim.

    Raises:
        AuthenticationFailed: a part is missing or unreadable, or the scheme is not verified here.
    """
    if scope.algorithm != V4:
        raise AuthenticationFailed(
            Failure.UNSUPPORTED, f"Signatures of the scheme {scope.algorithm} are not verified here. Please use {V4}."
        )
    return _from_query(request, scope) if scope.presigned else _from_header(request, scope)


def _from_header(request: HttpRequest, scope: CredentialScope) -> Proof:
    header = request.headers.get("authorization", "")
    fields = authorization_fields(header)
    stamp = request.headers.get("x-amz-date", "") or _stamp_of(request.headers.get("date", ""))
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Signature", "SignedHeaders")
        if not fields.get(name)
    ]
    if not stamp:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if missing:
        digest = hashlib.sha256(header.encode("utf-8", "surrogateescape")).hexdigest()
        missing.append(f"(Hashed with SHA-256 and encoded with hex) Authorization={digest}")
        raise AuthenticationFailed(Failure.INCOMPLETE, " ".join(missing))
    return _checked(
        Proof(
            scope=scope,
            signed_headers=tuple(fields["SignedHeaders"].lower().split(";")),
            signature=fields["Signature"],
            stamp=stamp,
            signed_at=_epoch_s(stamp),
            expires_s=None,
            token=request.headers.get("x-amz-security-token", ""),
            payload=request.headers.get("x-amz-content-sha256", ""),
        )
    )


def _from_query(request: HttpRequest, scope: CredentialScope) -> Proof:
    fields: dict[str, str] = {}
    for key, value in _pairs(request.query):
        fields.setdefault(unquote(key), unquote(value))
    needed = ("X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Expires")
    missing = [f"AWS query-string parameters must include '{name}'." for name in needed if not fields.get(name)]
    if missing:
        raise AuthenticationFailed(Failure.INCOMPLETE, f"{' '.join(missing)} Re-examine the query-string parameters.")
    expires = fields["X-Amz-Expires"]
    if not (expires.isascii() and expires.isdigit() and int(expires) <= EXPIRES_MAX_S):
        text = f"X-Amz-Expires must be a non-negative number that is at most a week (in seconds): {EXPIRES_MAX_S}"
        raise AuthenticationFailed(Failure.INCOMPLETE, text)
    return _checked(
        Proof(
            scope=scope,
            signed_headers=tuple(fields["X-Amz-SignedHeaders"].lower().split(";")),
            signature=fields["X-Amz-Signature"],
            stamp=fields["X-Amz-Date"],
            signed_at=_epoch_s(fields["X-Amz-Date"]),
            expires_s=int(expires),
            token=fields.get("X-Amz-Security-Token", "") or request.headers.get("x-amz-security-token", ""),
            payload=fields.get("X-Amz-Content-Sha256", "") or request.headers.get("x-amz-content-sha256", ""),
        )
    )


def _checked(proof: Proof) -> Proof:
    if "host" not in proof.signed_headers:
        text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
        raise AuthenticationFailed(Failure.BAD_SCOPE, text)
    if proof.stamp[:8] != proof.scope.date:
        text = (
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{proof.scope.date}' != '{proof.stamp[:8]}', from '{proof.stamp}'."
        )
        raise AuthenticationFailed(Failure.BAD_SCOPE, text)
    return proof


def _stamp_of(date: str) -> str:
    """The time of an HTTP ``Date`` header in SigV4's form; ``""`` for none."""
    if not date:
        return ""
    try:
        return parsedate_to_datetime(date).astimezone(UTC).strftime(_STAMP)
    except (ValueError, TypeError):
        return date


def _epoch_s(stamp: str) -> float:
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        text = f"Date must be in ISO-8601 'basic format'. Got '{stamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
        raise AuthenticationFailed(Failure.INCOMPLETE, text) from None


def check_time(proof: Proof, now: float, skew_s: int) -> None:
    """Refuse what was signed too long ago, or will only be.

    Raises:
        AuthenticationFailed: it was.
    """
    good_until = proof.signed_at + (skew_s if proof.expires_s is None else proof.expires_s)
    minutes = skew_s // 60
    if now > good_until:
        if proof.expires_s is None:
            what = f"{proof.stamp} is now earlier than {_shown(now - skew_s)} ({_shown(now)} - {minutes} min.)"
        else:
            what = f"{_shown(good_until)} is now earlier than {_shown(now)}"
        raise AuthenticationFailed(Failure.EXPIRED, f"Signature expired: {what}")
    if proof.signed_at > now + skew_s:
        text = f"Signature not yet current: {proof.stamp} is still later than {_shown(now + skew_s)}"
        raise AuthenticationFailed(Failure.EXPIRED, f"{text} ({_shown(now)} + {minutes} min.)")


def _shown(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime(_STAMP)


def payload_hash(proof: Proof, body_hash: str) -> str:
    """What stands for the body in the canonical request.

    Args:
        body_hash: hexadecimal SHA-256 of the body; not looked at when the payload is not signed.

    Raises:
        AuthenticationFailed: the body is not the announced one.
    """
    if not proof.payload:
        is_s3_link = proof.expires_s is not None and proof.scope.service == "s3"
        return UNSIGNED_PAYLOAD if is_s3_link else body_hash
    if not is_hash(proof.payload):
        return proof.payload
    if not hmac.compare_digest(proof.payload.lower(), body_hash):
        raise AuthenticationFailed(Failure.BAD_PAYLOAD)
    return proof.payload


def is_hash(payload: str) -> bool:
    """Whether ``x-amz-content-sha256`` is a hash and not one of SigV4's words."""
    return not payload.startswith(("UNSIGNED-", "STREAMING-"))


def verify(request: HttpRequest, proof: Proof, secret: str, payload: str) -> bytes:
    """Check the signature; returns the signing key, for the chunks of a body that is signed in parts.

    Args:
        secret: the secret access key.
        payload: of `payload_hash`.

    Raises:
        AuthenticationFailed: it is another one.
    """
    scope = proof.scope
    key = signing_key(secret, scope.date, scope.region or "", scope.service or "")
    paths = _canonical_paths(request.path, is_s3=scope.service == "s3")
    queries = _canonical_queries(request.query, without_signature=scope.presigned)
    for path, query in itertools.product(paths, queries):
        canonical = f"{request.method}\n{path}\n{query}\n{_canonical_headers(request, proof)}\n{payload}"
        digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
        text = f"{V4}\n{proof.stamp}\n{proof.scope_text}\n{digest}"
        if hmac.compare_digest(sign(key, text), proof.signature.encode("ascii", "replace").decode()):
            return key
    raise AuthenticationFailed(Failure.MISMATCH)


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """SigV4's key of a day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode("utf-8", "surrogateescape"), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    """Hexadecimal HMAC-SHA-256 of a string to sign."""
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), "sha256").hex()


def _canonical_paths(path: str, *, is_s3: bool) -> tuple[str, ...]:
    if not is_s3:
        return (quote(_normal_path(path), safe=f"/{_SAFE}"),)
    canonical = quote(unquote_to_bytes(path), safe=f"/{_SAFE}") or "/"
    return (path,) if path == canonical else (path, canonical)


def _normal_path(path: str) -> str:
    """Without dot segments and repeated slashes (RFC 3986); a slash at the end stays."""
    if "//" not in path and "/." not in path:
        return path or "/"
    normal = posixpath.normpath(path).replace("//", "/")
    return f"{normal}/" if path.endswith("/") and normal != "/" else normal


def _pairs(query: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(key, value) for key, _, value in parts]


def _canonical_queries(query: str, *, without_signature: bool) -> tuple[str, ...]:
    """The query in canonical form, and in the spelling that arrived where that is another one."""
    if not query:
        return ("",)
    pairs = [(key, value) for key, value in _pairs(query) if not (without_signature and key == "X-Amz-Signature")]
    canonical = sorted((_encoded(key), _encoded(value)) for key, value in pairs)
    first, second = _joined(canonical), _joined(sorted(pairs))
    return (first,) if first == second else (first, second)


def _encoded(text: str) -> str:
    """Encoded as AWS does; a ``+`` that arrived is a blank, as it is for who reads the parameters."""
    return quote(unquote_to_bytes(text.replace("+", "%20")), safe=_SAFE)


def _joined(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{key}={value}" for key, value in pairs)


def _canonical_headers(request: HttpRequest, proof: Proof) -> str:
    get = request.headers.get
    lines = [f"{name}:{' '.join(get(name, '').split())}\n" for name in proof.signed_headers]
    return f"{''.join(lines)}\n{';'.join(proof.signed_headers)}"
