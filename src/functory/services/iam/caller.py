"""Whom an operation means when it names no user: the caller.

Where nobody is authenticated the caller acts as the account's root.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.core.calls import CallContext
from functory.core.identity.port import PrincipalKind
from functory.services.iam.errors import validation


def user_meant(context: CallContext, params: Mapping[str, Any]) -> str | None:
    """The name of the user that ``UserName`` or else the caller is; None: the account's root.

    Raises:
        AwsError: ValidationError: no user is named and the caller is a session of a role or something else than a user.
    """
    if "UserName" in params:
        return str(params["UserName"])
    principal = context.principal
    if principal is None or principal.kind is PrincipalKind.ROOT:
        return None
    if principal.kind is PrincipalKind.USER:
        return principal.name
    raise validation("Must specify userName when calling with non-User credentials")
