"""Where a restored function gets its credentials: the Runtime API's ``/2021-04-23/credentials``.

AWS: the environment variables of a snapshot are those of the snapshot, so credentials cannot be among them. SDKs ask here,
with the token of ``AWS_CONTAINER_AUTHORIZATION_TOKEN``; the token is the same in every environment of one snapshot, which is
no matter, because each reaches only its own Runtime API.
"""

from __future__ import annotations

import hmac

import msgspec

from functory.core.environments.variables import Credentials
from functory.kernel.clock import Clock, iso_ms
from functory.kernel.limits import TIMEOUT_S_MAX

_LIFETIME_S = 3600.0
"""After which an SDK asks again for credentials that do not end."""


class CredentialDoor:
    """See the module.

    Args:
        token: what the function must show.
        credentials: what it gets.
        clock: dates them.
    """

    def __init__(self, token: str, credentials: Credentials, clock: Clock) -> None:
        self._token = token
        self._credentials = credentials
        self._clock = clock

    def open(self, token: str) -> bytes | None:
        """The credentials as SDKs want them, or None for another token."""
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return None
        until = min(self._clock.epoch_s() + _LIFETIME_S, self._credentials.good_until + TIMEOUT_S_MAX)
        return msgspec.json.encode(
            {
                "AccessKeyId": self._credentials.access_key_id,
                "SecretAccessKey": self._credentials.secret_access_key,
                "Token": self._credentials.session_token,
                "Expiration": iso_ms(until),
            }
        )
