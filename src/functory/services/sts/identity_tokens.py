"""Tokens of OpenID Connect providers: read, and checked against the provider's keys.

Keys are fetched from the provider (its discovery document names their address) and kept for `KEYS_S`; a token signed with a
key that is not among them has them fetched anew, once a minute at most. Where a node cannot reach a provider its keys may
lie in a folder, as ``<host>.json`` (JWKS): then nothing is fetched.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from functory.aws.errors import AwsError
from functory.kernel.clock import Clock, utc
from functory.services.sts import errors

if TYPE_CHECKING:
    import jwt

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
"""AWS: what it takes."""
KEYS_S = 600.0
AGAIN_S = 60.0
FETCH_TIMEOUT_S = 5.0
_DOCUMENT_BYTES_MAX = 1 << 20
_PROVIDERS_MAX = 1_000
_TAGS = "https://aws.amazon.com/tags"
_SOURCE_IDENTITY = "https://aws.amazon.com/source_identity"
_NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity "
    "documentation for requirements"
)

Fetch = Callable[[str], bytes]
"""Reads an address; raises OSError."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a token says.

    Attributes:
        issuer: ``iss``.
        subject: ``sub``.
        audiences: ``azp`` first where there is one, then ``aud``.
        expires_at: ``exp``, epoch seconds.
        claims: every claim that is a text, number or truth value, or a list of them, as texts.
        tags: session tags; ``transitive`` names those that go on.
        source_identity: ``""`` for none.
    """

    issuer: str
    subject: str
    audiences: tuple[str, ...]
    expires_at: float
    claims: Mapping[str, tuple[str, ...]]
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    source_identity: str = ""

    @property
    def provider(self) -> str:
        """The issuer as IAM writes it: without scheme and final slash."""
        return self.issuer.removeprefix("https://").removeprefix("http://").rstrip("/")

    @property
    def audience(self) -> str:
        """Whom the token is for."""
        return self.audiences[0]

    def provider_arn(self, account_id: str) -> str:
        """The ARN of the provider in an account."""
        return f"arn:aws:iam::{account_id}:oidc-provider/{self.provider}"


def read_unverified(token: str) -> Identity:
    """What a token says of itself.

    Raises:
        AwsError: InvalidIdentityToken: it is none, or lacks what AWS needs.
    """
    import jwt

    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise errors.bad_token(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        ) from error
    return _identity(claims)


def _identity(claims: Mapping[str, Any]) -> Identity:
    for name in ("iss", "sub", "aud", "exp", "iat"):
        if not claims.get(name):
            raise errors.bad_token(f"Missing a required claim: {name}")
    texts = {name: values for name, value in claims.items() if (values := _texts(value))}
    if not isinstance(claims["exp"], int | float) or not isinstance(claims["iss"], str):
        raise errors.bad_token("The ID Token provided is not a valid JWT.")
    audiences = (*texts.get("azp", ()), *texts["aud"])
    given: Mapping[str, Any] = claims[_TAGS] if isinstance(claims.get(_TAGS), Mapping) else {}
    named = given.get("principal_tags")
    pairs = named.items() if isinstance(named, Mapping) else ()
    tags = {key: values[0] for key, value in pairs if (values := _texts(value))}
    source = claims.get(_SOURCE_IDENTITY, "")
    return Identity(
        issuer=claims["iss"],
        subject=str(claims["sub"]),
        audiences=audiences,
        expires_at=float(claims["exp"]),
        claims={**texts, "aud": audiences[:1]},
        tags=tags,
        transitive=tuple(key for key in _texts(given.get("transitive_tag_keys")) if key in tags),
        source_identity=source if isinstance(source, str) else "",
    )


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, str | int | float):
        return (str(value),)
    if isinstance(value, list):
        return tuple(text for each in value for text in _texts(each))
    return ()


@dataclass(slots=True)
class _Keys:
    """A provider's keys and when they were fetched."""

    keys: jwt.PyJWKSet
    fetched_at: float


