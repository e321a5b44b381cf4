"""What the operations share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functory.core.authorization.authorizer import Authorizer
from functory.core.identity.port import Identities
from functory.core.identity.sessions import SessionCredentials, Sessions
from functory.kernel.clock import Clock, utc
from functory.services.sts import errors
from functory.services.sts.session_limits import Limits

TOKEN_BYTES_MAX = 4096
"""AWS: the longest session token."""
DEFAULT_S = 3600
LONG_DEFAULT_S = 43_200
ROOT_MAX_S = 3600


@dataclass(frozen=True, slots=True)
class Room:
    """The service's surroundings.

    Attributes:
        identities: users and roles.
        sessions: seals and opens session tokens.
        authorizer: None on a node that authorises nothing: then every role can be assumed.
    """

    identities: Identities
    sessions: Sessions
    authorizer: Authorizer | None
    clock: Clock


def issued_at(room: Room) -> dict[str, str]:
    """The condition keys of a session made now; nobody here has a second factor."""
    now = utc(room.clock.epoch_s()).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"aws:TokenIssueTime": now, "aws:MultiFactorAuthPresent": "false"}


def shown(credentials: SessionCredentials, limits: Limits | None = None) -> dict[str, Any]:
    """Credentials as an operation answers them, with the sizes AWS tells.

    Raises:
        AwsError: PackedPolicyTooLarge: the token got too long.
    """
    size = len(credentials.token)
    utilization = -(-size * 100 // TOKEN_BYTES_MAX)
    if utilization > 100:
        raise errors.too_large(utilization)
    answer: dict[str, Any] = {
        "Credentials": {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret,
            "SessionToken": credentials.token,
            "Expiration": credentials.expires_at,
        },
        "SessionTokenUtilization": utilization,
        "SessionTokenSize": size,
    }
    if limits is not None and limits.packed_percent is not None:
        answer["PackedPolicySize"] = limits.packed_percent
    return answer


def min_token_bytes(params: Mapping[str, Any]) -> int:
    """``MinimumSessionTokenSize``, 0 for none."""
    return int(params.get("MinimumSessionTokenSize", 0))
