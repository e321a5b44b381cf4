"""The ``Principal`` and ``NotPrincipal`` elements, compiled. Pure.

**Theory.** A caller answers to several names: a role session to its own ARN, to its role's and to its account's. Which of
them a statement uses decides how far its Allow reaches (see `evaluation`): `Reach` says which. With ``NotPrincipal`` a
statement is about everybody whose names are not all listed; AWS: to
exempt a session its account and role must be listed too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from functory.core.authorization.conditions import as_texts
from functory.core.authorization.errors import PolicyError
from functory.core.identity.port import Principal, PrincipalKind

_ROOT = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):root")


class Reach(IntEnum):
    """By which of its names a caller was named."""

    NOBODY = 0
    ACCOUNT = 1
    """Its account: who in it may use the grant is for the account's own policies to say."""
    ISSUER = 2
    """The role a session is of, or the user a federated session is of."""
    SELF = 3
    """Itself: the user, the session, the service; or everybody."""


@dataclass(frozen=True, slots=True)
class PrincipalElement:
    """Whom a statement is about.

    Attributes:
        names: ``(kind, value)``: ``AWS``, ``Service``, ``Federated``; accounts as 12 digits.
        everybody: ``*`` is among them.
        negated: the element was ``NotPrincipal``.
    """

    names: frozenset[tuple[str, str]]
    everybody: bool
    negated: bool

    def reach(self, caller: Principal) -> Reach:
        """By which of its names the statement is about this caller."""
        own, issuer, account = _names_of(caller)
        if not self.negated:
            if self.everybody or own & self.names:
                return Reach.SELF
            if issuer & self.names:
                return Reach.ISSUER
            return Reach.ACCOUNT if account & self.names else Reach.NOBODY
        if self.everybody:
            return Reach.NOBODY
        is_listed = own & self.names and all(not group or group & self.names for group in (issuer, account))
        return Reach.NOBODY if is_listed else Reach.SELF


def _names_of(caller: Principal) -> tuple[set[tuple[str, str]], set[tuple[str, str]], set[tuple[str, str]]]:
    """The caller's own names, those of what its session was made from, and its account's."""
    if caller.kind is PrincipalKind.SERVICE:
        return {("Service", caller.arn)}, set(), set()
    if caller.kind is PrincipalKind.ANONYMOUS:
        federated = caller.source.get("aws:FederatedProvider")
        return ({("Federated", federated)} if federated else set()), set(), set()
    account = {("AWS", caller.account_id)}
    if caller.kind is PrincipalKind.ROOT:
        return account, set(), account
    own = {("AWS", caller.arn), ("AWS", caller.user_id)}
    issuer = set()
    if caller.issuer_arn:
        issuer = {("AWS", caller.issuer_arn), ("AWS", caller.user_id.partition(":")[0])}
    return own, issuer, account


def compile_principal(entry: Mapping[str, Any]) -> PrincipalElement | None:
    """The element of a statement, or None where it has none.

    Raises:
        PolicyError: it has both, or it is malformed.
    """
    if "Principal" in entry and "NotPrincipal" in entry:
        raise PolicyError("a statement has both Principal and NotPrincipal")
    negated = "NotPrincipal" in entry
    element = entry.get("NotPrincipal" if negated else "Principal")
    if element is None:
        return None
    if element == "*":
        return PrincipalElement(frozenset(), everybody=True, negated=negated)
    if not isinstance(element, Mapping):
        raise PolicyError("Principal is neither * nor an object")
    names: set[tuple[str, str]] = set()
    for kind, values in element.items():
        names.update((kind, _normal(value)) for value in as_texts(values))
    return PrincipalElement(frozenset(names), everybody=("AWS", "*") in names, negated=negated)


def _normal(value: str) -> str:
    """An account in any of its forms as 12 digits."""
    root = _ROOT.fullmatch(value)
    return root[1] if root else value
