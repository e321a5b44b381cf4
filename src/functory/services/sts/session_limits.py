"""Session policies and session tags as they are given to the operations that make sessions. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from functory.core.identity.policy_grammar import GrammarError, PolicyKind, parse_policy
from functory.services.sts import errors

POLICY_CHARS_MAX = 2048
POLICY_ARNS_MAX = 10
_PACKED_BYTES = 2048
_RESERVED = "aws:"


@dataclass(frozen=True, slots=True)
class Limits:
    """What narrows a session, and its tags.

    Attributes:
        policies: the inline session policy; None when neither it nor ARNs were given.
        policy_arns: managed session policies.
        tags: session tags.
        transitive: keys of the tags that go on to sessions made from this one.
        packed_percent: how much of the space for all of it is used; None when nothing of it was given.
    """

    policies: tuple[tuple[str, str], ...] | None
    policy_arns: tuple[str, ...]
    tags: Mapping[str, str]
    transitive: tuple[str, ...]
    packed_percent: int | None


def limits_of(params: Mapping[str, Any]) -> Limits:
    """The limits a call gives.

    Raises:
        AwsError: a policy or tag cannot be, or all of it is too large.
    """
    document = params.get("Policy")
    arns = tuple(each["arn"] for each in params.get("PolicyArns") or () if each.get("arn"))
    tags = _tags(params.get("Tags") or ())
    transitive = tuple(params.get("TransitiveTagKeys") or ())
    if document is not None:
        _check_document(document)
    if len(arns) > POLICY_ARNS_MAX:
        raise errors.invalid(f"The maximum number of policy ARNs that you can provide is {POLICY_ARNS_MAX}.")
    if any(key not in tags for key in transitive):
        raise errors.invalid("The specified transitive tag key must be included in the requested tags.")
    is_limited = document is not None or bool(arns)
    percent = None
    if is_limited or tags:
        packed = zlib.compress(msgspec.msgpack.encode([document, arns, tags]))
        percent = -(-len(packed) * 100 // _PACKED_BYTES)
        if percent > 100:
            raise errors.too_large(percent)
    policies = ((("session policy", document),) if document is not None else ()) if is_limited else None
    return Limits(policies, arns, tags, transitive, percent)


def _check_document(document: str) -> None:
    if len(document) > POLICY_CHARS_MAX:
        raise errors.too_large(-(-len(document) * 100 // POLICY_CHARS_MAX))
    try:
        parse_policy(document, PolicyKind.IDENTITY)
    except GrammarError as error:
        raise errors.bad_policy(str(error)) from error


def _tags(given: Any) -> dict[str, str]:
    tags: dict[str, str] = {}
    seen: set[str] = set()
    for tag in given:
        key = tag["Key"]
        if key.lower() in seen:
            raise errors.invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        if key.lower().startswith(_RESERVED):
            raise errors.invalid("Tag keys starting with 'aws:' are reserved for system use.")
        seen.add(key.lower())
        tags[key] = tag["Value"]
    return tags
