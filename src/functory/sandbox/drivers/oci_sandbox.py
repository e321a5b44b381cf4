"""One container: from its network to its removal. See `functory.sandbox.drivers.oci` for the theory."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from functory.kernel import log
from functory.sandbox import first_process, idmap, inside, linux, network, oci_spec, process_tree
from functory.sandbox.cgroups import Hierarchy
from functory.sandbox.child import Child, OutputPipe, reap_if_ended
from functory.sandbox.drivers.oci_supervisor import Supervisor
from functory.sandbox.first_process import FirstProcess
from functory.sandbox.identity import Ids
from functory.sandbox.outbound import Outbound
from functory.sandbox.port import Command, Companion, Exit, Mount, OutputSink, SandboxError, SandboxSpec
from functory.sandbox.rootfs import RootTemplates
from functory.sandbox.scratch import Scratch
from functory.sandbox.traits import TELEMETRY_FD, Traits

_START_TIMEOUT_S = 30.0
_KILL_TIMEOUT_S = 10.0
_FREEZE_TIMEOUT_S = 2.0
_POLL_S = 0.001
_LOG_BYTES_MAX = 16_384
_ABOVE_INHERITED = 64
RUNTIME_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
# A runtime that ends when the process runs is a short-lived program: one thread and no garbage collection halve its start.
_SHORT_LIVED_ENV = {"GOMAXPROCS": "1", "GOGC": "off"}

_log = log.get("sandbox.oci")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sandboxes of a driver use.

    Attributes:
        runtime: the OCI runtime's program.
        bundles: folder of the bundles, for root only.
        state: the runtime's ``--root`` folder.
        hierarchy: the machine's control groups.
        parent_group: path of the group below which every sandbox has its own.
        traits: what the runtime wants and can.
        executor: threads that see the node's mounts.
        mains: the main processes of all sandboxes.
        watched: processes of the runtime whose status somebody waits for.
        spawning: held while one is started and entered there.
    """

    runtime: Path
    bundles: Path
    state: Path
    hierarchy: Hierarchy
    parent_group: str
    roots: RootTemplates
    scratch: Scratch
    ids: Ids
    outbound: Outbound
    traits: Traits
    executor: Executor
    mains: set[int] = field(default_factory=set)
    watched: set[int] = field(default_factory=set)
    spawning: threading.Lock = field(default_factory=threading.Lock)


