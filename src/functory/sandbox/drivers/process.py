"""The driver ``process``: plain child processes, no isolation. The declared fallback.

For machines where no OCI runtime can work: macOS, or a container without privileges. A function runs as the node's own user
and sees the whole host. Lambda's folders are not where AWS has them: `Sandbox.paths` tells where they are, and runtimes that
take their paths from the environment find them.

What is kept even so: an own session per function, and an end that ends everything. Processes that left the session are
found by a marker in their environment (``FUNCTORY_SANDBOX``, the one variable added to what the engine gives), so a function
cannot leave something running by a double fork; one that also clears its environment can, which the notes say. With
``setpriv`` the main process dies with the node; the rest a killed node left is removed when the next one starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from functory.kernel import log
from functory.sandbox import inside, process_tree
from functory.sandbox.child import Child, OutputPipe, reap_if_ended
from functory.sandbox.mounts import check_mounts
from functory.sandbox.oci_spec import OOM_SCORE
from functory.sandbox.port import (
    Capabilities,
    Command,
    Companion,
    Exit,
    OutputSink,
    Sandbox,
    SandboxError,
    SandboxSpec,
    SnapshotSandbox,
    StandbySandbox,
)

MARKER = "FUNCTORY_SANDBOX"
_ID = re.compile(r"[a-z0-9-]{1,64}")
_BACKLOG = 512
_KILL_TIMEOUT_S = 10.0
_POLL_S = 0.002
_TOOL_TIMEOUT_S = 10

_log = log.get("sandbox.process")

_NOTES = (
    "functions run as the node's user and see the whole host: run only code you trust",
    "mounts are not made read-only, and /tmp is a folder without a size limit",
    "a function can leave a process behind if that clears its environment and leaves its session",
)

_MISSING = {
    "setpriv": "functions outlive a killed node until the next one starts: setpriv (util-linux) is not here",
    "prlimit": "the limit of open files is the node's: prlimit (util-linux) is not here",
}


class ProcessDriver:
    """Makes child processes.

    Args:
        run_dir: absolute folder for the sandboxes' ``/tmp`` folders; used by one node at a time.
        note: why this driver was taken, for the ready line.
    """

    name = "process"

    def __init__(self, run_dir: Path, note: str = "") -> None:
        self._run_dir = run_dir
        self._sandboxes: dict[str, ProcessSandbox] = {}
        self._lock_fd = -1
        self._tools = _tools()
        missing = tuple(text for tool, text in _MISSING.items() if tool not in self._tools)
        self.capabilities = _capabilities(((note,) if note else ()) + _NOTES + missing)

    async def start(self) -> None:
        """See `SandboxDriver`."""
        try:
            self._run_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
            self._lock_fd = _lock(self._run_dir)
            await asyncio.to_thread(self._recover)
        except OSError as error:
            await self.close()
            raise SandboxError(f"the run folder {self._run_dir} cannot be used: {error}") from error

    async def prepare(self, spec: SandboxSpec) -> Sandbox:
        """See `SandboxDriver`."""
        if self._lock_fd < 0:
            raise SandboxError("the process driver is not started")
        if not _ID.fullmatch(spec.id) or spec.id in self._sandboxes:
            raise SandboxError(f"sandbox id {spec.id!r}: must be 1 to 64 of a-z, 0-9 and -, and not in use")
        if spec.root is not None:
            raise SandboxError("container images need the oci driver: without isolation there is only the host's root")
        check_mounts(spec.mounts)
        folder = self._run_dir / "sandboxes" / spec.id
        try:
            sandbox = ProcessSandbox(spec, folder, self._tools, lambda: self._sandboxes.pop(spec.id, None))
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise SandboxError(f"sandbox {spec.id} could not be made: {error}") from error
        self._sandboxes[spec.id] = sandbox
        return sandbox

    async def prepare_standby(self, spec: SandboxSpec) -> StandbySandbox:
        """See `SandboxDriver`; there is nothing that could be mounted into a running process of this driver."""
        raise SandboxError(f"sandbox {spec.id}: the driver {self.name} makes none whose function comes later")

    async def prepare_snapshot(self, spec: SandboxSpec, folder: Path | None = None) -> SnapshotSandbox:  # noqa: ARG002
        """See `SandboxDriver`; a process of this driver cannot be kept."""
        raise SandboxError(f"sandbox {spec.id}: the driver {self.name} keeps none")

    async def close(self) -> None:
        """See `SandboxDriver`."""
        await asyncio.gather(*(sandbox.dispose() for sandbox in list(self._sandboxes.values())))
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _recover(self) -> None:
        """Kill what a killed node's functions left running, and remove their folders. Blocks."""
        marker = f"{MARKER}={self._run_dir}/".encode()
        orphans = process_tree.with_environment(marker, is_prefix=True)
        for pid in orphans:
            _kill(pid)
        shutil.rmtree(self._run_dir / "sandboxes", ignore_errors=True)
        if orphans:
            _log.warning("orphaned_processes_removed", count=len(orphans))


