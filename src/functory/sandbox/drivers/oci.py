"""The driver ``oci``: every sandbox is a container of an OCI runtime (``runc``, ``crun``).

**Theory.** The runtime's command is used for the one thing it is good at, making namespaces and starting the process in
them (``run --detach``). Everything else is done here with system calls, because forking a tool costs milliseconds: the
network (`network`), ``/tmp`` (`scratch`), the shared root (`rootfs`), freezing, killing and removing (`cgroups`). The node
is the *child subreaper*: when the runtime's command has exited, the container's first process becomes the node's own child,
so that its end is seen through a pidfd and its status is collected by pid.

The node works in a *private mount namespace*: its mounts are invisible outside and vanish with it, however it ends. What
else a killed node may leave is removed by the next one (`recovery`); two nodes never share a run folder (it is locked).

**Cost.** About 4 ms to prepare, 15-20 ms to launch, 1-2 ms to dispose of (2 cores; ``benchmarks/sandbox_start.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import re
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from functory.kernel import log
from functory.sandbox import cgroups, first_process, linux, oci_spec, recovery, rootless
from functory.sandbox.drivers.oci_sandbox import OciSandbox, Shared
from functory.sandbox.drivers.oci_standby import OciStandby
from functory.sandbox.drivers.runsc_checkpoint import RunscSnapshot
from functory.sandbox.identity import ids_for
from functory.sandbox.mounts import check_mounts
from functory.sandbox.outbound import Outbound, Wish
from functory.sandbox.port import Capabilities, Limits, Sandbox, SandboxError, SandboxSpec, SnapshotSandbox, StandbySandbox
from functory.sandbox.rootfs import ETC_FILES, RootTemplates
from functory.sandbox.scratch import Scratch
from functory.sandbox.traits import traits_of

T = TypeVar("T")
S = TypeVar("S", bound=OciSandbox)

_ID = re.compile(r"[a-z0-9-]{1,64}")
_THREADS = 8
PUBLIC_FOLDER = Path("/run/functory")

_log = log.get("sandbox.oci")


def public_folder() -> Path:
    """A folder outside of the run folder whose path every user may traverse."""
    return PUBLIC_FOLDER if rootless.ids_here() < 0 else Path(tempfile.gettempdir()) / f"functory-{rootless.user_outside()}"


class OciDriver:
    """Makes containers.

    Args:
        runtime: path of the OCI runtime's program.
        run_dir: absolute folder for bundles, runtime state and ``/tmp`` images; used by one node at a time.
        public_dir: folder below which the shared root is mounted when users without privileges cannot reach ``run_dir``.
        wish: what sandboxes shall reach; by default nothing.
    """

    name = "oci"

    def __init__(self, runtime: Path, run_dir: Path, public_dir: Path = PUBLIC_FOLDER, wish: Wish | None = None) -> None:
        self.description = f"oci/{runtime.name}"
        self._runtime = runtime
        self._run_dir = run_dir
        self._public_dir = public_dir
        self._key = recovery.key_of(run_dir)
        self._outbound = Outbound(wish or Wish(), self._key, run_dir, public_dir)
        self._sandboxes: dict[str, OciSandbox] = {}
        self._executor: ThreadPoolExecutor | None = None
        self._lock_fd = -1
        self._was_subreaper = False
        self._shared: Shared | None = None
        self._host: OciDriver | None = None
        self.capabilities = Capabilities(
            isolation=True,
            memory_limit=False,
            cpu_limit=False,
            tmp_limit=True,
            private_network=True,
            freeze=False,
            own_root=True,
        )

    async def start(self) -> None:
        """See `SandboxDriver`.

        Call it early: threads that exist before do not see the node's mounts (they do not need to).
        """
        if self._host is not None:
            self._shared = await self._in_place_of(self._host)
            return
        if os.geteuid() != 0:
            raise SandboxError("the oci driver needs root, or a user namespace in which it is root")
        self._lock()
        try:
            # Not in a thread: the namespace is the calling thread's, and threads inherit it from the one that starts them.
            linux.unshare(linux.CLONE_NEWNS)
            linux.mount("none", Path("/"), flags=linux.MS_REC | linux.MS_SLAVE)
            self._was_subreaper = linux.is_subreaper()
            linux.set_subreaper(True)
            self._executor = _threads_of_here()
            await self._outbound.start(self._in_thread)
            self._shared = await self._in_thread(self._make_shared)
        except OSError as error:
            await self.close()
            raise SandboxError(f"the oci driver cannot work here: {error}") from error
        except SandboxError:
            await self.close()
            raise
        self.capabilities = _capabilities(self._shared)
        self.description = _description(self._shared)
        _log.info(
            "sandbox_driver_started",
            runtime=self._runtime.name,
            cgroup_version=self._shared.hierarchy.version,
            network=self._outbound.mode,
        )

    @property
    def user(self) -> int:
        """The user id that functions see as theirs."""
        return oci_spec.user_inside(self._require_shared().ids.layout)[0]

    def beside(self, runtime: Path) -> OciDriver:
        """A driver of another runtime in the same place: run folder, network, control groups, roots and ids are this one's.

        This one is started before it and closed after it.
        """
        other = OciDriver(runtime, self._run_dir, self._public_dir)
        other._host = self
        return other

    async def _in_place_of(self, host: OciDriver) -> Shared:
        """Begin where another driver is at work already."""
        place = host._require_shared()
        self._executor = host._executor
        shared = dataclasses.replace(
            place, runtime=self._runtime, traits=await self._in_thread(lambda: traits_of(self._runtime))
        )
        self.capabilities = _capabilities(shared)
        self.description = _description(shared)
        return shared

    async def prepare(self, spec: SandboxSpec) -> Sandbox:
        """See `SandboxDriver`."""
        return await self._make(OciSandbox(self._checked(spec), self._require_shared(), self._forget))

    def _checked(self, spec: SandboxSpec) -> SandboxSpec:
        if not _ID.fullmatch(spec.id):
            raise SandboxError(f"sandbox id {spec.id!r}: must be 1 to 64 of a-z, 0-9 and -")
        if spec.id in self._sandboxes:
            raise SandboxError(f"sandbox id {spec.id!r} is in use")
        check_mounts(spec.mounts)
        return spec

    async def prepare_standby(self, spec: SandboxSpec) -> StandbySandbox:
        """See `SandboxDriver`."""
        if not self.capabilities.standby:
            raise SandboxError(f"sandbox {spec.id}: {self._runtime.name} makes none whose function comes later")
        return await self._make(OciStandby(self._checked(spec), self._require_shared(), self._forget))

    async def prepare_snapshot(self, spec: SandboxSpec, folder: Path | None = None) -> SnapshotSandbox:
        """See `SandboxDriver`."""
        if not self.capabilities.snapshots:
            raise SandboxError(f"sandbox {spec.id}: {self._runtime.name} keeps none here")
        return await self._make(RunscSnapshot(self._checked(spec), self._require_shared(), self._forget, folder))

    async def _make(self, sandbox: S) -> S:
        self._sandboxes[sandbox.id] = sandbox
        try:
            await sandbox.make()
        except BaseException as error:
            await asyncio.shield(sandbox.dispose())
            if isinstance(error, OSError):
                raise SandboxError(f"sandbox {sandbox.id} could not be made: {error}") from error
            raise
        return sandbox

    async def close(self) -> None:
        """See `SandboxDriver`."""
        await asyncio.gather(*(sandbox.dispose() for sandbox in list(self._sandboxes.values())))
        if self._host is not None:
            self._shared = self._executor = None
            return
        if self._executor is not None:
            await self._in_thread(self._remove_shared)
            await self._outbound.close(self._in_thread)
            self._executor.shutdown()
            self._executor = None
            linux.set_subreaper(self._was_subreaper)
        self._shared = None
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _forget(self, sandbox: OciSandbox) -> None:
        self._sandboxes.pop(sandbox.id, None)

    def _require_shared(self) -> Shared:
        if self._shared is None:
            raise SandboxError("the oci driver is not started")
        return self._shared

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._executor is None:
            raise SandboxError("the oci driver is not started")
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _lock(self) -> None:
        """One node per run folder: the next start may remove everything in it."""
        self._run_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
        fd = os.open(self._run_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise SandboxError(f"another node uses the run folder {self._run_dir}") from error
        self._lock_fd = fd

    def _make_shared(self) -> Shared:
        """In a thread."""
        ids = ids_for(rootless.ids_here(), start=int(self._key, 16))
        hierarchy = _hierarchy(f"/functory/{self._key}", is_root=ids.layout == "range")
        parent, state, bundles = f"/functory/{self._key}", self._run_dir / "runtime", self._run_dir / "sandboxes"
        self._recover(hierarchy, parent, state, bundles)
        hierarchy.prepare(parent)
        traits = traits_of(self._runtime)
        for folder in (state, bundles):
            folder.mkdir(mode=0o700)
        scratch = Scratch(self._run_dir / "scratch")
        trial = bundles / "trial" / "tmp"
        trial.mkdir(parents=True)
        scratch.start(trial, Limits().tmp_mib)
        recovery.remove_folders(trial.parent)
        roots = RootTemplates(
            self._make_public_folder(),
            etc_files=self._outbound.etc_files(ETC_FILES["hosts"]),
            first_process=first_process.program(os.uname().machine),
        )
        try:
            roots.start()
            roots.root_for(())  # the usual one: not at the first call
        except OSError:
            roots.close()
            raise
        executor = self._executor
        assert executor is not None  # noqa: S101  made by `start` before this runs
        return Shared(
            self._runtime, bundles, state, hierarchy, parent, roots, scratch, ids, self._outbound, traits, executor
        )

    def _recover(self, hierarchy: cgroups.Hierarchy, parent: str, state: Path, bundles: Path) -> None:
        """Remove what a killed node left behind."""
        recovery.kill_runtimes(state)
        orphans = recovery.remove_groups(hierarchy, parent)
        recovery.remove_folders(state, bundles)
        for image in (self._run_dir / "scratch").glob("*"):
            if not image.name.startswith("ext4-"):  # the templates stay
                image.unlink()
        if orphans:
            _log.warning("orphaned_sandboxes_removed", count=orphans)

    def _make_public_folder(self) -> Path:
        """A folder that the sandboxes' users can reach: below the run folder, or else outside of it."""
        inside = self._run_dir / "root"
        reachable = all(parent.stat().st_mode & 0o001 for parent in (self._run_dir, *self._run_dir.parents))
        folder = inside if reachable else self._public_dir / self._key
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise SandboxError(f"{folder} belongs to somebody else")
        return folder

    def _remove_shared(self) -> None:
        """In a thread."""
        shared = self._shared
        if shared is None:
            return
        shared.roots.close()
        with contextlib.suppress(OSError):  # still busy in a sandbox that would not die
            shared.roots.folder.rmdir()
        shared.hierarchy.group(shared.parent_group).remove()
        recovery.remove_folders(shared.state, shared.bundles)


