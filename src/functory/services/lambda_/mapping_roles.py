"""Whether functions may read what feeds them: the execution role of a mapping's function, asked."""

from __future__ import annotations

from functory.core.functions.catalogue import Functions
from functory.core.functions.model import LATEST
from functory.core.mappings.model import EventSourceMapping
from functory.services.lambda_.ports import ExecutionRoles


class MappingRoles:
    """Implements `functory.core.mappings.port.SourceRoles`."""

    def __init__(self, functions: Functions, roles: ExecutionRoles) -> None:
        self._functions = functions
        self._roles = roles

    async def may(self, mapping: EventSourceMapping, action: str) -> bool:
        """See `SourceRoles`. A function that cannot run yet is not asked: nothing is handed to it."""
        route = await self._functions.resolve(
            mapping.account_id, mapping.region, mapping.function_name, mapping.qualifier or LATEST
        )
        if route is None or route.primary.facts is None:
            return True
        return await self._roles.allows(route.primary.facts, action, mapping.source_arn)
