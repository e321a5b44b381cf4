"""Policy documents, compiled once per text. Pure.

Owns what a document *means*; whether it is well-formed in every respect is checked where it is stored
(``core/identity/policy_grammar``). What cannot be understood is an error here, never a statement that is skipped: a ``Deny``
that is overlooked would be a hole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from functory.core.authorization.conditions import Condition, NullCondition, as_texts, compile_conditions
from functory.core.authorization.errors import PolicyError
from functory.core.authorization.patterns import Lookup, Pattern
from functory.core.authorization.principals import PrincipalElement, compile_principal

_KEPT = 4096
"""Documents whose compiled form is kept."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    Attributes:
        sid: the statement id, or ``#N`` counted from 1.
        is_deny: its effect.
        actions: in lower case.
        not_actions: the element was ``NotAction``.
        resources: None where the element is absent (trust policies).
        not_resources: the element was ``NotResource``.
        principal: None in identity policies.
        conditions: all must hold.
    """

    sid: str
    is_deny: bool
    actions: tuple[Pattern, ...]
    not_actions: bool
    resources: tuple[Pattern, ...] | None
    not_resources: bool
    principal: PrincipalElement | None
    conditions: tuple[Condition | NullCondition, ...]

    def applies(self, action: str, resource: str, lookup: Lookup) -> bool:
        """Whether it is about this action (in lower case) on this resource under these circumstances, whoever asks."""
        if any(pattern.matches(action, lookup) for pattern in self.actions) is self.not_actions:
            return False
        if self.resources is not None:
            found = any(pattern.matches(resource, lookup) for pattern in self.resources)
            if found is self.not_resources:
                return False
        return all(condition.holds(lookup) for condition in self.conditions)


@lru_cache(maxsize=_KEPT)
def compile_document(text: str) -> tuple[Statement, ...]:
    """The statements of a document.

    Raises:
        PolicyError: it is not JSON, or not a policy that can be evaluated.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"the policy is not JSON: {error}") from error
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise PolicyError("the policy has no Statement")
    statements = document["Statement"]
    variables = document.get("Version") == "2012-10-17"
    each = statements if isinstance(statements, list) else [statements]
    return tuple(_statement(entry, number, variables=variables) for number, entry in enumerate(each, 1))


def _statement(entry: Any, number: int, *, variables: bool) -> Statement:
    if not isinstance(entry, Mapping) or entry.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(f"statement {number} has no Effect")
    actions, not_actions = _either(entry, "Action", number)
    if actions is None:
        raise PolicyError(f"statement {number} has neither Action nor NotAction")
    resources, not_resources = _either(entry, "Resource", number)
    return Statement(
        sid=str(entry.get("Sid") or f"#{number}"),
        is_deny=entry["Effect"] == "Deny",
        actions=tuple(Pattern(text.lower(), wildcards=True, variables=False) for text in actions),
        not_actions=not_actions,
        resources=None
        if resources is None
        else tuple(Pattern(text, wildcards=True, variables=variables) for text in resources),
        not_resources=not_resources,
        principal=compile_principal(entry),
        conditions=compile_conditions(entry.get("Condition", {}), variables=variables),
    )


def _either(entry: Mapping[str, Any], name: str, number: int) -> tuple[tuple[str, ...] | None, bool]:
    """The values of an element or of its ``Not…`` form, and whether it was that."""
    if name in entry and f"Not{name}" in entry:
        raise PolicyError(f"statement {number} has both {name} and Not{name}")
    if name in entry:
        return as_texts(entry[name]), False
    if f"Not{name}" in entry:
        return as_texts(entry[f"Not{name}"]), True
    return None, False
