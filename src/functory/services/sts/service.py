"""The table of the STS API."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from functory.core.authorization.authorizer import Authorizer
from functory.core.calls import Operation
from functory.core.identity.port import Identities
from functory.core.identity.sessions import Sessions
from functory.kernel.clock import Clock
from functory.services.sts import caller_identity, own_sessions, role_sessions
from functory.services.sts.identity_tokens import IdentityTokens
from functory.services.sts.room import Room
from functory.services.sts.web_identity import WebIdentityApi


class StsService:
    """AWS STS as a `functory.core.calls.Service`. It keeps nothing.

    Args:
        authorizer: None on a node that authorises nothing.
        web_identity_keys: folder with keys of OpenID Connect providers; ``""``: they are fetched.
    """

    def __init__(
        self,
        identities: Identities,
        sessions: Sessions,
        authorizer: Authorizer | None,
        clock: Clock,
        web_identity_keys: str = "",
    ) -> None:
        self.name = "sts"
        room = Room(identities, sessions, authorizer, clock)
        folder = Path(web_identity_keys).expanduser() if web_identity_keys else None
        web_identity = WebIdentityApi(room, IdentityTokens(clock, folder))
        self.operations: Mapping[str, Operation] = {
            "AssumeRole": partial(role_sessions.assume_role, room),
            "AssumeRoleWithWebIdentity": web_identity.assume_role_with_web_identity,
            "DecodeAuthorizationMessage": partial(caller_identity.decode_authorization_message, room),
            "GetAccessKeyInfo": partial(caller_identity.get_access_key_info, room),
            "GetCallerIdentity": partial(caller_identity.get_caller_identity, room),
            "GetFederationToken": partial(own_sessions.get_federation_token, room),
            "GetSessionToken": partial(own_sessions.get_session_token, room),
        }
