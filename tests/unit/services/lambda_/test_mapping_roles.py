"""Whether functions may read what feeds them."""

from __future__ import annotations

import asyncio
from typing import Any

from functory.core.functions.model import FunctionVersion
from functory.core.mappings.model import EventSourceMapping, MappingState
from functory.services.lambda_.mapping_roles import MappingRoles

QUEUE = "arn:aws:sqs:us-east-1:111122223333:q"
FACTS = FunctionVersion("111122223333", "us-east-1", "f", "$LATEST", "e", "k", "python3.12", "app.handler")
MAPPING = EventSourceMapping("u", "111122223333", "us-east-1", "f", "", QUEUE, True, MappingState.ENABLED, 0.0)


class Roles:
    def __init__(self, *, allows: bool) -> None:
        self.allow = allows
        self.asked: list[tuple[str, str, str]] = []

    async def allows(self, version: FunctionVersion, action: str, resource_arn: str) -> bool:
        self.asked.append((version.name, action, resource_arn))
        return self.allow


class Catalogue:
    def __init__(self, facts: FunctionVersion | None) -> None:
        self.primary = self
        self.facts = facts

    async def resolve(self, *key: str) -> Any:
        assert key == ("111122223333", "us-east-1", "f", "$LATEST")
        return self


def may(roles: Roles, facts: FunctionVersion | None = FACTS) -> bool:
    subject = MappingRoles(Catalogue(facts), roles)  # type: ignore[arg-type]
    return asyncio.run(subject.may(MAPPING, "sqs:ReceiveMessage"))


def test_the_function_s_role_is_asked_about_the_source() -> None:
    roles = Roles(allows=False)
    assert not may(roles)
    assert may(Roles(allows=True))
    assert roles.asked == [("f", "sqs:ReceiveMessage", QUEUE)]


def test_a_function_that_cannot_run_yet_is_not_asked() -> None:
    assert may(Roles(allows=False), None)
