"""When an access key or a role was last used: noted for every signed call, kept in the background.

**Theory.** A note is one entry of a dictionary; the newest of a key or role replaces the one before. What has been noted is
written once a minute, in one transaction, and before any answer that tells it, so answers are exact while a node runs. A
crash loses at most a minute of notes: AWS, too, tells these times with a delay. An idle node writes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, update

from functory.core.identity.port import Principal, PrincipalKind
from functory.kernel.clock import Clock
from functory.services.iam.grants import find_by_arn
from functory.services.iam.tables import ACCESS_KEYS, ROLES
from functory.store.port import Store

EVERY_S = 60.0
ENTRIES_MAX = 20_000
"""Beyond it the oldest notes go; AWS's quotas allow 10,000 keys and 1,000 roles in an account."""


class _Use(NamedTuple):
    at_s: int
    service: str
    region: str


class LastUses:
    """See the module. Implements `functory.core.identity.port.Uses`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._keys: dict[str, _Use] = {}
        self._roles: dict[str, _Use] = {}

    def note(self, principal: Principal, access_key_id: str, service: str, region: str) -> None:
        """See `functory.core.identity.port.Uses`."""
        use = _Use(int(self._clock.epoch_s()), service, region)
        if principal.kind is PrincipalKind.ASSUMED_ROLE:
            _put(self._roles, principal.issuer_arn, use)
        elif principal.kind in (PrincipalKind.USER, PrincipalKind.ROOT):
            _put(self._keys, access_key_id, use)

    async def save(self) -> None:
        """Write what has been noted."""
        if not (self._keys or self._roles):
            return
        keys, roles = self._keys, self._roles
        self._keys, self._roles = {}, {}

        def work(connection: Connection) -> None:
            for key_id, use in keys.items():
                values = {"last_used_s": use.at_s, "last_used_service": use.service, "last_used_region": use.region}
                connection.execute(update(ACCESS_KEYS).where(ACCESS_KEYS.c.id == key_id).values(values))
            for arn, use in roles.items():
                role = find_by_arn(connection, arn, "role")
                if role is not None:
                    changed = {"last_used_s": use.at_s, "last_used_region": use.region}
                    connection.execute(update(ROLES).where(ROLES.c.owner_id == role.id).values(changed))

        try:
            await self._store.write(work)
        except BaseException:
            self._keys, self._roles = keys | self._keys, roles | self._roles
            raise


def _put(uses: dict[str, _Use], name: str, use: _Use) -> None:
    uses.pop(name, None)  # so that the oldest comes first
    uses[name] = use
    if len(uses) > ENTRIES_MAX:
        del uses[next(iter(uses))]
