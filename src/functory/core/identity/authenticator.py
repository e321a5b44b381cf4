"""Who sent a request: signatures checked against access keys and sessions.

Owns finding the secret that goes with a claim, and the order of the checks; the signature itself is `functory.aws`'s. What a
failure is called differs between services: `AuthenticationFailed` is turned into an answer where the service is known.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from functory.aws import sigv4, sigv4_chunks
from functory.aws.access_keys import TEMPORARY
from functory.aws.auth_failure import AuthenticationFailed, Failure
from functory.aws.http import HttpRequest
from functory.aws.sigv4_verify import S3_SKEW_S, SKEW_S, Proof, check_time, is_hash, payload_hash, read_proof, verify
from functory.core.identity.port import Caller, Identities, Uses
from functory.core.identity.sessions import Sessions
from functory.kernel.clock import Clock

_INLINE_HASH_BYTES = 1 << 20
"""Longer bodies are hashed off the event loop."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A request whose signer is known.

    Attributes:
        caller: who.
        body: the body without the coding of chunks; None where it came without.
    """

    caller: Caller
    body: bytes | None = None


class Authenticator:
    """See the module.

    Args:
        uses: told of every request whose signature was right.
    """

    def __init__(self, identities: Identities, sessions: Sessions, clock: Clock, uses: Uses) -> None:
        self._uses = uses
        self._identities = identities
        self._sessions = sessions
        self._clock = clock

    async def authenticate(self, request: HttpRequest, signing_name: str = "") -> Authenticated:
        """The signer of a request.

        Args:
            signing_name: the service the signature must be for; ``""`` when routing has gone by the signature itself.

        Raises:
            AuthenticationFailed: it is not signed, or not by whom it claims.
            AwsError: the claim cannot be read (`sigv4.parse_scope`).
        """
        scope = sigv4.parse_scope(request)
        if scope is None:
            raise AuthenticationFailed(Failure.MISSING)
        proof = read_proof(request, scope)
        if signing_name and scope.service != signing_name:
            text = f"Credential should be scoped to correct service: '{signing_name}'."
            raise AuthenticationFailed(Failure.BAD_SCOPE, text)
        caller, secret = await self._credentials(proof)
        check_time(proof, self._clock.epoch_s(), S3_SKEW_S if scope.service == "s3" else SKEW_S)
        payload = payload_hash(proof, await _body_hash(request.body, proof))
        key = verify(request, proof, secret, payload)
        self._uses.note(caller.principal, scope.access_key, scope.service or "", scope.region or "")
        if payload in sigv4_chunks.FORMS:
            keys = sigv4_chunks.ChunkKeys(key, proof.stamp, proof.scope_text, proof.signature)
            return Authenticated(caller, sigv4_chunks.decode(request.body, payload, keys).body)
        return Authenticated(caller)

    async def _credentials(self, proof: Proof) -> tuple[Caller, str]:
        """Whom the access key stands for, and its secret."""
        access_key_id = proof.scope.access_key
        if access_key_id.startswith(TEMPORARY):
            if not proof.token:
                raise AuthenticationFailed(Failure.UNKNOWN_KEY)
            session = self._sessions.open(access_key_id, proof.token)
            if session is None:
                raise AuthenticationFailed(Failure.BAD_SESSION)
            if self._sessions.is_over(session.caller):
                raise AuthenticationFailed(Failure.SESSION_OVER)
            return session.caller, session.secret
        key = await self._identities.find_key(access_key_id)
        if key is None or not key.is_active:
            raise AuthenticationFailed(Failure.UNKNOWN_KEY)
        if proof.token:
            raise AuthenticationFailed(Failure.BAD_SESSION)
        return Caller(key.principal, access_key_id), key.secret


async def _body_hash(body: bytes, proof: Proof) -> str:
    if proof.payload and not is_hash(proof.payload):
        return ""
    if len(body) > _INLINE_HASH_BYTES:
        return await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest())
    return hashlib.sha256(body).hexdigest()
