"""Whether a policy document is one: AWS's grammar for identity policies, trust policies and resource policies. Pure.

Owns the *form* of a document: JSON, elements, versions, statement ids, effects, actions, ARNs, principals, condition
operators. It does not evaluate (``core/authorization``), does not know whether a principal exists or how long a document may
be (the service that keeps it), and leaves the error's code to that service: a `GrammarError` carries AWS's sentence.

AWS runs two checkers with different wordings: one for what is attached to identities, one for what names a principal. The
sentences here follow that.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from functory.core.identity.policy_arns import check_resource
from functory.core.identity.policy_principals import check_principal
from functory.kernel.errors import FunctoryError

VERSIONS = ("2012-10-17", "2008-10-17")
NESTING_MAX = 32
"""No document nests deeper; what does is refused before it costs anything."""

_SYNTAX = "Syntax errors in policy."
_VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
_DOCUMENT_FIELDS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_FIELDS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_SID = re.compile(r"[0-9A-Za-z]*")
_ACTION_VENDOR = re.compile(r"[A-Za-z0-9-]+")
_ACTION_NAME = re.compile(r"[A-Za-z0-9*?_-]+")
_BLANKS = re.compile(r"[ \t\r\n]+")
_COMPARISONS = {
    "String": ("Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase", "Like", "NotLike"),
    "Numeric": ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"),
    "Date": ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"),
    "Arn": ("Equals", "NotEquals", "Like", "NotLike"),
    "": ("Bool", "BinaryEquals", "IpAddress", "NotIpAddress"),
}
CONDITION_OPERATORS = frozenset(
    f"{kind}{comparison}".lower() for kind, comparisons in _COMPARISONS.items() for comparison in comparisons
)
"""In lower case, without ``IfExists`` and the set prefixes; ``Null`` takes neither and stands alone."""

_STS_ACTIONS = (
    "assumerole",
    "assumerolewithsaml",
    "assumerolewithwebidentity",
    "tagsession",
    "setsourceidentity",
    "setcontext",
)


class PolicyKind(Enum):
    """What a document is attached to."""

    IDENTITY = "identity"
    """A user, group or role; also permissions boundaries and session policies. Names no principal."""

    TRUST = "trust"
    """A role, saying who may assume it. Names no resource."""

    RESOURCE = "resource"
    """A bucket, queue, function …. Names both."""


class GrammarError(FunctoryError):
    """The document is malformed; the text is AWS's sentence."""


def parse_policy(document: str, kind: PolicyKind) -> dict[str, Any]:
    """The document as JSON values, when it is well-formed.

    Raises:
        GrammarError: it is not.
    """
    policy = _object(document)
    for field in policy.keys() - _DOCUMENT_FIELDS:
        raise GrammarError(_SYNTAX if kind is PolicyKind.IDENTITY else f"Unknown field {field}")
    if policy.get("Version", VERSIONS[0]) not in VERSIONS:
        raise GrammarError("Policy document must be version 2012-10-17 or greater.")
    if not isinstance(policy.get("Id", ""), str):
        raise GrammarError(_SYNTAX)
    seen: set[str] = set()
    for statement in statements_of(policy):
        _check_statement(statement, kind)
        sid = statement.get("Sid", "")
        if sid and sid in seen:
            raise GrammarError("Statement IDs (SID) in a single policy must be unique.")
        seen.add(sid)
    return policy


def policy_size(document: str) -> int:
    """Characters that count against AWS's limits: white space does not."""
    return len(_BLANKS.sub("", document))


