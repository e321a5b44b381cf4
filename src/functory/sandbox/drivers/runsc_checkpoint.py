"""A gVisor sandbox that can be kept in a folder and go on from there. See `functory.sandbox.port.SnapshotSandbox`.

**Theory.** gVisor can write everything its kernel holds to a file (``runsc checkpoint``) and start a kernel from it
(``runsc restore``), in any number of sandboxes at the same time. What it cannot keep are the host's own sockets, so such a
sandbox uses gVisor's network stack (`network.create_for_own_stack`), and, as of version 20221219, connections in use: they
make a checkpoint fail. The order is therefore: its processes are stopped (``runsc pause``); whoever has connections into
the sandbox resets them (``hang_up``), which the stopped processes cannot answer with new ones; a packet is sent after and
answered, so that the resets have arrived; the checkpoint is written. A process that goes on finds its connection reset.

Besides the checkpoint a kept sandbox has its ``/tmp`` (`Scratch.keep`) and what its container was started with, which the
runtime wants to see again. A checkpoint is bound to the program that wrote it.

``/proc/sys/net/core/rmem_default`` is how gVisor recognises the host's own network, which it refuses. Since Linux 6.10 or so
every namespace has that file; the runtime is started where ``/proc/sys/net`` is hidden.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec

from functory.sandbox import inside, linux, network
from functory.sandbox.drivers.oci_sandbox import RUNTIME_ENV, OciSandbox, Shared
from functory.sandbox.gateway import in_fresh_thread
from functory.sandbox.port import Command, OutputSink, SandboxError, SandboxInUse, SandboxSpec

_FACTS, _TMP, _CHECKPOINT = "sandbox.json", "tmp.img", "checkpoint"
_HIDDEN = Path("/proc/sys/net")
_COMMAND_TIMEOUT_S = 60.0
_KEEP_TIMEOUT_S = 10.0
_POLL_S = 0.02
_PACKETS = 3
_PACKET_TIMEOUT_S = 5.0
_CLOSED_PORT = 1
_IN_USE = "connected state"
_REASON_CHARS = 300


class Facts(msgspec.Struct, frozen=True):
    """What is known of a kept sandbox.

    Attributes:
        program: which runtime wrote the checkpoint.
        argv: of its main process; likewise ``cwd``.
        tmp_mib: size of its ``/tmp``.
    """

    program: str
    argv: tuple[str, ...]
    cwd: str
    tmp_mib: int


class RunscSnapshot(OciSandbox):
    """See the module.

    Args:
        kept: the folder to restore from, or None for a sandbox that is to be kept.
    """

    credentials_address = f"{network.CREDENTIALS}:{network.RUNTIME_PORT}"

    def __init__(
        self, spec: SandboxSpec, shared: Shared, on_disposed: Callable[[OciSandbox], None], kept: Path | None
    ) -> None:
        if spec.tmp_of is not None:
            raise SandboxError(f"sandbox {spec.id}: a kept sandbox has the /tmp it was kept with")
        self._kept = kept
        self._facts = _read_facts(kept, shared.runtime, spec) if kept is not None else None
        self._command: Command | None = None
        super().__init__(spec, shared, on_disposed)
        self.telemetry_fd = None

    # -- making it

    def _make_network(self) -> network.Network:
        return self._shared.outbound.make(aws_endpoint=self._spec.aws_endpoint, own_stack=True)

    def _make_tmp(self) -> Path:
        tmp = self._folder / "tmp"
        tmp.mkdir(mode=0o755)
        self._shared.scratch.create(tmp, self._spec.limits.tmp_mib, self._kept / _TMP if self._kept is not None else None)
        return tmp

    def _inherited(self) -> dict[int, int]:
        return {}  # a kept process would go on without them

    def _start_options(self, descriptors: tuple[int, ...]) -> tuple[str, ...]:  # noqa: ARG002
        options = self._shared.traits.snapshot_options
        if self._kept is None:
            return *options, "run", "--detach"
        return *options, "restore", "--detach", "--image-path", str(self._kept / _CHECKPOINT)

    def _start_program(self, spawn: Callable[[], int]) -> int:
        def hidden() -> int:
            linux.unshare(linux.CLONE_NEWNS)
            linux.mount("none", Path("/"), flags=linux.MS_REC | linux.MS_SLAVE)
            linux.mount("tmpfs", _HIDDEN, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC, "size=4k")
            return spawn()

        return in_fresh_thread(hidden)

    async def _run(self, command: Command) -> None:
        self._command = command
        await super()._run(command)

    async def connect(self, port: int) -> socket.socket:
        """See `Sandbox`."""
        if self._main is None or self._main.has_ended:
            raise ConnectionRefusedError(f"nothing runs in sandbox {self.id}")
        return await self._connect(port)

    async def _connect(self, port: int) -> socket.socket:
        fd = self._require_network().outside_fd
        new = inside.socket_in(f"/proc/{os.getpid()}/fd/{fd}")
        return await inside.connect(new, (network.OWN_STACK, port))

    # -- keeping it

    async def snapshot(self, folder: Path, hang_up: Callable[[], None]) -> None:
        """See `SnapshotSandbox`."""
        command = self._command
        if command is None or self._kept is not None or self._main is None or self._main.has_ended:
            raise SandboxError(f"nothing runs in sandbox {self.id} that could be kept")
        facts = Facts(_program(self._shared.runtime), command.argv, command.cwd, self._spec.limits.tmp_mib)
        try:
            (folder / _CHECKPOINT).mkdir(mode=0o700)
            await self._tell("pause")
            hang_up()
            await self._await_packets()
            await self._tell("checkpoint", "--image-path", str(folder / _CHECKPOINT))
            await self.kill()
            await self._keep_tmp(folder / _TMP)
            (folder / _FACTS).write_bytes(msgspec.json.encode(facts))
        except OSError as error:
            raise SandboxError(f"sandbox {self.id} could not be kept: {error}") from error

    async def _tell(self, *command: str) -> None:
        """Run a command of the runtime about this container.

        Raises:
            SandboxError: it failed.
        """
        options = self._shared.traits.snapshot_options
        argv = [str(self._shared.runtime), "--root", str(self._state), *options, *command, self._container_id()]

        def work() -> subprocess.CompletedProcess[str]:
            return subprocess.run(  # noqa: S603
                argv, env=RUNTIME_ENV, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=False
            )

        try:
            done = await asyncio.get_running_loop().run_in_executor(self._shared.executor, work)
        except subprocess.TimeoutExpired as error:
            raise SandboxError(f"runsc {command[0]} did not end in {_COMMAND_TIMEOUT_S:.0f} s") from error
        if done.returncode:
            raise _error(command[0], done.stderr)

    async def _await_packets(self) -> None:
        """Return when the sandbox's stack has taken the packets sent to it so far: it answers later ones."""
        async with asyncio.timeout(_PACKET_TIMEOUT_S):
            for _ in range(_PACKETS):
                with contextlib.suppress(ConnectionRefusedError):
                    (await self._connect(_CLOSED_PORT)).close()
                await asyncio.sleep(_POLL_S)  # connections are worked on beside the packets

    async def _keep_tmp(self, image: Path) -> None:
        """Wait until the file server of the sandbox has let go of ``/tmp``, and keep it.

        Raises:
            OSError: it is still in use.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _KEEP_TIMEOUT_S
        while self._group.pids() and loop.time() < give_up_at:
            self._group.kill()
            await asyncio.sleep(_POLL_S)
        while True:
            try:
                await loop.run_in_executor(self._shared.executor, self._shared.scratch.keep, self._tmp, image)
            except OSError as error:
                if error.errno != errno.EBUSY or loop.time() > give_up_at:
                    raise
                await asyncio.sleep(_POLL_S)
            else:
                return

    # -- going on

    async def restore(self, output: OutputSink) -> None:
        """See `SnapshotSandbox`."""
        if self._facts is None:
            raise SandboxError(f"sandbox {self.id} has nothing to go on from")
        command = Command(self._facts.argv, {}, self._facts.cwd)
        await self.launch(command, output, lambda _: None)


def _read_facts(kept: Path, runtime: Path, spec: SandboxSpec) -> Facts:
    """What is known of a kept sandbox.

    Raises:
        SandboxError: there is none that this runtime could go on with.
    """
    try:
        facts = msgspec.json.decode((kept / _FACTS).read_bytes(), type=Facts)
    except (OSError, msgspec.DecodeError) as error:
        raise SandboxError(f"no kept sandbox in {kept}: {error}") from error
    if facts.program != _program(runtime):
        raise SandboxError(f"the sandbox in {kept} was kept by another version of {runtime.name}")
    if facts.tmp_mib != spec.limits.tmp_mib:
        raise SandboxError(f"the sandbox in {kept} has a /tmp of {facts.tmp_mib} MiB")
    return facts


def _program(runtime: Path) -> str:
    """What tells a version of the runtime from every other."""
    stat = runtime.stat()
    return f"{runtime}|{stat.st_size}|{stat.st_mtime_ns}|{os.uname().machine}"


def _error(command: str, text: str) -> SandboxError:
    """Why a command of the runtime failed, for people; its dumps of the stack are left out."""
    if _IN_USE in text:
        return SandboxInUse("a network connection was in use; close it in a before-snapshot hook")
    line = text.strip().splitlines()[0] if text.strip() else "it gave no reason"
    return SandboxError(f"runsc {command}: {line[:_REASON_CHARS]}")