class ProcessSandbox:
    """See `Sandbox`."""

    aws_listener: socket.socket | None = None
    aws_address: str | None = None

    def __init__(self, spec: SandboxSpec, folder: Path, tools: Mapping[str, str], on_disposed: Callable[[], object]) -> None:
        self.id = spec.id
        self._spec = spec
        self._folder = folder
        self._tools = tools
        self._marker = f"{MARKER}={folder}"
        tmp = folder / "tmp"
        if isinstance(spec.tmp_of, ProcessSandbox):
            folder.mkdir(parents=True)
            (spec.tmp_of._folder / "tmp").rename(tmp)
        else:
            tmp.mkdir(parents=True, mode=0o700)
        self.paths: Mapping[str, str] = {"/tmp": str(tmp)} | {mount.target: str(mount.source) for mount in spec.mounts}  # noqa: S108
        self.runtime_listener = _listen()
        host, port = self.runtime_listener.getsockname()
        self.runtime_address = f"{host}:{port}"
        self._pipes = (OutputPipe(), OutputPipe())
        self.telemetry_fd: int | None = self._pipes[1].write_fd
        self._on_disposed = on_disposed
        self._main: Child | None = None
        self._companions: list[_Accompanying] = []
        self._orphans: set[int] = set()
        self._peak = 0
        self._launched = False
        self._disposed = False
        self._disposing = asyncio.Lock()

    async def accompany(self, companions: Sequence[Companion], env: Mapping[str, str], cwd: str) -> None:
        """See `Sandbox`."""
        if self._launched or self._disposed or self._companions:
            raise SandboxError(f"sandbox {self.id} was used already")
        for companion in companions:
            pipe = OutputPipe()
            self._companions.append(_Accompanying(self._start(companion.argv, env, cwd, pipe, ()), pipe, companion))

    def _start(
        self, argv: tuple[str, ...], env: Mapping[str, str], cwd: str, output: OutputPipe, pass_fds: tuple[int, ...]
    ) -> int:
        """Start one process; its pid.

        Raises:
            SandboxError: it could not be started.
        """
        if not os.access(argv[0], os.X_OK):
            raise SandboxError(f"could not start {argv[0]}: no such program")
        try:
            # On this thread: the kernel's parent-death signal comes when the *thread* that started the child ends.
            process = subprocess.Popen(  # noqa: S603
                [*_launcher(self._tools, self._spec.limits.open_files), *argv],
                env={**env, MARKER: str(self._folder)},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output.write_fd,
                stderr=output.write_fd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise SandboxError(f"could not start {argv[0]}: {error}") from error
        with contextlib.suppress(OSError):  # it has ended already, or there is no /proc
            Path(f"/proc/{process.pid}/oom_score_adj").write_text(str(OOM_SCORE))
        process.returncode = 0  # its status is collected by `Child`; keeps Popen from waiting for it
        output.close_write_end()
        return process.pid

    async def launch(self, command: Command, output: OutputSink, telemetry: OutputSink) -> None:
        """See `Sandbox`."""
        if self._launched or self._disposed:
            raise SandboxError(f"sandbox {self.id} was used already")
        self._launched = True
        out, framed = self._pipes
        pid = self._start(command.argv, command.env, command.cwd, out, (framed.write_fd,))
        framed.close_write_end()
        self._main = Child(pid, self._pipes, self._conclude)
        out.attach(output)
        framed.attach(telemetry)

    async def connect(self, port: int) -> socket.socket:
        """See `Sandbox`."""
        new = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        new.setblocking(False)
        return await inside.connect(new, ("127.0.0.1", port))

    def drain(self) -> None:
        """See `Sandbox`."""
        if self._main is not None:
            self._sample_memory()
            self._main.drain()
        for one in self._companions:
            one.child.drain()

    async def wait(self) -> Exit:
        """See `Sandbox`."""
        if self._main is None:
            raise SandboxError(f"sandbox {self.id} was not launched")
        return await self._main.wait()

    def terminate(self) -> None:
        """See `Sandbox`."""
        if self._main is not None:
            self._main.signal(signal.SIGTERM)

    async def kill(self) -> None:
        """See `Sandbox`."""
        if self._main is None and not self._companions:
            return
        give_up_at = asyncio.get_running_loop().time() + _KILL_TIMEOUT_S
        children = [*([self._main] if self._main is not None else []), *(one.child for one in self._companions)]
        for child in children:
            child.signal(signal.SIGKILL)
        while self._kill_rest():
            if asyncio.get_running_loop().time() > give_up_at:
                _log.error("sandbox_does_not_die", sandbox=self.id)
                break
            await asyncio.sleep(_POLL_S)
        for child in children:
            await child.wait()

    async def freeze(self) -> None:
        """See `Sandbox`: this driver cannot."""

    async def thaw(self) -> None:
        """See `Sandbox`: this driver cannot."""

    def limit_cpu(self, vcpu: float) -> None:
        """See `Sandbox`."""

    def memory_peak_bytes(self) -> int:
        """See `Sandbox`; the highest sample so far, or the main process's own record after its end."""
        self._sample_memory()
        return self._peak

    async def dispose(self) -> None:
        """See `Sandbox`."""
        async with self._disposing:
            if self._disposed:
                return
            await self.kill()
            for pipe in self._pipes:
                pipe.close()
            self.runtime_listener.close()
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._disposed = True
            self._on_disposed()

    def _conclude(self, how: Exit, peak_bytes: int) -> Exit:
        # The kernel's record starts with the memory of the node that was forked; it tells something only beyond that.
        if peak_bytes > process_tree.memory_peak_bytes(os.getpid()):
            self._peak = max(self._peak, peak_bytes)
        if not self._companions:
            self._kill_rest()  # when the main process has ended, everything has
        return how

    def _kill_rest(self) -> bool:
        """SIGKILL to every process of the sandbox but the main one; whether any is not gone yet."""
        rest = self._others()
        for pid in rest:
            _kill(pid)
        # Orphans become our children when the node is the first process of a container.
        self._orphans = reap_if_ended(self._orphans | rest)
        return bool(rest or self._orphans)

    def _others(self) -> set[int]:
        ours = {one.child.pid for one in self._companions} | ({self._main.pid} if self._main is not None else set())
        found = process_tree.with_environment(self._marker.encode())
        for pid in ours:
            found |= process_tree.of_session(pid)
        return found - ours - {os.getpid()}

    def _sample_memory(self) -> None:
        if self._main is not None and not self._main.has_ended:
            total = sum(process_tree.memory_peak_bytes(pid) for pid in process_tree.of_session(self._main.pid))
            self._peak = max(self._peak, total)


class _Accompanying:
    """A companion that was started."""

    __slots__ = ("child",)

    def __init__(self, pid: int, pipe: OutputPipe, companion: Companion) -> None:
        self.child = Child(pid, (pipe,), lambda how, _: how, companion.on_exit)
        pipe.attach(companion.output)


def _listen() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _tools() -> dict[str, str]:
    """The tools of this machine that can stand in front of a command: they set something and then become it."""
    if sys.platform != "linux":
        return {}
    return {name: path for name in ("setpriv", "prlimit") if (path := shutil.which(name))}


def _launcher(tools: Mapping[str, str], open_files: int) -> list[str]:
    launcher = []
    if setpriv := tools.get("setpriv"):
        launcher += [setpriv, "--pdeathsig", "KILL", "--"]
    if prlimit := tools.get("prlimit"):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = open_files if hard == resource.RLIM_INFINITY else min(open_files, hard)
        launcher += [prlimit, f"--nofile={files}:{files}", "--core=0:0", "--"]
    return launcher


def _lock(run_dir: Path) -> int:
    fd = os.open(run_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise SandboxError(f"another node uses the run folder {run_dir}") from error
    return fd


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _capabilities(notes: tuple[str, ...]) -> Capabilities:
    return Capabilities(
        isolation=False,
        memory_limit=False,
        cpu_limit=False,
        tmp_limit=False,
        private_network=False,
        freeze=False,
        notes=notes,
    )