def _threads_of_here() -> ThreadPoolExecutor:
    """A pool whose threads all exist already, so that all of them are in the calling thread's mount namespace for ever."""
    executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="sandbox")
    all_there = threading.Barrier(_THREADS)
    wait([executor.submit(all_there.wait) for _ in range(_THREADS)])
    return executor


def _hierarchy(parent: str, *, is_root: bool) -> cgroups.Hierarchy:
    """The machine's control groups; none is an error for root only, who can do something about it.

    Raises:
        SandboxError: root has none.
    """
    found = cgroups.detect(Path("/proc/self/mountinfo").read_text())
    if found is not None and "memory" in found.controllers:
        try:
            found.prepare(parent)
        except OSError:
            if is_root:
                raise
        else:
            return found
    if is_root:
        raise SandboxError("no memory control group here: mount /sys/fs/cgroup (in a container: run it privileged)")
    return cgroups.nothing()


_ID_NOTES = {
    "range": (),
    "few": ("rootless: every sandbox has three ids of its own of the range in /etc/subuid",),
    "own": (
        "rootless: functions have this user's own id, as root without privileges (newuidmap and /etc/subuid would help)",
    ),
}


def _description(shared: Shared) -> str:
    """What a node says of its driver in the ready line."""
    parts = [f"oci/{shared.runtime.name}", f"network {shared.outbound.mode}"]
    parts += ["rootless"] if shared.ids.layout != "range" else []
    parts += ["no limit of memory and CPU"] if not shared.hierarchy.controllers else []
    return ", ".join(parts)


