"""The reconciler that makes changed versions ready to run.

**Theory.** Creating or changing a function commits a row that says *Pending* or *InProgress* and answers; this job finds
such rows, unpacks the code (fetches the image), merges the layers, and commits the end: *Active*, *Successful* or *Failed*.
All it needs is in the rows, so a node that was killed picks up where it was. A row that changed meanwhile (another
revision) is left for the next round. Environments of the code before are told to end only after the new one was committed.

Whether the runtime is on this machine is not asked here: it may be installed at any time, and each invocation finds out.

A published version with SnapStart has an init run, which may take minutes: it is prepared beside the others, which do not
wait for it.

At start, versions that failed for something this machine may have got since (room on the disk) are tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from types import TracebackType

from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.artifacts.artifacts import Artifacts
from functory.core.artifacts.errors import BadPackage
from functory.core.artifacts.image_errors import ImageError
from functory.core.artifacts.images import Images
from functory.core.functions.model import LATEST, FunctionVersion
from functory.core.invocations.port import Invoker
from functory.kernel import log
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.kernel.tasks import TaskScope
from functory.services.lambda_ import images, rows, runtime_management_rows
from functory.services.lambda_.commits import Commits
from functory.services.lambda_.loader import candidate, candidate_of
from functory.services.lambda_.ports import Snapshots
from functory.services.lambda_.records import VersionRecord
from functory.services.lambda_.runtime_versions import RuntimeVersions
from functory.services.lambda_.variables import Variables
from functory.store.port import Store

_log = log.get("services.lambda.prepare")
_BATCH = 32
RETRIED_AT_START = ("InternalError",)
"""Reason codes whose cause may have gone by the next start."""

Verdict = tuple[str, str]
"""Reason code and reason of a failure."""

Move = Callable[[VersionRecord], VersionRecord]


class Preparer:
    """One run prepares everything that is unsettled."""

    def __init__(
        self,
        *,
        store: Store,
        commits: Commits,
        artifacts: Artifacts,
        images: Images,
        runtime_versions: RuntimeVersions,
        variables: Variables,
        invoker: Invoker,
        snapshots: Snapshots,
        ids: Ids,
        clock: Clock,
    ) -> None:
        self._store = store
        self._commits = commits
        self._artifacts = artifacts
        self._images = images
        self._runtime_versions = runtime_versions
        self._variables = variables
        self._invoker = invoker
        self._snapshots = snapshots
        self._tasks = TaskScope("services.lambda.prepare")
        self._beside: set[str] = set()
        self._ids = ids
        self._clock = clock

    async def __aenter__(self) -> Preparer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.close()

    async def recover(self) -> None:
        """Give versions another try that failed for a passing reason. Called once, at start."""
        for code in RETRIED_AT_START:
            for record in await self._store.read(partial(rows.list_failed, reason_code=code)):
                again = methodcaller("again", self._ids.uuid())
                await self._commit(record, again)

    async def run(self) -> None:
        """Prepare until nothing is left but what is prepared beside."""
        while batch := await self._next():
            async with asyncio.TaskGroup() as tasks:
                for record in batch:
                    if record.begins_from_snapshot:
                        self._beside.add(record.revision_id)
                        self._tasks.spawn(self._prepare_beside(record), f"prepare {record.name}:{record.version}")
                    else:
                        tasks.create_task(self._prepare(record))

    async def _next(self) -> list[VersionRecord]:
        limit = _BATCH + len(self._beside)
        records = await self._store.read(lambda conn: rows.list_unsettled(conn, limit))
        return [record for record in records if record.revision_id not in self._beside]

    async def _prepare_beside(self, record: VersionRecord) -> None:
        try:
            await self._prepare(record)
        finally:
            self._beside.discard(record.revision_id)

    async def _prepare(self, record: VersionRecord) -> None:
        verdict = await self._judge(record)
        revision_id = self._ids.uuid()
        if verdict is not None:
            code, reason = verdict
            _log.warning("function_failed", arn=record.arn, version=record.version, code=code, reason=reason)
            await self._commit(record, lambda current: current.failed(revision_id, code, reason))
            return
        arn = await self._runtime_versions.noted_arn(record)
        facts = await self._commit(record, lambda current: current.prepared(revision_id), arn)
        if facts is not None and record.version == LATEST:
            await self._invoker.retire(facts)

    async def _judge(self, record: VersionRecord) -> Verdict | None:
        """Do the work; None when the version can run."""
        image = record.config.image
        try:
            if image is not None:
                await self._images.prepare(record.code.key, image.resolved_uri)
            await self._artifacts.unpack(record.code.key)
            if layers := [layer.key for layer in record.config.layers]:
                await self._artifacts.merge(layers)
        except ImageError as error:
            return images.failure(error)
        except BadPackage as error:
            return "InvalidZipFileException", f"Lambda could not unzip the file: {error.detail}"
        except KeyError:
            return "InternalError", "The stored code package is missing."
        except OSError as error:
            return "InternalError", f"The code could not be unpacked: {error.strerror or error}"
        return await self._snapshot(record) if record.begins_from_snapshot else None

    async def _snapshot(self, record: VersionRecord) -> Verdict | None:
        """Initialise the version once and keep it."""
        ready = record.prepared(record.revision_id)
        found = await self._store.read(lambda conn: candidate_of(conn, self._variables, ready))
        facts = found.facts if found is not None else None  # it was deleted meanwhile
        return await self._snapshots.publish(facts) if facts is not None else None

    async def _commit(self, record: VersionRecord, move: Move, runtime_arn: str = "") -> FunctionVersion | None:
        """Commit a move unless the row changed since it was read; what the engine may run after it.

        ``runtime_arn``: the version of its runtime that is installed, when other code or configuration becomes live.
        """
        key = (record.account_id, record.region, record.name)
        now = self._clock.epoch_s()

        def work(conn: Connection) -> FunctionVersion | None:
            function, current = rows.get_function(conn, key), rows.get_version(conn, key, record.version)
            if function is None or current is None or current.revision_id != record.revision_id:
                return None
            moved = move(current)
            rows.put_version(conn, moved)
            if current.live_config is not None and moved.live_epoch != current.live_epoch:
                gone = [current.live_code_key, *(layer.key for layer in current.live_config.layers)]
                rows.touch_packages(conn, gone, now)
                runtime_management_rows.note_update(conn, key, record.version, runtime_arn)
            return self._facts(conn, moved)

        return await self._commits.commit(key, work)

    def _facts(self, conn: Connection, record: VersionRecord) -> FunctionVersion | None:
        """Part of a unit of work: what the engine may run of a version; None when its variables cannot be opened."""
        try:
            found = candidate(conn, self._variables, (record.account_id, record.region, record.name), record.version)
        except AwsError:
            return None
        return found.facts if found is not None else None
