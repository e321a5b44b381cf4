"""SnapStart: environments that begin from a snapshot of one that was initialised once.

**Making.** When a version is published its init runs in a sandbox that can be kept; when its runtime waits to be restored
(``GET /runtime/restore/next``, after the before-snapshot hooks) the sandbox is kept in a folder and ends. AWS gives such an
init 130 s, or the function's timeout where that is longer.

**Restoring.** Every environment of the version begins from that folder; its runtime goes on where it waited, runs its
after-restore hooks and asks for its first event, all within 10 s. An environment that cannot be restored fails its
invocation with AWS's SnapStart errors; nothing is initialised in its place.

**Regeneration.** A snapshot that is gone, damaged, or was written by another version of the runtime is made anew before
the version is used. Never is a version with SnapStart run without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from functory.aws.errors import AwsError
from functory.core.environments import failures
from functory.core.environments.drivers import Drivers
from functory.core.environments.environment import Environment, InitFailure
from functory.core.environments.memory import MemoryBudget
from functory.core.environments.snapshot_store import Kept, SnapshotStore
from functory.core.environments.starter import Starter, StartRefused
from functory.core.environments.variables import SNAP_START
from functory.core.functions.model import FunctionVersion
from functory.kernel import log
from functory.kernel.ids import Ids
from functory.kernel.tasks import TaskScope
from functory.sandbox.port import SandboxError, SandboxInUse, SnapshotSandbox

T = TypeVar("T")

INIT_TIMEOUT_S = 130.0
PHASE = "snap-start"
_TOKEN_DIGITS = 64
_NOT_WAITING = "The runtime did not wait to be restored (GET /runtime/restore/next); its snapshot could not be taken."
_HAS_EXTENSIONS = "Extensions cannot be used with SnapStart here."

_log = log.get("core.snapshots")


class SnapshotFailed(Exception):  # noqa: N818  reads as what it is
    """A version whose snapshot cannot be made.

    Attributes:
        code: AWS's ``StateReasonCode``.
        reason: for people.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Snapshots:
    """See the module.

    Args:
        starter: starts what snapshots are made of.
        drivers: the sandbox drivers.
        store: where they are.
        tasks: owns the removals.
        memory: what all environments may use.
        reserve: takes memory for one, making room where it can; False when there is none.
        ids: makes tokens.
    """

    def __init__(
        self,
        starter: Starter,
        drivers: Drivers,
        store: SnapshotStore,
        tasks: TaskScope,
        memory: MemoryBudget,
        reserve: Callable[[int], bool],
        ids: Ids,
    ) -> None:
        self._starter = starter
        self._drivers = drivers
        self._store = store
        self._tasks = tasks
        self._memory = memory
        self._reserve = reserve
        self._ids = ids
        self._making: dict[tuple[str, str], asyncio.Future[Kept | SnapshotFailed]] = {}

    async def ready(self, version: FunctionVersion) -> Kept:
        """The snapshot of a version, made if there is none. Those who ask meanwhile share one making.

        Raises:
            SnapshotFailed: it cannot be made.
        """
        kept = await self._store.find(version)
        if kept is not None:
            return kept
        key = (f"{version.arn}:{version.version}", version.epoch)
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = self._tasks.spawn(self._make(version), f"snapshot {version.name}")
            making.add_done_callback(lambda _: self._making.pop(key, None))
        made: Kept | SnapshotFailed = await asyncio.shield(making)
        if isinstance(made, SnapshotFailed):
            raise made
        return made

    async def refusal(self) -> str:
        """Why no version can have a snapshot on this node; ``""`` when they can."""
        return await self._drivers.snapshot_refusal()

    async def publish(self, version: FunctionVersion) -> tuple[str, str] | None:
        """Make the snapshot of a version; the reason code and the reason where that is not possible."""
        try:
            await self.ready(version)
        except SnapshotFailed as failure:
            return failure.code, failure.reason
        return None

    async def sweep(self, is_current: Callable[[tuple[str, str, str, str], str], Awaitable[bool]]) -> None:
        """Remove the snapshots of what ``is_current`` denies: a version, and one of its epochs."""
        for key, it in (await self._store.all()).items():
            if not await is_current((it.account_id, it.region, it.name, it.version), it.epoch):
                await self._store.remove_one(key)

    async def restore(self, version: FunctionVersion, begin: Callable[[Kept], Awaitable[T]]) -> T:
        """Begin an environment from the snapshot, made anew when the driver cannot go on from it.

        Raises:
            AwsError: there is no snapshot and none can be made.
            SandboxError: no sandbox could be made.
        """
        try:
            kept = await self.ready(version)
            try:
                return await begin(kept)
            except SandboxError as error:
                _log.warning("snapshot_unusable", function=version.arn, version=version.version, reason=str(error))
                await self._store.discard(version, kept)
            return await begin(await self.ready(version))
        except SnapshotFailed as failure:
            text = f"Lambda couldn't regenerate the snapshot of the function: {failure.reason}"
            raise AwsError("SnapStartRegenerationFailureException", text) from failure

    def remove(self, account_id: str, region: str, name: str, version: str | None) -> None:
        """A function, or one version of it, was deleted."""
        if self._store.is_empty:
            return
        self._tasks.spawn(self._store.remove(account_id, region, name, version), f"remove snapshots {name}")

    async def _make(self, version: FunctionVersion) -> Kept | SnapshotFailed:
        if not self._reserve(version.memory_mib):
            return SnapshotFailed("InternalError", "This node has no memory left to initialise the function.")
        try:
            kept = await self._store.begin(version, self._ids.hex(_TOKEN_DIGITS))
            try:
                runtime = await self._fill(version, kept)
                return await self._store.finish(version, kept, runtime)
            finally:
                await self._store.give_up(kept)
        except SnapshotFailed as failure:
            return failure
        except OSError as error:
            return SnapshotFailed("InternalError", f"The snapshot could not be made: {error.strerror or error}")
        finally:
            self._memory.release(version.memory_mib)

    async def _fill(self, version: FunctionVersion, kept: Kept) -> str:
        """Initialise an environment and keep it; exactly which runtime that was.

        Raises:
            SnapshotFailed: it cannot be.
        """
        try:
            environment = await self._starter.launch(
                version, initialization_type=SNAP_START, phase=PHASE, kept=kept, on_idle=_ignore, on_end=_ignore
            )
        except StartRefused as error:
            raise SnapshotFailed(_refused_code(error.error_type), str(error)) from error
        except AwsError as error:
            raise SnapshotFailed("InsufficientRolePermissions", error.message) from error
        except SandboxError as error:
            raise SnapshotFailed("InternalError", str(error)) from error
        try:
            limit_s = max(INIT_TIMEOUT_S, float(version.timeout_s))
            failure = await self._starter.initialize(environment, PHASE, limit_s)
            if failure is not None:
                raise _init_failed(failure, limit_s)
            await _keep(environment, kept)
            return environment.runtime
        finally:
            await environment.dispose()


