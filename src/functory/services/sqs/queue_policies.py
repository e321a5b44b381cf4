"""What others ask about queues when they decide about calls: policies and tags."""

from __future__ import annotations

from collections.abc import Mapping

from functory.services.sqs.addresses import of_arn
from functory.services.sqs.lookup import Queue, find
from functory.store.port import Store


class QueuePolicies:
    """Implements ``ResourcePolicies`` and ``ResourceTags`` for queues. Reads the store, as every call on a queue does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def policy_of(self, resource_arn: str) -> str | None:
        """See `functory.core.identity.port.ResourcePolicies`."""
        queue = await self._find(resource_arn)
        return queue.kept.get("Policy") or None if queue is not None else None

    async def tags_of(self, resource_arn: str) -> Mapping[str, str]:
        """See `functory.core.authorization.authorizer.ResourceTags`."""
        queue = await self._find(resource_arn)
        return queue.tags if queue is not None else {}

    async def _find(self, resource_arn: str) -> Queue | None:
        key = of_arn(resource_arn)
        return None if key is None else await self._store.read(lambda connection: find(connection, key))
