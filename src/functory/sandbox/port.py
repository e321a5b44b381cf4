"""What the engine asks of isolation; drivers are chosen in ``wiring``.

**Theory.** A *sandbox* is the place one execution environment lives in. It is made in two steps, so that the engine can
serve the Runtime API before any code of the function runs, and so that a sandbox can wait without a function (standby):

1. `SandboxDriver.prepare` makes the place: namespaces, cgroup, file system, and the listening sockets *inside* its
   network. Nothing of the function runs yet.
2. `Sandbox.launch` starts the one main process. When it ends, everything in the sandbox has ended.

A sandbox is used once: after its process ended it is disposed of, never restarted.

Drivers declare what they guarantee (`Capabilities`); what a driver cannot do is said at start, never pretended.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from functory.kernel.errors import FunctoryError


class SandboxError(FunctoryError):
    """A sandbox could not be made, started or removed; the text says what the operator can do."""


class SandboxInUse(SandboxError):  # noqa: N818  reads as what it is
    """A sandbox cannot be kept because of what its processes do; the text says what they should not."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of the host that is seen inside.

    Attributes:
        source: absolute path on the host.
        target: absolute path inside, e.g. ``/var/task``.
        read_only: whether writes are refused inside.
    """

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sandbox may use. AWS: the quotas page; vCPU = memory / 1,769 MiB."""

    memory_mib: int = 128
    vcpu: float = 128 / 1769
    tmp_mib: int = 512
    processes: int = 1024
    open_files: int = 1024


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What `SandboxDriver.prepare` needs.

    Attributes:
        id: unique on this node, ``[a-z0-9-]{1,64}``; also the container id and cgroup name.
        mounts: in order; ``/var/task``, ``/var/runtime``, ``/var/lang``, ``/opt`` and configured folders (``/mnt/x``).
        limits: see `Limits`.
        aws_endpoint: whether the node's AWS endpoint shall be reachable inside (`Sandbox.aws_listener`).
        root: folder that becomes the root, seen read-only; None for the driver's own. Only drivers with
            `Capabilities.own_root` take one. It has ``/proc``, ``/dev``, ``/tmp``, ``/mnt`` and the files
            ``/etc/hosts`` and ``/etc/resolv.conf``, none of them a link; places for other mounts are made in it.
        tmp_of: a sandbox of the same driver and size that was killed and not yet disposed of: the new one takes over its
            ``/tmp``, so that an environment keeps its files over a reset. The caller disposes of the old one afterwards.
    """

    id: str
    mounts: tuple[Mount, ...]
    limits: Limits = field(default_factory=Limits)
    aws_endpoint: bool = True
    root: Path | None = None
    tmp_of: Sandbox | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """The main process.

    Attributes:
        argv: absolute program and its arguments, as paths inside (see `Sandbox.paths`).
        env: its whole environment; nothing of the node's own leaks in.
        cwd: working directory, as a path inside.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str = "/var/task"


