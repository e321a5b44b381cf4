"""What the tests of sandboxes share: drivers that work here, one sandbox per test, and what a sandbox may leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

from functory.kernel.settings import SandboxSettings
from functory.sandbox.drivers.oci import OciDriver
from functory.sandbox.drivers.process import ProcessDriver
from functory.sandbox.outbound import Wish
from functory.sandbox.port import Command, Exit, Limits, Mount, Sandbox, SandboxDriver, SandboxError, SandboxSpec
from functory.sandbox.probe import pick_driver
from functory.sandbox.recovery import key_of

BASH = "/bin/bash"
PYTHON = "/usr/bin/python3"
PATH = "/usr/local/bin:/usr/bin:/bin"
CGROUPS = Path("/sys/fs/cgroup")
WAIT_S = 20.0


def oci_driver(run_dir: Path, runtime: str = "auto", wish: Wish | None = None) -> OciDriver:
    """An ``oci`` driver on ``run_dir``; skips the test where the runtime does not work."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    found = _working_runtime(runtime)
    if isinstance(found, str):
        pytest.skip(found)
    return OciDriver(found, run_dir, wish=wish)


@functools.cache
def _working_runtime(name: str) -> Path | str:
    """The program, or why none works; probed once in a test run."""
    with tempfile.TemporaryDirectory(prefix="functory-probe-") as folder:
        try:
            driver = asyncio.run(pick_driver(SandboxSettings(driver="oci", oci_runtime=name), Path(folder)))
        except SandboxError as error:
            return str(error)
    assert isinstance(driver, OciDriver)
    return driver._runtime


def process_driver(run_dir: Path) -> SandboxDriver:
    """A ``process`` driver on ``run_dir``."""
    return ProcessDriver(run_dir)


def run_on(loop: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``work`` on asyncio's own loop or on uvloop."""
    if loop == "uvloop":
        uvloop.run(work())
    else:
        asyncio.run(work())


@dataclass
class Seen:
    """Output of a sandbox."""

    output: bytearray = field(default_factory=bytearray)
    telemetry: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        return self.output.decode()

    async def until(self, word: str) -> None:
        """Wait until the output has ``word``."""
        async with asyncio.timeout(WAIT_S):
            while word not in self.text:
                await asyncio.sleep(0.002)


async def launch(sandbox: Sandbox, *argv: str, env: Mapping[str, str] | None = None, cwd: str = "/") -> Seen:
    """Launch; what it writes."""
    seen = Seen()
    command = Command(argv, {"PATH": PATH, **(env or {})}, cwd)
    await sandbox.launch(command, seen.output.extend, seen.telemetry.extend)
    return seen


async def finish(sandbox: Sandbox) -> Exit:
    """Wait for the end, in a bounded time."""
    async with asyncio.timeout(WAIT_S):
        return await sandbox.wait()


@contextlib.asynccontextmanager
async def started(driver: SandboxDriver) -> AsyncIterator[SandboxDriver]:
    """The driver between `start` and `close`."""
    await driver.start()
    try:
        yield driver
    finally:
        await driver.close()


@contextlib.asynccontextmanager
async def prepared(
    driver: SandboxDriver, *mounts: Mount, limits: Limits | None = None, name: str = "one", aws_endpoint: bool = True
) -> AsyncIterator[Sandbox]:
    """One sandbox between `prepare` and `dispose`."""
    spec = SandboxSpec(name, mounts, limits or Limits(memory_mib=256, vcpu=1.0), aws_endpoint)
    sandbox = await driver.prepare(spec)
    try:
        yield sandbox
    finally:
        await sandbox.dispose()


async def run_script(driver: SandboxDriver, script: str, *mounts: Mount, limits: Limits | None = None) -> tuple[Exit, str]:
    """Run a bash script in a sandbox of its own; how it ended and what it wrote."""
    async with prepared(driver, *mounts, limits=limits) as sandbox:
        seen = await launch(sandbox, BASH, "-c", script)
        return await finish(sandbox), seen.text


def traces(run_dir: Path) -> dict[str, list[str]]:
    """What exists now that a sandbox could leave behind."""
    groups = []
    for root in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            groups += [str(path) for path in (root / "functory" / key_of(run_dir)).iterdir() if path.is_dir()]
    return {
        "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "/sandboxes/" in line],
        "groups": groups,
        "folders": [str(path) for path in run_dir.glob("sandboxes/*")] + [str(path) for path in run_dir.glob("runtime/*")],
        "images": [str(path) for path in run_dir.glob("scratch/*") if not path.name.startswith("ext4-")],
        "children": [pid for pid in _children() if pid],
        "descriptors": [str(fd) for fd in sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())],
    }


def _children() -> list[str]:
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