def fetch(url: str) -> bytes:
    """Read an address with http or https.

    Raises:
        OSError: it cannot be read, or what is there is too long.
    """
    if urlsplit(url).scheme not in ("https", "http"):
        raise OSError(f"{url} is no http or https URL")
    with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_S) as answer:  # noqa: S310  the scheme is checked
        found: bytes = answer.read(_DOCUMENT_BYTES_MAX + 1)
    if len(found) > _DOCUMENT_BYTES_MAX:
        raise OSError(f"{url} is too long")
    return found


class IdentityTokens:
    """See the module.

    Args:
        folder: with keys of providers; None: they are fetched.
    """

    def __init__(self, clock: Clock, folder: Path | None, fetch_from: Fetch = fetch) -> None:
        self._clock = clock
        self._folder = folder
        self._fetch = fetch_from
        self._known: dict[str, _Keys] = {}

    async def verify(self, token: str, claimed: Identity, clients: Sequence[str]) -> Identity:
        """What a token says, when its provider has signed it for one of ``clients`` and it is in time.

        Raises:
            AwsError: InvalidIdentityToken, ExpiredToken, IDPCommunicationError.
        """
        import jwt

        key = await self._key(token, claimed)
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=list(ALGORITHMS),
                options={"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.PyJWTError as error:
            raise errors.bad_token(_NO_KEY) from error
        identity = _identity(claims)
        now = self._clock.epoch_s()
        if now >= identity.expires_at:
            when, end = _shown(now), _shown(identity.expires_at)
            text = f"Token expired: current date/time {when} must be before the expiration date/time {end}"
            raise AwsError("ExpiredTokenException", text)
        if not set(identity.audiences) & set(clients):
            raise errors.bad_token("Incorrect token audience")
        return identity

    async def _key(self, token: str, claimed: Identity) -> jwt.PyJWK:
        """The key a token names.

        Raises:
            AwsError: there is none, or the provider does not answer.
        """
        import jwt

        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError as error:
            raise errors.bad_token(_NO_KEY) from error
        known = self._known.get(claimed.provider)
        now = self._clock.epoch_s()
        if known is None or now - known.fetched_at >= KEYS_S:
            known = await self._load(claimed)
        found = _pick(known.keys, kid)
        if found is None and now - known.fetched_at >= AGAIN_S:
            found = _pick((await self._load(claimed)).keys, kid)
        if found is None:
            raise errors.bad_token(_NO_KEY)
        return found

    async def _load(self, claimed: Identity) -> _Keys:
        import jwt

        try:
            document = await asyncio.to_thread(self._read, claimed)
            keys = jwt.PyJWKSet.from_json(document)
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            text = f"Couldn't retrieve verification keys of {claimed.issuer}: {error}"
            raise AwsError("IDPCommunicationErrorException", text) from error
        while len(self._known) >= _PROVIDERS_MAX:
            del self._known[next(iter(self._known))]
        known = self._known[claimed.provider] = _Keys(keys, self._clock.epoch_s())
        return known

    def _read(self, claimed: Identity) -> str:
        """The keys as JSON; off the event loop."""
        if self._folder is not None:
            return (self._folder / f"{claimed.provider.replace('/', '_')}.json").read_text(encoding="utf-8")
        discovery = json.loads(self._fetch(f"https://{claimed.provider}/.well-known/openid-configuration"))
        return self._fetch(str(discovery["jwks_uri"])).decode()


def _pick(keys: jwt.PyJWKSet, kid: str | None) -> jwt.PyJWK | None:
    """The key of an id; the only one where the token names none."""
    if kid is None:
        return keys.keys[0] if len(keys.keys) == 1 else None
    return next((key for key in keys.keys if key.key_id == kid), None)


def _shown(epoch_s: float) -> str:
    return utc(epoch_s).strftime("%Y-%m-%dT%H:%M:%SZ")
