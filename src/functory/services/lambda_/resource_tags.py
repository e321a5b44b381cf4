"""The tags of functions, for conditions on them (``aws:ResourceTag/…``)."""

from __future__ import annotations

from collections.abc import Mapping

from functory.core.functions.names import BadFunctionName, parse
from functory.services.lambda_ import rows
from functory.store.port import Store


class FunctionTags:
    """Implements `functory.core.authorization.authorizer.ResourceTags`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def tags_of(self, resource_arn: str) -> Mapping[str, str]:
        """See `ResourceTags`; versions and aliases have their function's."""
        try:
            ref = parse(resource_arn, "", "")
        except BadFunctionName:
            return {}
        key = (ref.account_id, ref.region, ref.name)
        record = await self._store.read(lambda conn: rows.get_function(conn, key))
        return record.tags if record is not None else {}