def _capabilities(shared: Shared) -> Capabilities:
    """What holds here."""
    controllers = shared.hierarchy.controllers
    notes = [*_ID_NOTES[shared.ids.layout], *shared.outbound.notes, *shared.roots.notes, *shared.traits.notes]
    if shared.scratch.note:
        notes.append(shared.scratch.note)
    if not shared.roots.has_first_process:
        notes.append("no first process for this machine: a function cannot end itself by a signal")
    if not controllers:
        notes.append(
            "no control groups: memory, CPU and processes of a function have no limit, and it is not frozen when idle"
        )
    else:
        missing = (name for name in ("cpu", "pids", "freezer") if name not in controllers)
        notes += [f"no control group controller {name!r} here" for name in missing]
    return Capabilities(
        isolation=True,
        memory_limit="memory" in controllers,
        cpu_limit="cpu" in controllers,
        tmp_limit=True,
        private_network=shared.outbound.mode != "host",
        freeze="freezer" in controllers,
        standby=shared.traits.descriptors == "count",  # gVisor's mounts are its own: nothing appears in them later
        own_root=True,
        own_kernel=shared.traits.own_kernel,
        snapshots=bool(shared.traits.snapshot_options) and shared.scratch.uses_disk and shared.outbound.mode != "host",
        notes=tuple(notes),
    )
