"""A container that is started before its function is known. See `functory.sandbox.port.StandbySandbox`.

**Theory.** Mounts can still come into a running container when it holds *slaves* of mounts that the node *shares*: a mount
made on the node's side appears inside, never the other way round. So every standby has a folder of its own on the shared
root's tmpfs, mounted on itself and shared; its subfolders are what the container sees at `LATE_TARGETS` and ``/tmp``.
A mount's flags are those it had when it appeared, so it is made read-only elsewhere first and then shown.

Until it gets its function, a standby has little of the CPU when others want it: preparing one must not slow down a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from functory.kernel.limits import MIB
from functory.sandbox import cgroups, linux, oci_spec
from functory.sandbox.drivers.oci_sandbox import OciSandbox, Shared
from functory.sandbox.mounts import check_mounts
from functory.sandbox.port import LATE_TARGETS, Limits, Mount, SandboxError, SandboxSpec
from functory.sandbox.traits import TELEMETRY_FD

_WAITING_SHARES = 128
_FLAGS = linux.MS_NOSUID | linux.MS_NODEV


class OciStandby(OciSandbox):
    """See the module."""

    standby_fd = TELEMETRY_FD + 1

    def __init__(self, spec: SandboxSpec, shared: Shared, on_disposed: Callable[[OciSandbox], None]) -> None:
        super().__init__(spec, shared, on_disposed)
        self.paths = {**self.paths, **{target: target for target in LATE_TARGETS}}
        self._late = shared.roots.folder_of_late / spec.id
        self._stage = shared.roots.folder_of_late / f"{spec.id}.new"
        self._channel, self._inside = socket.socketpair()
        self._channel.setblocking(False)

    @property
    def tmp_folder(self) -> Path:
        """See `OciSandbox`."""
        return self._late / "tmp"

    # -- making it

    def _make_tmp(self) -> Path:
        self._late.mkdir()
        linux.bind(self._late, self._late, read_only=False)
        linux.mount("none", self._late, flags=linux.MS_SHARED)
        for target in LATE_TARGETS:
            _late_folder(self._late, target).mkdir(mode=0o755)
        tmp = self._late / "tmp"
        tmp.mkdir(mode=0o755)
        self._shared.scratch.create(tmp, self._spec.limits.tmp_mib)
        return tmp

    def _place(self) -> oci_spec.Place:
        late = {target: _late_folder(self._late, target) for target in LATE_TARGETS}
        return dataclasses.replace(super()._place(), late=late, shares=_WAITING_SHARES)

    def _inherited(self) -> dict[int, int]:
        return super()._inherited() | {self.standby_fd: self._inside.fileno()}

    def _close_inherited(self) -> None:
        super()._close_inherited()
        self._inside.close()

    def _unmount(self) -> None:
        super()._unmount()
        linux.detach(self._stage)
        linux.detach(self._late)  # with everything below it
        with contextlib.suppress(FileNotFoundError):
            self._stage.rmdir()
        with contextlib.suppress(FileNotFoundError):
            for folder in self._late.iterdir():
                folder.rmdir()
            self._late.rmdir()

    async def dispose(self) -> None:
        """See `Sandbox`."""
        self._channel.close()
        self._inside.close()
        await super().dispose()

    # -- waiting

    async def waiting(self) -> None:
        """See `StandbySandbox`."""
        try:
            said = await asyncio.get_running_loop().sock_recv(self._channel, 1)
        except OSError:
            said = b""
        if not said:
            raise SandboxError(f"standby {self.id} ended before it waited")

    def memory_bytes(self) -> int:
        """See `StandbySandbox`."""
        pages = 0
        for pid in self._group.pids():
            with contextlib.suppress(OSError, IndexError, ValueError):  # it has ended
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    # -- giving it a function

    async def attach(self, mounts: Sequence[Mount], limits: Limits) -> None:
        """See `StandbySandbox`."""
        check_mounts(mounts)
        for mount in mounts:
            if mount.target not in LATE_TARGETS:
                raise SandboxError(f"mount target {mount.target}: a running sandbox gets only {', '.join(LATE_TARGETS)}")
        if limits.open_files != self._spec.limits.open_files:
            raise SandboxError("a running process keeps its limit of open files")
        try:
            self._work = asyncio.get_running_loop().run_in_executor(self._shared.executor, self._attach, mounts, limits)
            await asyncio.shield(self._work)
        except OSError as error:
            raise SandboxError(f"standby {self.id} could not be given a function: {error}") from error

    def _attach(self, mounts: Sequence[Mount], limits: Limits) -> None:
        """In a thread."""
        group = self._group
        group.set_shares(cgroups.SHARES)
        group.limit_cpu(oci_spec.cpu_quota_us(limits.vcpu), oci_spec.CPU_PERIOD_US)
        group.limit_memory(limits.memory_mib * MIB)
        group.limit_processes(limits.processes + int(self._has_first_process))
        for mount in mounts:
            self._show(mount)
        if limits.tmp_mib != self._spec.limits.tmp_mib:  # on top: the container's own is a slave of what is there now
            self._shared.scratch.create(self._tmp, limits.tmp_mib)

    def _show(self, mount: Mount) -> None:
        self._stage.mkdir(exist_ok=True)
        linux.bind(mount.source, self._stage, read_only=mount.read_only, extra=_FLAGS)
        try:
            linux.bind(self._stage, _late_folder(self._late, mount.target), read_only=False)
        finally:
            linux.unmount(self._stage)

    async def hand_over(self, message: bytes) -> None:
        """See `StandbySandbox`."""
        try:
            await asyncio.get_running_loop().sock_sendall(self._channel, message)
        except OSError as error:
            raise SandboxError(f"standby {self.id} ended: {error}") from error
        finally:
            self._channel.close()


def _late_folder(late: Path, target: str) -> Path:
    return late / target.strip("/").replace("/", "-")
