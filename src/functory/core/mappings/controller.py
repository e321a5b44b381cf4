"""The controller: one poller for each mapping that shall be polled, and none for any other.

A reconciler over the table of mappings: started on a nudge of whoever changes one, on a timer, and whenever a poller ends.
It waits for no poller, so a mapping whose function runs long never delays another. The new form of a changed mapping begins
as soon as the old one takes no more records; a mapping is `Disabled`, or gone, when nothing of it runs any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from functory.core.mappings import rows
from functory.core.mappings.model import EventSourceMapping, MappingState, after_settling
from functory.core.mappings.port import Poller, Source
from functory.core.reconcile.job import Job
from functory.core.targets.registry import service_of
from functory.kernel import log
from functory.kernel.tasks import TaskScope
from functory.store.port import Store

EVERY_S = 5.0

_log = log.get("core.mappings")


class _Running:
    """One poller and the mapping it was made from."""

    def __init__(self, mapping: EventSourceMapping, poller: Poller, task: asyncio.Task[None]) -> None:
        self.mapping = mapping
        self.poller = poller
        self.task = task


class Mappings:
    """See the module. An async context manager: while it is entered, mappings are polled.

    Args:
        store: where they are.
        sources: by the service's name in ARNs: ``sqs`` …
    """

    def __init__(self, store: Store, sources: Mapping[str, Source]) -> None:
        self._store = store
        self._sources = dict(sources)
        self._running: dict[str, list[_Running]] = {}
        self._tasks = TaskScope("core.mappings")
        self._job = Job("mappings", self._reconcile, every_s=EVERY_S)

    async def __aenter__(self) -> Self:
        await self._job.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._job.__aexit__(None, None, None)
        await self._tasks.close()

    def nudge(self) -> None:
        """A mapping was changed."""
        self._job.nudge()

    def source_of(self, arn: str) -> Source | None:
        """Who polls this; None: nobody here."""
        return self._sources.get(service_of(arn))

    async def _reconcile(self) -> None:
        mappings = {mapping.uuid: mapping for mapping in await self._store.read(rows.select_all)}
        for uuid in self._running.keys() - mappings.keys():
            self._stop(uuid)
        for mapping in mappings.values():
            self._poll(mapping)
            await self._settle(mapping)

    def _poll(self, mapping: EventSourceMapping) -> None:
        """Bring polling for one mapping to what it shall be."""
        shall = mapping.enabled and mapping.state is not MappingState.DELETING
        current = self._current(mapping.uuid)
        if current is not None and (not shall or current.mapping.changed_at != mapping.changed_at):
            current.poller.stop()
        source = self.source_of(mapping.source_arn)
        if shall and source is not None and (current is None or current.poller.has_stopped):
            poller = source.poller(mapping, self._job.nudge)
            task = self._tasks.spawn(self._run(mapping, poller), f"mapping {mapping.uuid}")
            self._running.setdefault(mapping.uuid, []).append(_Running(mapping, poller, task))

    def _current(self, uuid: str) -> _Running | None:
        """The newest poller of a mapping."""
        running = self._running.get(uuid)
        return running[-1] if running else None

    def _stop(self, uuid: str) -> None:
        for running in self._running.get(uuid, ()):
            running.poller.stop()

    async def _run(self, mapping: EventSourceMapping, poller: Poller) -> None:
        try:
            await poller.run()
        finally:
            left = [each for each in self._running.get(mapping.uuid, ()) if each.poller is not poller]
            if left:
                self._running[mapping.uuid] = left
            else:
                self._running.pop(mapping.uuid, None)
            self._job.nudge()

    async def _settle(self, mapping: EventSourceMapping) -> None:
        """Make the state last that has been reached."""
        if mapping.state.is_settled:
            return
        current = self._current(mapping.uuid)
        if mapping.state is MappingState.DELETING:
            if mapping.uuid not in self._running:
                await self._store.write(lambda connection: rows.remove(connection, mapping.uuid))
            return
        has_new = current is not None and current.mapping.changed_at == mapping.changed_at
        if has_new if mapping.enabled else mapping.uuid not in self._running:
            state = after_settling(mapping)
            await self._store.write(lambda connection: rows.settle(connection, mapping.uuid, mapping.state, state))
            _log.info("mapping_settled", mapping=mapping.uuid, state=state.value)
