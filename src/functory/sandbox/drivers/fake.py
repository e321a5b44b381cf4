"""The driver ``fake``: a Python coroutine plays the process. For tests of the engine; runs on a virtual-time loop.

A *behaviour* is an async callable that receives a `FakeProcess` and returns the exit code (or an `Exit`). It can write
output, talk to the real listening sockets (as a runtime client would), wait for SIGTERM, or run for ever: `kill` cancels it.
Nothing here starts a process or a thread.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from functory.sandbox import inside
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


@dataclass(slots=True)
class FakeProcess:
    """What a behaviour sees.

    Attributes:
        command: as given to `Sandbox.launch`.
        spec: as given to `SandboxDriver.prepare`.
        output: writes to stdout.
        telemetry: writes to the descriptor of framed logs.
        runtime_address: where the Runtime API listens, as ``(host, port)``.
        aws_address: where the AWS endpoint listens; None when none was asked for.
        terminated: set by `Sandbox.terminate`; a behaviour that does not look at it ignores SIGTERM.
        thawed: cleared while the sandbox is frozen; a behaviour waits for it to play along.
    """

    command: Command
    spec: SandboxSpec
    output: OutputSink
    telemetry: OutputSink
    runtime_address: tuple[str, int]
    aws_address: tuple[str, int] | None
    terminated: asyncio.Event = field(default_factory=asyncio.Event)
    thawed: asyncio.Event = field(default_factory=asyncio.Event)


Behaviour = Callable[[FakeProcess], Awaitable[int | Exit]]


class FakeDriver:
    """Makes scripted sandboxes.

    Args:
        behaviour: what every process does.
        fail_prepare: called with every spec; an error it returns is raised by `prepare`.

    Attributes:
        sandboxes: every sandbox ever made, by id, disposed ones too.
    """

    name = "fake"

    def __init__(
        self, behaviour: Behaviour, fail_prepare: Callable[[SandboxSpec], SandboxError | None] = lambda _: None
    ) -> None:
        self._behaviour = behaviour
        self._fail_prepare = fail_prepare
        self.sandboxes: dict[str, FakeSandbox] = {}
        self.capabilities = Capabilities(
            isolation=False, memory_limit=False, cpu_limit=False, tmp_limit=False, private_network=False, freeze=True
        )

    async def start(self) -> None:
        """See `SandboxDriver`."""

    async def prepare(self, spec: SandboxSpec) -> Sandbox:
        """See `SandboxDriver`."""
        error = self._fail_prepare(spec)
        if error is not None:
            raise error
        sandbox = FakeSandbox(spec, self._behaviour)
        self.sandboxes[spec.id] = sandbox
        return sandbox

    async def prepare_standby(self, spec: SandboxSpec) -> StandbySandbox:
        """See `SandboxDriver`; there is nothing that could be mounted into a running process of this driver."""
        raise SandboxError(f"sandbox {spec.id}: the driver {self.name} makes none whose function comes later")

    async def prepare_snapshot(self, spec: SandboxSpec, folder: Path | None = None) -> SnapshotSandbox:  # noqa: ARG002
        """See `SandboxDriver`; a coroutine cannot be kept."""
        raise SandboxError(f"sandbox {spec.id}: the driver {self.name} keeps none")

    async def close(self) -> None:
        """See `SandboxDriver`."""
        for sandbox in self.sandboxes.values():
            await sandbox.dispose()


class FakeSandbox:
    """See `Sandbox`.

    Attributes:
        is_frozen: between `freeze` and `thaw`.
        is_disposed: after `dispose`.
        command: what was launched, if anything.
        companions: what was to accompany it, with ``companion_env`` and ``companion_cwd``.
        peak_bytes: what `memory_peak_bytes` tells; tests set it.
    """

    telemetry_fd: int | None = 3

    def __init__(self, spec: SandboxSpec, behaviour: Behaviour) -> None:
        self.id = spec.id
        self.spec = spec
        self.paths: Mapping[str, str] = {"/tmp": "/tmp"} | {mount.target: str(mount.source) for mount in spec.mounts}  # noqa: S108
        self.runtime_listener = _listen()
        self.runtime_address = _text(self.runtime_listener)
        self.aws_listener = _listen() if spec.aws_endpoint else None
        self.aws_address = _text(self.aws_listener) if self.aws_listener is not None else None
        self.is_frozen = False
        self.is_disposed = False
        self.command: Command | None = None
        self.companions: tuple[Companion, ...] = ()
        self.companion_env: Mapping[str, str] = {}
        self.companion_cwd = ""
        self.peak_bytes = 0
        self._behaviour = behaviour
        self._process: FakeProcess | None = None
        self._task: asyncio.Task[Exit] | None = None

    async def accompany(self, companions: Sequence[Companion], env: Mapping[str, str], cwd: str) -> None:
        """See `Sandbox`; companions are kept for the test and do nothing by themselves."""
        self.companions = tuple(companions)
        self.companion_env, self.companion_cwd = dict(env), cwd

    async def launch(self, command: Command, output: OutputSink, telemetry: OutputSink) -> None:
        """See `Sandbox`."""
        if self._task is not None or self.is_disposed:
            raise SandboxError(f"sandbox {self.id} was used already")
        self.command = command
        self._process = FakeProcess(
            command=command,
            spec=self.spec,
            output=output,
            telemetry=telemetry,
            runtime_address=self.runtime_listener.getsockname(),
            aws_address=self.aws_listener.getsockname() if self.aws_listener is not None else None,
        )
        self._process.thawed.set()
        self._task = asyncio.ensure_future(self._run(self._process))

    async def _run(self, process: FakeProcess) -> Exit:
        result = await self._behaviour(process)
        return result if isinstance(result, Exit) else Exit(code=result)

    async def connect(self, port: int) -> socket.socket:
        """See `Sandbox`; behaviours listen on the host's loopback."""
        new = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        new.setblocking(False)
        return await inside.connect(new, ("127.0.0.1", port))

    def drain(self) -> None:
        """See `Sandbox`; output is handed over as it is written."""

    async def wait(self) -> Exit:
        """See `Sandbox`."""
        if self._task is None:
            raise SandboxError(f"sandbox {self.id} was not launched")
        await asyncio.wait([self._task])
        return Exit(signal=signal.SIGKILL) if self._task.cancelled() else self._task.result()

    def terminate(self) -> None:
        """See `Sandbox`."""
        if self._process is not None:
            self._process.terminated.set()

    async def kill(self) -> None:
        """See `Sandbox`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def freeze(self) -> None:
        """See `Sandbox`."""
        self.is_frozen = True
        if self._process is not None:
            self._process.thawed.clear()

    async def thaw(self) -> None:
        """See `Sandbox`."""
        self.is_frozen = False
        if self._process is not None:
            self._process.thawed.set()

    def limit_cpu(self, vcpu: float) -> None:
        """See `Sandbox`."""

    def memory_peak_bytes(self) -> int:
        """See `Sandbox`."""
        return self.peak_bytes

    async def dispose(self) -> None:
        """See `Sandbox`."""
        await self.kill()
        self.is_disposed = True
        self.runtime_listener.close()
        if self.aws_listener is not None:
            self.aws_listener.close()


def _listen() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    listener.setblocking(False)
    return listener


def _text(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"{host}:{port}"