def statements_of(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The statements, of which there must be one.

    Raises:
        GrammarError: none, or not objects.
    """
    found = policy.get("Statement")
    listed = found if isinstance(found, list) else [found]
    statements = [each for each in listed if isinstance(each, dict)]
    if not statements or len(statements) < len(listed):
        raise GrammarError(_SYNTAX)
    return statements


def texts_of(value: Any) -> list[str]:
    """A text or a list of texts, as a list.

    Raises:
        GrammarError: anything else.
    """
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) for each in values):
        raise GrammarError(_SYNTAX)
    return values


def condition_keys(policy: Mapping[str, Any]) -> Iterator[str]:
    """The condition keys and policy variables a well-formed document refers to, in its order, with repetitions."""
    for statement in statements_of(policy):
        for field in ("Resource", "NotResource"):
            for text in texts_of(statement.get(field, [])):
                yield from _variables(text)
        for keys in statement.get("Condition", {}).values():
            for key, values in keys.items():
                yield key
                for value in values if isinstance(values, list) else [values]:
                    yield from _variables(value) if isinstance(value, str) else ()


def _variables(text: str) -> Iterator[str]:
    for found in re.findall(r"\$\{([^}]*)\}", text):
        name = found.partition(",")[0].strip()
        if name not in {"*", "?", "$"}:
            yield name


def _object(document: str) -> dict[str, Any]:
    """The JSON object without repeated keys.

    Raises:
        GrammarError: it is none.
    """
    try:
        value = json.loads(document, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise GrammarError(_SYNTAX) from None
    if not isinstance(value, dict) or _is_deeper(value, NESTING_MAX):
        raise GrammarError(_SYNTAX)
    return value


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is repeated")
    return found


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


def _check_statement(statement: Mapping[str, Any], kind: PolicyKind) -> None:
    is_identity = kind is PolicyKind.IDENTITY
    for field in statement.keys() - _STATEMENT_FIELDS:
        raise GrammarError(_SYNTAX if is_identity else f"Unknown field {field}")
    _check_sid(statement.get("Sid", ""), kind)
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        missing = "Missing required field Effect" if effect is None else f"Invalid effect: {effect}"
        raise GrammarError(_SYNTAX if is_identity else missing)
    if is_identity and not {"Principal", "NotPrincipal"}.isdisjoint(statement):
        raise GrammarError("Policy document should not specify a principal.")
    if not is_identity:
        _check_principals(statement)
    _check_actions(statement, kind)
    if kind is PolicyKind.TRUST:
        for field in ("Resource", "NotResource"):
            if field in statement:
                raise GrammarError(f"Has prohibited field {field}")
    else:
        _check_resources(statement, is_identity=is_identity)
    if "Condition" in statement:
        _check_condition(statement["Condition"])


def _check_sid(sid: Any, kind: PolicyKind) -> None:
    if not isinstance(sid, str):
        raise GrammarError(_SYNTAX)
    if kind is not PolicyKind.RESOURCE and not _SID.fullmatch(sid):
        raise GrammarError(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
        )


def _check_principals(statement: Mapping[str, Any]) -> None:
    present = [field for field in ("Principal", "NotPrincipal") if field in statement]
    if not present:
        raise GrammarError("Missing required field Principal")
    if len(present) > 1:
        raise GrammarError(_SYNTAX)
    if problem := check_principal(statement[present[0]]):
        raise GrammarError(problem)


def _check_actions(statement: Mapping[str, Any], kind: PolicyKind) -> None:
    present = [field for field in ("Action", "NotAction") if field in statement]
    if len(present) > 1:
        raise GrammarError(_SYNTAX)
    actions = texts_of(statement[present[0]]) if present else []
    if not actions:
        is_identity = kind is PolicyKind.IDENTITY
        raise GrammarError("Policy statement must contain actions." if is_identity else "Missing required field Action")
    if kind is PolicyKind.TRUST:
        if present == ["NotAction"]:
            raise GrammarError("Has prohibited field NotAction")
        if not all(_is_sts(action) for action in actions):
            raise GrammarError("AssumeRole policy may only specify STS AssumeRole actions.")
        return
    for action in actions:
        _check_action(action)


def _check_action(action: str) -> None:
    if action == "*":
        return
    vendor, colon, name = action.partition(":")
    if not colon or not vendor:
        raise GrammarError(_VENDOR)
    if ":" in name:
        raise GrammarError("Actions/Condition can contain only one colon.")
    if not _ACTION_VENDOR.fullmatch(vendor):
        raise GrammarError(f"Vendor {vendor} is not valid")
    if not _ACTION_NAME.fullmatch(name):
        raise GrammarError(_SYNTAX)


def _is_sts(action: str) -> bool:
    vendor, _, name = action.lower().partition(":")
    pattern = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in name)
    return vendor == "sts" and any(re.fullmatch(pattern, known) for known in _STS_ACTIONS)


def _check_resources(statement: Mapping[str, Any], *, is_identity: bool) -> None:
    present = [field for field in ("Resource", "NotResource") if field in statement]
    if len(present) > 1:
        raise GrammarError(_SYNTAX)
    resources = texts_of(statement[present[0]]) if present else []
    if not resources:
        raise GrammarError("Policy statement must contain resources." if is_identity else "Missing required field Resource")
    for resource in resources:
        if problem := check_resource(resource):
            raise GrammarError(problem)


def _check_condition(condition: Any) -> None:
    if not isinstance(condition, dict):
        raise GrammarError(_SYNTAX)
    for operator, keys in condition.items():
        if not is_operator(operator):
            raise GrammarError(f"Invalid Condition type : {operator}")
        if not isinstance(keys, dict):
            raise GrammarError(_SYNTAX)
        for key, values in keys.items():
            if ":" not in key.strip(":"):
                raise GrammarError(_VENDOR)
            listed = values if isinstance(values, list) else [values]
            if not all(isinstance(each, str | bool | int | float) for each in listed):
                raise GrammarError(_SYNTAX)


def is_operator(operator: str) -> bool:
    """Whether a condition operator exists, with its prefix (``ForAnyValue:``) and suffix (``IfExists``)."""
    name = operator.lower()
    if name == "null":
        return True
    for prefix in ("foranyvalue:", "forallvalues:"):
        name = name.removeprefix(prefix)
    return name.removesuffix("ifexists") in CONDITION_OPERATORS
