"""The reconciler that collects packages no version refers to.

**Theory.** A package is kept for a grace period after anything last began or ceased to refer to it, so that a deploy under
way finds it and environments that still run from its folder can end. Blob and folder go first and the row last: a crash in
between repeats the removal, it never forgets a blob. A deploy holds its package (`Artifacts.hold`), which keeps it
from here.

Merged folders hold nothing that could not be made again, so nothing is kept about them: one that no version sees as its
``/opt`` is noted, and removed when a grace period later nothing does still. Their files stay with the packages they are of.
"""

from __future__ import annotations

from functools import partial

from functory.core.artifacts.artifacts import Artifacts
from functory.core.functions.isolation import plain_epoch
from functory.kernel import log
from functory.kernel.clock import Clock
from functory.services.lambda_ import layers_rows, rows
from functory.services.lambda_.ports import FunctionKey, Snapshots
from functory.store.port import Store

_log = log.get("services.lambda.sweep")
GRACE_S = 3600.0
EVERY_S = 600.0
_BATCH = 256


class Sweeper:
    """One run removes what is due."""

    def __init__(
        self, *, store: Store, artifacts: Artifacts, snapshots: Snapshots, clock: Clock, grace_s: float = GRACE_S
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._snapshots = snapshots
        self._clock = clock
        self._grace_s = grace_s
        self._idle_since: dict[str, float] = {}

    async def run(self) -> None:
        """Remove up to a batch of unused packages, and unused merged folders; the rest is for the next time."""
        before = self._clock.epoch_s() - self._grace_s
        unused = await self._store.read(lambda conn: rows.unused_packages(conn, before, _BATCH))
        for code_key in unused:
            if await self._artifacts.discard(code_key, partial(self._is_unused, code_key, before)):
                await self._store.write(partial(rows.remove_unused_package, code_key=code_key, touched_before=before))
                _log.info("package_collected", code_key=code_key)

        await self._sweep_merged()
        await self._snapshots.sweep(self._is_current)

    async def _is_current(self, version: FunctionKey, epoch: str) -> bool:
        """Whether a version exists and is of this epoch, or will be."""
        account_id, region, name, number = version
        record = await self._store.read(lambda conn: rows.get_version(conn, (account_id, region, name), number))
        return record is not None and plain_epoch(epoch) in {record.epoch, record.live_epoch}

    async def _sweep_merged(self) -> None:
        now = self._clock.epoch_s()
        there = await self._artifacts.merged()
        used = await self._store.read(layers_rows.used_folders)
        self._idle_since = {name: self._idle_since.get(name, now) for name in there if name not in used}
        due = [name for name, since in self._idle_since.items() if since < now - self._grace_s]
        for name in due:
            if await self._artifacts.discard_merged(name, partial(self._is_unseen, name)):
                _log.info("merged_layers_collected", folder=name)

    async def _is_unseen(self, name: str) -> bool:
        return not await self._store.read(partial(layers_rows.is_used_folder, folder=name))

    async def _is_unused(self, code_key: str, before: float) -> bool:
        return await self._store.read(partial(rows.is_unused_package, code_key=code_key, touched_before=before))
