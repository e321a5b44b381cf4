"""The functions of this node in memory, so that the hot path of an invocation asks no store.

**Theory.** The store is the truth; this is a cache of what qualifiers lead to, filled on a miss and dropped for a whole
function whenever a change of it has been committed (`Functions.invalidate`). An entry object stands for one generation of
a function: a load that was under way when the function changed finds that its entry is no longer the current one, throws
its answer away and loads again, so an answer older than the last invalidation is never kept. Whoever waits for a function
to change waits on the entry's event.

The cost: one entry per function in use (bounded, oldest first out); changes made by another node must be announced by
calling `invalidate`.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from functory.core.functions.model import LATEST
from functory.core.functions.routes import Readiness, Route

Key = tuple[str, str, str]
"""Account, region, function name."""


class RouteLoader(Protocol):
    """Reads routes from where they are kept."""

    async def load_route(self, account_id: str, region: str, name: str, qualifier: str) -> Route | None:
        """Where this qualifier leads now, or None when function, version or alias does not exist."""


class Generation:
    """What memory holds of a function between two of its changes; whoever keeps something else about it compares these."""

    __slots__ = ("changed", "routes")

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.changed = asyncio.Event()


class Functions:
    """Name and qualifier to `Route`.

    Args:
        loader: the store's side.
        max_functions: how many functions are kept in memory.
    """

    def __init__(self, loader: RouteLoader, *, max_functions: int = 20_000) -> None:
        self._loader = loader
        self._max_functions = max_functions
        self._entries: dict[Key, Generation] = {}

    def find(self, account_id: str, region: str, name: str, qualifier: str = LATEST) -> Route | None:
        """The route if it is in memory; the hot path, no waiting."""
        entry = self._entries.get((account_id, region, name))
        return entry.routes.get(qualifier) if entry is not None else None

    async def resolve(self, account_id: str, region: str, name: str, qualifier: str = LATEST) -> Route | None:
        """The route, loaded where it must be; None when there is no such function, version or alias."""
        route, _ = await self._resolve((account_id, region, name), qualifier)
        return route

    async def settled(
        self, account_id: str, region: str, name: str, qualifier: str = LATEST, *, timeout_s: float
    ) -> Route | None:
        """As `resolve`, but waits up to ``timeout_s`` until nothing it may lead to is being prepared.

        Returns the route as it is when the time is over.
        """
        key = (account_id, region, name)
        route, entry = await self._resolve(key, qualifier)
        try:
            async with asyncio.timeout(timeout_s):
                while route is not None and _is_preparing(route):
                    await entry.changed.wait()
                    route, entry = await self._resolve(key, qualifier)
        except TimeoutError:
            pass
        return route

    def generation(self, account_id: str, region: str, name: str) -> Generation:
        """The current one; another object after every change of the function."""
        return self._entry((account_id, region, name))

    def invalidate(self, account_id: str, region: str, name: str) -> None:
        """Forget a function after a committed change and wake whoever waits for it."""
        entry = self._entries.pop((account_id, region, name), None)
        if entry is not None:
            entry.changed.set()

    async def _resolve(self, key: Key, qualifier: str) -> tuple[Route | None, Generation]:
        """The route and the generation it belongs to."""
        while True:
            entry = self._entry(key)
            route = entry.routes.get(qualifier)
            if route is not None:
                return route, entry
            route = await self._loader.load_route(*key, qualifier)
            if self._entries.get(key) is not entry:
                continue
            if route is not None:
                entry.routes[qualifier] = route
            elif not entry.routes:
                self.invalidate(*key)
            return route, entry

    def _entry(self, key: Key) -> Generation:
        entry = self._entries.get(key)
        if entry is None:
            while len(self._entries) >= self._max_functions:
                self.invalidate(*next(iter(self._entries)))
            entry = self._entries[key] = Generation()
        return entry


def _is_preparing(route: Route) -> bool:
    candidates = (route.primary, route.secondary)
    return any(one is not None and one.readiness is Readiness.PREPARING for one in candidates)
