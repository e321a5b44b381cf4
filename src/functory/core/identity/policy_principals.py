"""The ``Principal`` of a policy statement: its form, and AWS's sentence for what is none. Pure.

Whether a user or role exists is not known here; `named_identities` lists those a document names, for who can look.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_ACCOUNT = r"\d{12}"
_PARTITION = r"aws(?:-[a-z]+)*"
_AWS = re.compile(
    rf"\*|{_ACCOUNT}"
    rf"|arn:{_PARTITION}:iam::{_ACCOUNT}:(?:root|(?:user|role)/[\w+=,.@/-]+)"
    rf"|arn:{_PARTITION}:sts::{_ACCOUNT}:(?:assumed-role/[\w+=,.@-]+/[\w+=,.@-]+|federated-user/[\w+=,.@-]+)"
    r"|(?:AIDA|AROA|AGPA|ANPA)[A-Z0-9]{12,28}"
    r"|arn:aws:iam::cloudfront:user/[\w .-]+",
    re.ASCII,
)
_SERVICE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:amazonaws\.com(?:\.cn)?|amazon\.com|aws\.internal|aws)")
_FEDERATED = re.compile(
    rf"\*|arn:{_PARTITION}:iam::{_ACCOUNT}:(?:saml-provider|oidc-provider)/\S+|[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII
)
_CANONICAL = re.compile(r"\*|[0-9a-f]{64}")
_KINDS: Mapping[str, re.Pattern[str]] = {
    "AWS": _AWS,
    "Service": _SERVICE,
    "Federated": _FEDERATED,
    "CanonicalUser": _CANONICAL,
}
_ID = re.compile(r"(?:AIDA|AROA)[A-Z0-9]{12,28}", re.ASCII)
_IDENTITY = re.compile(rf"arn:{_PARTITION}:iam::{_ACCOUNT}:(?:user|role)/[\w+=,.@/-]+", re.ASCII)


def check_principal(principal: Any) -> str:
    """AWS's sentence for a principal that is none; ``""`` when it is well-formed."""
    if principal == "*":
        return ""
    if not isinstance(principal, dict) or not principal:
        shown = f':"{principal}"' if isinstance(principal, str) else ""
        return f'Invalid principal in policy: "AWS"{shown}' if shown else "Invalid principal in policy"
    for kind, values in principal.items():
        if kind not in _KINDS:
            return f"Unknown principal type: {kind}" if isinstance(kind, str) else "Invalid principal in policy"
        listed = values if isinstance(values, list) else [values]
        if not listed:
            return "Invalid principal in policy"
        for value in listed:
            if not isinstance(value, str) or not _KINDS[kind].fullmatch(value):
                return invalid_principal(kind, value)
    return ""


def invalid_principal(kind: str, value: Any) -> str:
    """AWS's sentence for one principal: the type is ``AWS`` or in upper case."""
    if kind == "Federated":
        return "Federated principals must be valid domain names or SAML metadata ARNs"
    return f'Invalid principal in policy: "{kind.upper()}":"{value}"'


def named_identities(statement: Mapping[str, Any]) -> Iterator[str]:
    """The ARNs and ids of users and roles that a well-formed statement names as principals."""
    for field in ("Principal", "NotPrincipal"):
        principal = statement.get(field)
        if isinstance(principal, dict):
            values = principal.get("AWS", [])
            for value in values if isinstance(values, list) else [values]:
                if _IDENTITY.fullmatch(value) or _ID.fullmatch(value):
                    yield value


def with_renamed(document: str, old: str, new: str) -> str:
    """A well-formed document in which a principal of AWS's goes by another name."""
    policy = json.loads(document)
    statements = policy["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for field in ("Principal", "NotPrincipal"):
            principal = statement.get(field)
            if isinstance(principal, dict) and "AWS" in principal:
                values = principal["AWS"]
                listed = [new if each == old else each for each in (values if isinstance(values, list) else [values])]
                principal["AWS"] = listed if isinstance(values, list) else listed[0]
    return json.dumps(policy)