@dataclass(frozen=True, slots=True)
class Exit:
    """How the main process ended. Exactly one of ``code`` and ``signal`` is set.

    Attributes:
        code: exit status 0..255, or None.
        signal: number of the signal that ended it, or None.
        out_of_memory: whether the memory limit killed it, or killed one of its processes and it then ended as a shell does
            that reports such an end (code 137). When it survived the loss of a child, this is false.
    """

    code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Which guarantees hold on this machine with this driver; shown by ``functory doctor`` and in the ready line.

    Attributes:
        own_kernel: whether system calls end in a kernel of the sandbox's own (gVisor).
        snapshots: whether `SandboxDriver.prepare_snapshot` works.
    """

    isolation: bool
    memory_limit: bool
    cpu_limit: bool
    tmp_limit: bool
    private_network: bool
    freeze: bool
    standby: bool = False
    own_root: bool = False
    own_kernel: bool = False
    snapshots: bool = False
    notes: tuple[str, ...] = ()


OutputSink = Callable[[bytes], None]
"""Receives output of the sandbox on the event loop, in order, in pieces of any size. Must not raise or block."""


@dataclass(frozen=True, slots=True)
class Companion:
    """A process beside the main one (an extension).

    Attributes:
        argv: absolute program and its arguments, as paths inside.
        output: receives its stdout and stderr together.
        on_exit: called once on the event loop when it has ended by itself, after its output was handed over. A driver may
            see an end by a signal as a shell does and tell it as `Exit.signal`.
    """

    argv: tuple[str, ...]
    output: OutputSink
    on_exit: Callable[[Exit], None]


class Sandbox(Protocol):
    """One prepared place. All methods are called on the event loop."""

    id: str
    paths: Mapping[str, str]
    """For every mount target, and for ``/tmp``, the path under which processes inside see it. With real isolation these are
    equal (``/var/task`` -> ``/var/task``); the ``process`` driver maps them to folders of the host."""

    runtime_listener: socket.socket
    """Listening, non-blocking TCP socket for the Runtime API, inside the sandbox's own network. The engine serves it and
    closes it."""

    runtime_address: str
    """``host:port`` of that listener as processes inside reach it (``169.254.100.1:9001`` with a private network)."""

    aws_listener: socket.socket | None
    """Listening socket inside for the node's AWS endpoint; None where the host's own endpoint is reachable directly, or
    where none was asked for. The engine serves it and closes it."""

    aws_address: str | None
    """``host:port`` of ``aws_listener`` as seen inside; None when ``aws_listener`` is."""

    async def accompany(self, companions: Sequence[Companion], env: Mapping[str, str], cwd: str) -> None:
        """Start processes that live beside the main one; before `launch`, at most once.

        They are in the same sandbox and share its limits. When the main process ends they go on until `kill`: then, and
        only then, the rule that everything ends with the main process does not hold.

        Args:
            companions: at most 16.
            env: the whole environment of each of them.
            cwd: their working directory, as a path inside.

        Raises:
            SandboxError: they could not be started; the sandbox is to be disposed of.
        """

    async def launch(self, command: Command, output: OutputSink, telemetry: OutputSink) -> None:
        """Start the main process.

        ``output`` receives its stdout and stderr together. ``telemetry`` receives what it writes to the descriptor whose
        number `telemetry_fd` tells (the framed log channel of Lambda's runtime clients).

        Raises:
            SandboxError: it could not be started; the sandbox is to be disposed of.
        """

    telemetry_fd: int | None
    """Number of the inherited descriptor for framed logs, or None where the driver cannot pass one."""

    async def connect(self, port: int) -> socket.socket:
        """A non-blocking socket connected to a TCP port inside, at the address that is ``sandbox.localdomain`` there.

        The caller closes it.

        Raises:
            OSError: nothing listens there, or nothing runs any more.
        """

    def drain(self) -> None:
        """Hand over, now, everything the process has already written. Called before a log tail or REPORT is made."""

    async def wait(self) -> Exit:
        """Return when the main process has ended and its output has been handed over. May be called by several tasks."""

    def terminate(self) -> None:
        """Ask the main process to end (SIGTERM); does nothing after it ended."""

    async def kill(self) -> None:
        """End every process of the sandbox (SIGKILL) and return when they are gone. Idempotent."""

    async def freeze(self) -> None:
        """Stop all its processes until `thaw` (cgroup freezer); no-op without that capability."""

    async def thaw(self) -> None:
        """Let them run again."""

    def limit_cpu(self, vcpu: float) -> None:
        """Change the CPU limit of `Limits.vcpu`; no-op without that capability."""

    def memory_peak_bytes(self) -> int:
        """Highest memory use so far, from the cgroup where there is one; 0 when unknown."""

    async def dispose(self) -> None:
        """Kill what still runs and remove every trace (mounts, cgroup, folders, sockets). Idempotent, never raises."""


class StandbySandbox(Sandbox, Protocol):
    """A sandbox that is launched before anybody knows for which function; used in the order of the methods.

    Its process finds a connected stream socket as descriptor `standby_fd`: it writes one byte when it waits, then reads the
    message to its end. The folders that `attach` brings appear at their targets in the running sandbox.
    """

    standby_fd: int
    """Number of the inherited channel."""

    async def waiting(self) -> None:
        """Return when the process has said that it waits.

        Raises:
            SandboxError: it ended instead.
        """

    async def attach(self, mounts: Sequence[Mount], limits: Limits) -> None:
        """Show the function's folders (`LATE_TARGETS`) and set its limits.

        Raises:
            SandboxError: not possible; the sandbox is to be disposed of.
        """

    async def hand_over(self, message: bytes) -> None:
        """Send the message and close the channel.

        Raises:
            SandboxError: the process has ended.
        """

    def memory_bytes(self) -> int:
        """Memory that its process holds now; 0 when unknown."""


class SnapshotSandbox(Sandbox, Protocol):
    """A sandbox whose processes and ``/tmp`` can be kept in a folder and go on from there in other sandboxes.

    Used once in one of two ways: `launch` and later `snapshot`, or `restore` alone. Processes go on with their memory, open
    files and environment; connections do not survive. Its ``telemetry_fd`` is None, and nothing can accompany it.
    """

    credentials_address: str
    """``host:port`` of the Runtime API at an address from which AWS's SDKs accept credentials."""

    async def snapshot(self, folder: Path, hang_up: Callable[[], None]) -> None:
        """Write its state into an empty folder of the host. Then, or when that fails, the sandbox is to be disposed of.

        Args:
            folder: for root only; what is in it holds the memory of the function.
            hang_up: called on the event loop when its processes stand still: whoever holds connections into the sandbox
                must reset them now, or they are in the way.

        Raises:
            SandboxInUse: its processes are in the way.
            SandboxError: not possible; the text says why.
        """

    async def restore(self, output: OutputSink) -> None:
        """Let the processes of the snapshot go on here; in the place of `launch`.

        Raises:
            SandboxError: it could not be; the sandbox is to be disposed of.
        """


LATE_TARGETS = ("/var/task", "/opt")
"""Where `StandbySandbox.attach` can mount."""


class SandboxDriver(Protocol):
    """Makes sandboxes."""

    name: str
    """``oci``, ``process`` or ``fake``."""

    capabilities: Capabilities

    async def start(self) -> None:
        """Make what all sandboxes share and remove what a killed node left behind (orphaned processes, cgroups, mounts).

        Raises:
            SandboxError: this driver cannot work here; the text says why and what would help.
        """

    async def prepare(self, spec: SandboxSpec) -> Sandbox:
        """Make a sandbox.

        Raises:
            SandboxError: it could not be made; nothing is left behind.
        """

    async def prepare_standby(self, spec: SandboxSpec) -> StandbySandbox:
        """Make a sandbox whose function comes later; only with `Capabilities.standby`.

        Args:
            spec: its mounts are those that every function shares, none of them at `LATE_TARGETS`; its limits hold until
                `StandbySandbox.attach`.

        Raises:
            SandboxError: it could not be made, or this driver makes none; nothing is left behind.
        """

    async def prepare_snapshot(self, spec: SandboxSpec, folder: Path | None = None) -> SnapshotSandbox:
        """Make a sandbox to `SnapshotSandbox.snapshot` or to `SnapshotSandbox.restore`; only with `Capabilities.snapshots`.

        Args:
            spec: without ``tmp_of``. To restore, its mounts show what they showed when the snapshot was taken.
            folder: what `SnapshotSandbox.snapshot` wrote, to restore from; its ``/tmp`` begins as it was.

        Raises:
            SandboxError: it could not be made, the folder is not of this driver, or it makes none; nothing is left behind.
        """

    async def close(self) -> None:
        """Dispose of every sandbox that is left."""
