"""Temporary credentials: access keys ``ASIA…`` whose session token holds all that is known of the session.

**Theory.** A session is not stored anywhere. Its token is the session itself, sealed with a key of the data folder
(AES-256-GCM, the access key id authenticated with it); the secret access key follows from the access key id by a keyed hash.
So sessions survive a restart, cost no table and no clean-up, and a token of another data folder, or one that was changed,
opens to nothing. What cannot be done is to take back one session; what it may do is looked up at every call, so taking
permissions away from its role, or the role itself, ends it.

The library is loaded with the first session: a node that makes none never pays for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from functory.aws.access_keys import TEMPORARY, new_access_key_id
from functory.core.identity.port import Caller, Principal, PrincipalKind
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MARK = b"\x17\xfc\x01"
"""Begins every token, so that a foreign one is known without opening it."""
_NONCE_BYTES = 12
_KEPT = 10_000
"""Opened tokens that are remembered."""
_SECRET_CHARS = 40


@dataclass(frozen=True, slots=True)
class SessionCredentials:
    """What the owner of a session signs with."""

    access_key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class Session:
    """An opened token: who it stands for, and the secret that goes with it."""

    caller: Caller
    secret: str = field(repr=False)


class _Claims(msgspec.Struct, omit_defaults=True):
    """A session as its token holds it."""

    kind: str
    account_id: str
    arn: str
    user_id: str
    name: str
    expires_at: int
    issuer_arn: str = ""
    tags: dict[str, str] = {}
    source: dict[str, str] = {}
    policies: list[tuple[str, str]] | None = None
    policy_arns: list[str] = []
    keys: dict[str, str] = {}
    padding: bytes = b""


class Sessions:
    """See the module.

    Args:
        folder_secret: of the data folder; at least 32 random bytes.
    """

    def __init__(self, folder_secret: bytes, clock: Clock, ids: Ids) -> None:
        self._seal_key = hmac.digest(folder_secret, b"functory session tokens", "sha256")
        self._secret_key = hmac.digest(folder_secret, b"functory session secrets", "sha256")
        self._clock = clock
        self._ids = ids
        self._opened: dict[tuple[str, str], Session] = {}

    def issue(
        self,
        principal: Principal,
        *,
        expires_at: float,
        policies: tuple[tuple[str, str], ...] | None = None,
        policy_arns: tuple[str, ...] = (),
        keys: Mapping[str, str] | None = None,
        min_token_bytes: int = 0,
    ) -> SessionCredentials:
        """New credentials; the arguments are as in `Caller`, and ``expires_at`` is whole seconds.

        Args:
            min_token_bytes: the token is at least so long.
        """
        claims = _Claims(
            kind=principal.kind.value,
            account_id=principal.account_id,
            arn=principal.arn,
            user_id=principal.user_id,
            name=principal.name,
            issuer_arn=principal.issuer_arn,
            tags=dict(principal.tags),
            source=dict(principal.source),
            expires_at=int(expires_at),
            policies=None if policies is None else list(policies),
            policy_arns=list(policy_arns),
            keys=dict(keys or {}),
        )
        access_key_id = new_access_key_id(TEMPORARY, principal.account_id, self._ids.hex(10))
        token = self._seal(claims, access_key_id)
        if len(token) < min_token_bytes:
            claims.padding = bytes(min_token_bytes - len(token))
            token = self._seal(claims, access_key_id)
        return SessionCredentials(access_key_id, self._secret_of(access_key_id), token, float(claims.expires_at))

    def open(self, access_key_id: str, token: str) -> Session | None:
        """The session of a token, over or not; None when this data folder has issued no such pair."""
        kept = self._opened.get((access_key_id, token))
        if kept is not None:
            return kept
        raw = _decoded(token)
        if raw is None:
            return None
        claims = self._unseal(raw, access_key_id)
        if claims is None:
            return None
        session = Session(_caller(claims, access_key_id), self._secret_of(access_key_id))
        while len(self._opened) >= _KEPT:
            del self._opened[next(iter(self._opened))]
        self._opened[access_key_id, token] = session
        return session

    def is_over(self, caller: Caller) -> bool:
        """Whether its credentials have expired."""
        return caller.expires_at is not None and self._clock.epoch_s() >= caller.expires_at

    def _seal(self, claims: _Claims, access_key_id: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher().encrypt(nonce, msgspec.msgpack.encode(claims), access_key_id.encode())
        return base64.b64encode(_MARK + nonce + sealed).decode()

    def _unseal(self, raw: bytes, access_key_id: str) -> _Claims | None:
        from cryptography.exceptions import InvalidTag

        try:
            plain = self._cipher().decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], access_key_id.encode())
        except InvalidTag:
            return None
        return msgspec.msgpack.decode(plain, type=_Claims)

    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._seal_key)

    def _secret_of(self, access_key_id: str) -> str:
        digest = hmac.digest(self._secret_key, access_key_id.encode(), hashlib.sha256)
        return base64.b64encode(digest).decode()[:_SECRET_CHARS]


def _decoded(token: str) -> bytes | None:
    """What follows the mark; None for what is no token of ours."""
    try:
        raw = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw[len(_MARK) :] if raw.startswith(_MARK) and len(raw) > len(_MARK) + _NONCE_BYTES else None


def _caller(claims: _Claims, access_key_id: str) -> Caller:
    principal = Principal(
        kind=PrincipalKind(claims.kind),
        account_id=claims.account_id,
        arn=claims.arn,
        user_id=claims.user_id,
        name=claims.name,
        issuer_arn=claims.issuer_arn,
        tags=claims.tags,
        source=claims.source,
    )
    return Caller(
        principal=principal,
        access_key_id=access_key_id,
        session_policies=None if claims.policies is None else tuple(claims.policies),
        session_policy_arns=tuple(claims.policy_arns),
        keys=claims.keys,
        expires_at=float(claims.expires_at),
    )
