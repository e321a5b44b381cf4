"""The STS service with identities of the test, called as an edge calls it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from functory.aws.errors import AwsError
from functory.core.authorization.authorizer import Authorizer
from functory.core.calls import CallContext
from functory.core.identity.port import Caller
from functory.core.identity.sessions import Session, Sessions
from functory.kernel.ids import SeededIds
from functory.services.sts.service import StsService
from tests.support.identities import ACCOUNT, FakeIdentities, FixedClock


class Sts:
    """A service and what it has to do with."""

    def __init__(self, *, guarded: bool = True, keys: Path | None = None) -> None:
        self.clock = FixedClock()
        self.identities = FakeIdentities()
        self.sessions = Sessions(b"s" * 32, self.clock, SeededIds())
        authorizer = Authorizer(self.identities, {}, {}) if guarded else None
        folder = str(keys) if keys is not None else ""
        self.service = StsService(self.identities, self.sessions, authorizer, self.clock, folder)

    def call(self, operation: str, caller: Caller | None = None, **params: Any) -> dict[str, Any]:
        account = caller.principal.account_id if caller is not None else ACCOUNT
        context = CallContext(account or ACCOUNT, "us-east-1", "r", caller=caller)
        return asyncio.run(self.service.operations[operation](context, params))  # type: ignore[arg-type]

    def refused(self, operation: str, caller: Caller | None = None, **params: Any) -> tuple[str, str]:
        with pytest.raises(AwsError) as refused:
            self.call(operation, caller, **params)
        return refused.value.code, refused.value.message

    def opened(self, answer: dict[str, Any]) -> Session:
        """The session of an answer's credentials."""
        credentials = answer["Credentials"]
        session = self.sessions.open(credentials["AccessKeyId"], credentials["SessionToken"])
        assert session is not None
        assert session.secret == credentials["SecretAccessKey"]
        return session


class Provider:
    """An OpenID Connect provider: signs tokens, and has published its key in a folder."""

    HOST = "tokens.example.com/team"

    def __init__(self, folder: Path, clock: FixedClock) -> None:
        self._clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        document = {"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]}
        (folder / f"{self.HOST.replace('/', '_')}.json").write_text(json.dumps(document))

    def token(self, *, kid: str = "k1", key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        now = self._clock.now
        whole = {"iss": f"https://{self.HOST}", "sub": "ci", "aud": "functory", "iat": now, "exp": now + 600} | claims
        whole = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(whole, key or self._key, algorithm=algorithm, headers={"kid": kid})