class OciSandbox:
    """See `Sandbox`."""

    def __init__(self, spec: SandboxSpec, shared: Shared, on_disposed: Callable[[OciSandbox], None]) -> None:
        self.id = spec.id
        self.paths: Mapping[str, str] = {"/tmp": "/tmp"} | {mount.target: mount.target for mount in spec.mounts}  # noqa: S108
        self.runtime_address = ""  # known when the network is made
        self.aws_address: str | None = None
        self._spec = spec
        self._shared = shared
        self._on_disposed = on_disposed
        self._folder = shared.bundles / spec.id
        self._group_path = f"{shared.parent_group}/{spec.id}"
        self._group = shared.hierarchy.group(self._group_path)
        self.telemetry_fd = TELEMETRY_FD if shared.traits.passes_fds else None
        self._heir_of = spec.tmp_of if isinstance(spec.tmp_of, OciSandbox) else None
        self._owns_id = shared.traits.user_namespace
        if self._heir_of is not None:
            self._first_id = self._heir_of.leave_ids()
        else:
            self._first_id = shared.ids.take() if shared.traits.user_namespace else 0
        self._state = shared.state / spec.id if shared.traits.own_state else shared.state
        self._network: network.Network | None = None
        self._root = Path()
        self._tmp = Path()
        self._maps: list[Path] = []
        self._work: asyncio.Future[None] | None = None
        self._pipes: tuple[OutputPipe, ...] = ()
        self._starting: asyncio.Future[int] | None = None
        self._starter: Child | None = None
        self._supervisor: Supervisor | None = None
        self._first: FirstProcess | None = None
        self._main: Child | None = None
        self._final_peak = 0
        self._launched = False
        self._disposed = False
        self._disposing = asyncio.Lock()

    @property
    def tmp_folder(self) -> Path:
        """Where its ``/tmp`` is mounted on the host."""
        return self._folder / "tmp"

    def leave_ids(self) -> int:
        """Give its user ids to the sandbox that takes over its files; the first of them."""
        self._owns_id = False
        return self._first_id

    async def make(self) -> None:
        """Make network, folders and ``/tmp``; on failure `dispose` removes what there is.

        Raises:
            OSError: the kernel refused.
            SandboxError: the ``/tmp`` could not be made.
        """
        self._work = asyncio.get_running_loop().run_in_executor(self._shared.executor, self._make)
        await asyncio.shield(self._work)
        made = self._require_network()
        self.runtime_listener = made.runtime_listener
        self.aws_listener = made.aws_listener
        self.runtime_address, self.aws_address = made.runtime_address, made.aws_address

    def _make(self) -> None:
        """In a thread."""
        self._network = self._make_network()
        self._folder.mkdir(parents=True, mode=0o755)
        self._tmp = self._make_tmp()
        image = self._spec.root
        targets = [mount.target for mount in self._spec.mounts]
        targets += [mount.target for mount in self._shared.roots.first_process()] if image else []
        self._root = self._shared.roots.root_of_image(image, targets) if image else self._shared.roots.root_for(targets)
        mounts = tuple(self._mapped(number, mount) for number, mount in enumerate(self._spec.mounts))
        ours = (*self._shared.roots.network_files(), *self._shared.roots.first_process()) if image else ()
        self._spec = dataclasses.replace(self._spec, mounts=(*mounts, *ours))

    def _make_network(self) -> network.Network:
        """In a thread."""
        return self._shared.outbound.make(aws_endpoint=self._spec.aws_endpoint)

    def _make_tmp(self) -> Path:
        """In a thread: the folder that becomes ``/tmp``."""
        tmp = self._folder / "tmp"
        tmp.mkdir(mode=0o755)
        if self._heir_of is not None:  # bound, not moved: nothing can be moved out of a standby's shared folder
            linux.mount(str(self._heir_of.tmp_folder), tmp, flags=linux.MS_BIND)
        else:
            self._shared.scratch.create(tmp, self._spec.limits.tmp_mib)
        return tmp

    def _mapped(self, number: int, mount: Mount) -> Mount:
        """The mount whose source belongs to the sandbox's user, for a configured folder; else the mount itself."""
        if not idmap.wants_mapping(mount):
            return mount
        if mount.source.stat().st_uid == 0:
            idmap.check_unmapped(mount, "it belongs to root")
        folder = self._shared.roots.folder_of_maps / f"{self.id}.{number}"
        folder.mkdir()
        self._maps.append(folder)
        try:
            idmap.attach(mount, self._first_id, folder)
        except OSError as error:
            idmap.check_unmapped(mount, str(error))
            return mount
        return dataclasses.replace(mount, source=folder)

    async def accompany(self, companions: Sequence[Companion], env: Mapping[str, str], cwd: str) -> None:
        """See `Sandbox`; `Supervisor` tells how."""
        if not self._shared.traits.passes_fds:
            raise SandboxError(
                f"this version of {self._shared.runtime.name} cannot pass the descriptors that extensions need"
            )
        if self._launched or self._disposed or self._supervisor is not None:
            raise SandboxError(f"sandbox {self.id} was used already")
        self._supervisor = supervisor = Supervisor(companions)  # whose shell does what the first process does
        await self._run(supervisor.command)
        supervisor.begin(env, cwd, self._pipes)

    async def launch(self, command: Command, output: OutputSink, telemetry: OutputSink) -> None:
        """See `Sandbox`."""
        if self._launched or self._disposed:
            raise SandboxError(f"sandbox {self.id} was used already")
        self._launched = True
        if self._supervisor is None:
            await self._run(command)
        self._pipes[0].attach(output)
        self._pipes[1].attach(telemetry)
        if self._supervisor is not None:
            self._supervisor.start_main(command)
        await self._await_program(command)

    async def _run(self, command: Command) -> None:
        """Start the container's first process.

        Raises:
            SandboxError: it could not be started.
        """
        self._pipes = (OutputPipe(), OutputPipe())
        if self._has_first_process:
            self._first = FirstProcess()
        self._starting = asyncio.get_running_loop().run_in_executor(self._shared.executor, self._spawn, command)
        try:
            await self._follow_start(_START_TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise SandboxError(f"sandbox {self.id} could not be started: {error}") from error
        if self._main is None:
            raise SandboxError(f"{self._shared.runtime.name} could not start {command.argv[0]}: {self._failure_text()}")
        made = self._require_network()
        if made.fd >= 0:
            os.close(made.fd)  # from now on the processes hold the namespace
            made.fd = -1

    @property
    def _has_first_process(self) -> bool:
        shared = self._shared
        return self._supervisor is None and shared.traits.passes_fds and shared.roots.has_first_process

    async def _await_program(self, command: Command) -> None:
        """The first process runs; see what became of the command.

        Raises:
            SandboxError: it could not be executed.
        """
        if self._first is None:
            return
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await self._first.started()
        except OSError as error:  # a timeout, too
            raise SandboxError(f"sandbox {self.id} could not start {command.argv[0]}: {error}") from error

    async def _follow_start(self, timeout_s: float) -> None:
        """Wait until the runtime's command has ended, and take over the process it started.

        Whoever comes first does it: `launch`, or `kill` after a `launch` that was cancelled. A start is never cut off half
        way, because what the runtime had made by then could not be found.

        Raises:
            OSError: the command could not be started.
            ValueError: it ended well and left no process id.
        """
        if self._starting is None:
            return
        pid = await asyncio.shield(self._starting)
        if self._starter is None:
            self._close_inherited()
            self._starter = Child(pid, (), lambda how, _: how)
        try:
            async with asyncio.timeout(timeout_s):
                await self._starter.wait()
        except TimeoutError:
            _log.error("runtime_does_not_end", sandbox=self.id)
            self._starter.signal(signal.SIGKILL)
        how = await self._starter.wait()
        self._shared.watched.discard(pid)
        if self._main is None and how.code == 0:
            self._main = Child(int((self._folder / "pid").read_text()), self._pipes, self._conclude)
            self._shared.mains.add(self._main.pid)

    def _place(self) -> oci_spec.Place:
        traits = self._shared.traits
        return oci_spec.Place(
            root=self._root,
            dev=None if traits.own_dev else self._shared.roots.dev,
            tmp=self._tmp,
            network=self._require_network().path,
            cgroup=self._group_path if self._shared.hierarchy.version else "",
            first_id=self._first_id,
            layout=self._shared.ids.layout,
            machine=os.uname().machine,
            limits_swap=self._shared.hierarchy.limits_swap,
            user_namespace=traits.user_namespace,
            extra_memory_mib=traits.extra_memory_mib,
            first=first_process.arguments(self._status_number) if self._first is not None else (),
        )

    @property
    def _status_number(self) -> int:
        """Of the first process's pipe, inside."""
        return max(self._inherited()) + 1

    def _inherited(self) -> dict[int, int]:
        """Number inside, from `TELEMETRY_FD` on without gaps -> descriptor that the process gets there."""
        inherited = {TELEMETRY_FD: self._pipes[1].write_fd}
        return inherited if self._supervisor is None else inherited | self._supervisor.inherited

    def _close_inherited(self) -> None:
        """The process has them, or there is none."""
        for pipe in self._pipes:
            pipe.close_write_end()
        if self._supervisor is not None:
            self._supervisor.close_inherited()
        if self._first is not None:
            self._first.close_write_end()

    def _spawn(self, command: Command) -> int:
        """In a thread: write the bundle and start the runtime's command; its pid."""
        (self._folder / "config.json").write_text(json.dumps(oci_spec.config(self._spec, command, self._place())))
        uid, gid = oci_spec.user_outside(self._shared.ids.layout, self._first_id)
        inherited = self._inherited()
        if self._first is not None:
            inherited[self._status_number] = self._first.write_fd
        for fd in (self._pipes[0].write_fd, *inherited.values()):
            os.fchown(fd, uid, gid)  # so that /dev/stdout can be opened by name
        argv = [
            str(self._shared.runtime), "--root", str(self._state), "--log", str(self._folder / "log"),
            "--log-format", "json", *self._start_options(tuple(sorted(inherited))),
            "--bundle", str(self._folder), "--pid-file", str(self._folder / "pid"), self._container_id(),
        ]  # fmt: skip
        with contextlib.ExitStack() as held:
            nothing = held.enter_context(open(os.devnull, "rb"))  # noqa: PTH123
            given = nothing.fileno() if self._supervisor is None else self._supervisor.stdin
            actions = [
                (os.POSIX_SPAWN_DUP2, given, 0),
                (os.POSIX_SPAWN_DUP2, self._pipes[0].write_fd, 1),
                (os.POSIX_SPAWN_DUP2, self._pipes[0].write_fd, 2),
            ]
            for number, fd in inherited.items():
                # copied to a number above all targets, so that no target replaces a descriptor that is still needed
                high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE_INHERITED)
                held.callback(os.close, high)
                actions.append((os.POSIX_SPAWN_DUP2, high, number))
            environment = RUNTIME_ENV | ({} if self._shared.traits.helpers else _SHORT_LIVED_ENV)
            with self._shared.spawning:
                pid = self._start_program(
                    lambda: os.posix_spawn(argv[0], argv, environment, file_actions=actions, setsid=True)
                )
                self._shared.watched.add(pid)
        # Written by root, the score is also the floor that the function cannot go below; the runtime's children inherit it.
        with contextlib.suppress(OSError):  # it has ended already
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(oci_spec.OOM_SCORE))
        return pid

    def _start_options(self, descriptors: tuple[int, ...]) -> tuple[str, ...]:
        """The runtime's global options, the command that starts a container, and its options."""
        traits = self._shared.traits
        return *traits.global_options, "run", "--detach", *traits.run_options(descriptors)

    def _start_program(self, spawn: Callable[[], int]) -> int:
        """In a thread: start the runtime's command with ``spawn``; its pid."""
        return spawn()

    def _container_id(self) -> str:
        """Unique among all nodes of the machine where the runtime needs it (gVisor names a socket of the host by it)."""
        return f"{self._shared.parent_group.rsplit('/', 1)[-1]}-{self.id}" if self._shared.traits.own_state else self.id

    def _failure_text(self) -> str:
        """The last error that the runtime logged."""
        with contextlib.suppress(OSError), open(self._folder / "log", "rb") as file:  # noqa: PTH123
            lines = file.read(_LOG_BYTES_MAX).decode(errors="replace").splitlines()
            for line in reversed(lines):
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    return str(json.loads(line)["msg"])
        return "it gave no reason"

    async def connect(self, port: int) -> socket.socket:
        """See `Sandbox`."""
        if self._main is None or self._main.has_ended:
            raise ConnectionRefusedError(f"nothing runs in sandbox {self.id}")
        address = self.runtime_address.rpartition(":")[0]
        return await inside.connect(inside.socket_in(f"/proc/{self._main.pid}/ns/net"), (address, port))

    def drain(self) -> None:
        """See `Sandbox`."""
        if self._main is not None:
            self._main.drain()
        if self._supervisor is not None:
            self._supervisor.drain()

    async def wait(self) -> Exit:
        """See `Sandbox`."""
        if self._main is None or not self._launched:
            raise SandboxError(f"sandbox {self.id} was not launched")
        if self._supervisor is not None:
            return await self._supervisor.wait(self._main, self._conclude)
        return await self._main.wait()

    def terminate(self) -> None:
        """See `Sandbox`."""
        if self._supervisor is not None:
            self._supervisor.terminate()
        elif self._main is not None:
            self._main.signal(signal.SIGTERM)

    async def kill(self) -> None:
        """See `Sandbox`; the kernel ends all processes of a process-id namespace with its first."""
        with contextlib.suppress(OSError, ValueError):  # `launch` has told about it
            await self._follow_start(_KILL_TIMEOUT_S)
        if self._main is None:
            return
        self._main.signal(signal.SIGKILL)
        self._group.set_frozen(False)
        try:
            async with asyncio.timeout(_KILL_TIMEOUT_S):
                await self._main.wait()
        except TimeoutError:
            _log.error("sandbox_does_not_die", sandbox=self.id)

    async def freeze(self) -> None:
        """See `Sandbox`."""
        self._group.set_frozen(True)
        give_up_at = asyncio.get_running_loop().time() + _FREEZE_TIMEOUT_S
        while self._group.exists() and not self._group.is_frozen():
            if asyncio.get_running_loop().time() > give_up_at:
                _log.warning("sandbox_does_not_freeze", sandbox=self.id)
                return
            await asyncio.sleep(_POLL_S)

    async def thaw(self) -> None:
        """See `Sandbox`."""
        self._group.set_frozen(False)

    def limit_cpu(self, vcpu: float) -> None:
        """See `Sandbox`."""
        self._group.limit_cpu(oci_spec.cpu_quota_us(vcpu), oci_spec.CPU_PERIOD_US)

    def memory_peak_bytes(self) -> int:
        """See `Sandbox`."""
        if self._shared.hierarchy.version or self._main is None or self._main.has_ended:
            return max(self._final_peak, self._group.memory_peak_bytes())
        return sum(process_tree.memory_peak_bytes(pid) for pid in process_tree.below(self._main.pid))

    async def dispose(self) -> None:
        """See `Sandbox`."""
        async with self._disposing:
            if self._disposed:
                return
            if self._work is not None:
                await asyncio.wait([self._work])  # a cancelled `make` still works in its thread
            try:
                await self.kill()
                await self._clear_group()
            except OSError as error:
                _log.error("sandbox_left", sandbox=self.id, reason=str(error))
            for pipe in self._pipes:
                pipe.close()
            if self._supervisor is not None:
                self._supervisor.close()
            if self._first is not None:
                self._first.close()
            if self._network is not None:
                self._network.close()
            await asyncio.get_running_loop().run_in_executor(self._shared.executor, self._remove_folders)
            if self._owns_id:
                self._shared.ids.release(self._first_id)
            if self._main is not None:
                self._shared.mains.discard(self._main.pid)
            self._disposed = True
            self._on_disposed(self)

    async def _clear_group(self) -> None:
        """Remove the control group, after killing what an interrupted start may have left in it."""
        give_up_at = asyncio.get_running_loop().time() + _KILL_TIMEOUT_S
        leftovers: set[int] = set()
        while self._group.exists():
            pids = self._group.pids()
            leftovers.update(pids)
            if pids:
                self._group.kill()
            elif self._group.remove():
                break
            if asyncio.get_running_loop().time() > give_up_at:
                _log.error("control_group_left", sandbox=self.id)
                break
            await asyncio.sleep(_POLL_S)
        self._group.remove()  # also where it was gone already: lets go of its files
        if self._shared.traits.helpers:
            self._reap_helpers()
        leftovers |= self._strays()
        while leftovers := reap_if_ended(leftovers):
            for pid in leftovers:
                os.kill(pid, signal.SIGKILL)
            if asyncio.get_running_loop().time() > give_up_at:
                _log.error("runtime_processes_left", sandbox=self.id)
                break
            await asyncio.sleep(_POLL_S)

    def _reap_helpers(self) -> None:
        """Collect the runtime's other processes: they became the node's children when the main one ended.

        An ended process says no more which sandbox it was of, so that this collects those of all. It must not take the main
        process of a sandbox, nor of one that just starts: such a process is not older than the command that starts it.
        """
        shared = self._shared
        with shared.spawning:
            starts = [process_tree.started_at(pid) for pid in shared.watched]
            ended = process_tree.ended_children_of(os.getpid(), shared.traits.helpers)
        reap_if_ended(pid for pid, at in ended.items() if pid not in shared.mains and all(at < start for start in starts))

    def _strays(self) -> set[int]:
        """Processes of a runtime whose start failed and that did not wait for them (crun does so): the node adopted them."""
        if self._starter is None or self._main is not None:
            return set()
        with self._shared.spawning:
            return process_tree.children_of(os.getpid(), self._shared.runtime.name) - self._shared.watched

    def _remove_folders(self) -> None:
        """In a thread. The runtime's own ``delete`` would fork a process of 5 ms to do the same."""
        try:
            self._unmount()
        except OSError as error:
            _log.error("mount_left", sandbox=self.id, reason=str(error))
            return  # never remove files through a mount
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.rmtree(self._shared.state / self.id, ignore_errors=True)

    def _unmount(self) -> None:
        """In a thread: take away every mount of this sandbox that the node sees.

        Raises:
            OSError: one cannot be taken away.
        """
        for folder in self._maps:
            linux.detach(folder)
            folder.rmdir()
        self._maps.clear()
        linux.detach(self._folder / "tmp")

    def _conclude(self, how: Exit, peak: int) -> Exit:
        """The final `Exit`, read from the control group before it is removed."""
        self._final_peak = self._group.memory_peak_bytes() or peak
        how = (self._first.how() if self._first is not None else None) or how
        killed = how.signal == signal.SIGKILL or how.code == 128 + signal.SIGKILL
        return Exit(how.code, how.signal, out_of_memory=killed and self._group.oom_kills() > 0)

    def _require_network(self) -> network.Network:
        if self._network is None:
            raise SandboxError(f"sandbox {self.id} was not made")
        return self._network
