"""Who has been given what, remembered: `functory.core.identity.port.Identities` over the tables of IAM.

**Theory.** A signed call asks for a key and for grants; both must cost no more than a dictionary look-up, and both must be
exact: whoever was told that a permission is gone may rely on it. So everything that was asked for is kept, and *everything*
is forgotten with every change of IAM, before the change is acknowledged. Changes are rare, and what is asked often is read
again with the next call.

Three moments need care. A read that began before a change and ends after it must not be kept: each change begins a new
*generation*, and only what was read in the current one is kept. A change whose caller went away (a cancelled task) may be
committed later, unseen: from then on nothing is remembered until an empty transaction behind it has returned, for the store
commits in order. Absent keys are remembered too, or a wrong key would cost a store read each time; their number is bounded.

Cost: one node writes to one store. Nodes that share a database will have to tell one another of changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from functory.aws.errors import AwsError
from functory.core.identity.port import AccessKey, Grants, Role
from functory.kernel.sealing import Sealer
from functory.services.iam import grants
from functory.store.port import Store, StoreError

ENTRIES_MAX = 20_000
"""Of each sort; beyond it everything of that sort is forgotten at once."""

_CONCURRENT = (
    "The request was rejected because multiple requests to change this object were submitted simultaneously. "
    "Wait a few minutes and submit your request again."
)

T = TypeVar("T")


class Directory:
    """See the module."""

    def __init__(self, store: Store, cipher: Sealer) -> None:
        self._store = store
        self._cipher = cipher
        self._keys: dict[str, AccessKey | None] = {}
        self._grants: dict[str, Grants | None] = {}
        self._roles: dict[str, Role | None] = {}
        self._policies: dict[str, str | None] = {}
        self._generation = 0
        self._has_keys = False
        self._is_in_doubt = False

    async def find_key(self, access_key_id: str) -> AccessKey | None:
        """See `functory.core.identity.port.Identities`."""
        cipher = self._cipher
        return await self._look_up(
            self._keys, access_key_id, lambda connection: grants.load_key(connection, cipher, access_key_id)
        )

    async def grants_of(self, arn: str) -> Grants | None:
        """See `functory.core.identity.port.Identities`."""
        return await self._look_up(self._grants, arn, lambda connection: grants.load_grants(connection, arn))

    async def find_role(self, arn: str) -> Role | None:
        """See `functory.core.identity.port.Identities`."""
        return await self._look_up(self._roles, arn, lambda connection: grants.load_role(connection, arn))

    async def find_policy(self, arn: str) -> str | None:
        """See `functory.core.identity.port.Identities`."""
        return await self._look_up(self._policies, arn, lambda connection: grants.managed_document(connection, arn))

    async def clients_of_provider(self, arn: str) -> tuple[str, ...] | None:
        """See `functory.core.identity.port.Identities`."""
        return await self._store.read(lambda connection: grants.clients_of_provider(connection, arn))

    async def full_arn(self, resource_arn: str) -> str:
        """See `functory.core.authorization.guard.FullNames`."""
        return await self._store.read(lambda connection: grants.full_arn(connection, resource_arn))

    async def has_any(self) -> bool:
        """See `functory.core.identity.port.Identities`."""
        if not self._has_keys:
            generation = self._generation
            found = await self._store.read(grants.has_any_key)
            self._has_keys = found and generation == self._generation
            return found
        return True

    async def change(self, work: Callable[[Connection], T]) -> T:
        """Run a unit of work that changes IAM; everything remembered is forgotten before it returns.

        Raises:
            AwsError: ConcurrentModification: a row that ``work`` did not see was in its way.
            Exception: whatever ``work`` raised.

        Cancellation: the work may still be done.
        """
        try:
            value = await self._store.write(work)
        except AwsError:  # refused by the work itself: nothing of it was kept
            raise
        except IntegrityError as error:  # another one took the name between look and insertion; nothing was kept
            raise AwsError("ConcurrentModification", _CONCURRENT) from error
        except BaseException:
            self._is_in_doubt = True
            self._forget()
            raise
        self._forget()
        return value

    def _forget(self) -> None:
        self._generation += 1
        self._keys.clear()
        self._grants.clear()
        self._roles.clear()
        self._policies.clear()
        self._has_keys = False

    async def _look_up(self, kept: dict[str, T], name: str, load: Callable[[Connection], T]) -> T:
        if self._is_in_doubt:
            try:
                await self._settle()
            except StoreError:  # a full disk: what is read now is exact, it is only not kept
                return await self._store.read(load)
        if name in kept:
            return kept[name]
        generation = self._generation
        value = await self._store.read(load)
        if generation == self._generation and not self._is_in_doubt:
            if len(kept) >= ENTRIES_MAX:
                kept.clear()
            kept[name] = value
        return value

    async def _settle(self) -> None:
        """Wait until whatever may still be under way is done or given up."""
        generation = self._generation
        await self._store.write(lambda _: None)
        if generation == self._generation:
            self._is_in_doubt = False
        self._forget()