async def _keep(environment: Environment, kept: Kept) -> None:
    """Write an initialised environment into its folder.

    Raises:
        SnapshotFailed: it cannot be kept.
    """
    if not environment.session.is_restorable:
        raise SnapshotFailed("FunctionError.RuntimeInitError", _NOT_WAITING)
    if len(environment.extensions):
        raise SnapshotFailed("FunctionError.ExtensionInitError", _HAS_EXTENSIONS)
    sandbox: SnapshotSandbox = environment.sandbox  # type: ignore[assignment]  # `Starter` made it with `prepare_snapshot`
    try:
        await sandbox.snapshot(kept.folder, environment.stop_serving)
    except SandboxInUse as error:
        raise SnapshotFailed("FunctionError", f"The snapshot could not be taken: {error}") from error
    except SandboxError as error:
        raise SnapshotFailed("InternalError", f"The snapshot could not be taken: {error}") from error
    finally:
        environment.log.flush()


def refusal(failure: InitFailure) -> AwsError:
    """What the caller of an environment gets that could not be restored. AWS."""
    if failure.status == "timeout":
        return AwsError("SnapStartTimeoutException", "Lambda couldn't restore the snapshot within the timeout limit.")
    return AwsError(
        "SnapStartException",
        "The afterRestore() runtime hook encountered an error. For more information, check the Amazon CloudWatch logs.",
    )


def _init_failed(failure: InitFailure, limit_s: float) -> SnapshotFailed:
    if failure.status == "timeout":
        return SnapshotFailed("FunctionError.InitTimeout", f"The init phase took longer than {limit_s:.0f} seconds.")
    if failure.error_type.startswith("Extension."):
        return SnapshotFailed("FunctionError.ExtensionInitError", f"Error in the init phase: {failure.error_type}")
    how = f" ({failures.exit_text(failure.ended)})" if failure.ended is not None else ""
    return SnapshotFailed("FunctionError.RuntimeInitError", f"Error in the init phase: {failure.error_type}{how}")


def _refused_code(error_type: str) -> str:
    known = {"Runtime.InvalidEntrypoint": "FunctionError.InvalidEntryPoint", "Runtime.Unavailable": "InvalidRuntime"}
    return known.get(error_type, "FunctionError.ExtensionInitError" if error_type.startswith("Ext") else "FunctionError")


def _ignore(_: Environment) -> None:
    """What becomes of an environment that serves nobody is the maker's business."""
