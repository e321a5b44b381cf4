"""The policies of functions in memory, for whoever decides about calls: an invocation must not wait for the store.

**Theory.** As the catalogue of functions: the store is the truth, this holds what was asked for and is told of every
committed change of a function (`Commits`). A read that was under way meanwhile finds that its entry is no longer the
current one, and reads again. That a resource has no policy is remembered as well.
"""

from __future__ import annotations

import contextlib

from functory.aws.errors import AwsError
from functory.core.functions.names import BadFunctionName, parse
from functory.services.lambda_ import layers_policy, layers_rows, layers_rules, policy_rows
from functory.store.port import Store

Key = tuple[str, str, str]
_FUNCTIONS_MAX = 20_000


class FunctionPolicies:
    """Implements `functory.core.identity.port.ResourcePolicies` for functions and layer versions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: dict[Key, dict[str, str | None]] = {}

    async def policy_of(self, resource_arn: str) -> str | None:
        """See `ResourcePolicies`; exactly that function, version, alias or layer version."""
        if ":layer:" in resource_arn:
            return await self._of_layer(resource_arn)
        try:
            ref = parse(resource_arn, "", "")
        except BadFunctionName:
            return None
        key = (ref.account_id, ref.region, ref.name)
        while True:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._new_entry(key)
            if ref.qualifier in entry:
                return entry[ref.qualifier]
            policy = await self._store.read(lambda conn: policy_rows.get_policy(conn, key, ref.qualifier))
            if self._entries.get(key) is entry:
                document = policy.document if policy is not None else None
                entry[ref.qualifier] = document
                return document

    def invalidate(self, account_id: str, region: str, name: str) -> None:
        """Forget a function after a committed change."""
        self._entries.pop((account_id, region, name), None)

    def _new_entry(self, key: Key) -> dict[str, str | None]:
        while len(self._entries) >= _FUNCTIONS_MAX:
            del self._entries[next(iter(self._entries))]
        entry = self._entries[key] = {}
        return entry

    async def _of_layer(self, arn: str) -> str | None:
        with contextlib.suppress(AwsError):
            ref, number = layers_rules.split(arn)
            record = await self._store.read(lambda conn: layers_rows.get_layer_version(conn, ref, number))
            if record is not None and record.statements:
                return layers_policy.document(record)
        return None
