"""Whether sandboxes can be kept and go on elsewhere on this machine (SnapStart): found out by doing it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from functory.sandbox import recovery
from functory.sandbox.drivers.oci import OciDriver
from functory.sandbox.port import Command, SandboxError, SandboxSpec

_SCRIPT = "echo waiting; sleep 0.5; echo on > /tmp/probe; exec cat /tmp/probe"
_LIMIT_S = 60.0


async def try_snapshot(runtime: Path, run_dir: Path) -> str:
    """Keep one real sandbox and let it go on; why that failed, or ``""``."""
    folder = run_dir / f"snapshot-{runtime.name}-{os.getpid()}"
    driver = OciDriver(runtime, folder)
    try:
        await driver.start()
        if not driver.capabilities.snapshots:
            return f"{runtime.name} keeps no sandboxes here: /tmp is not on disk"
        async with asyncio.timeout(_LIMIT_S):
            said = await _keep_and_go_on(driver, _new(folder / "kept"))
        return "" if said.endswith("on\n") else f"what was kept did not go on; it said {said!r}"
    except SandboxError as error:
        return str(error)
    except TimeoutError:
        return f"it took longer than {_LIMIT_S:.0f} s"
    finally:
        await driver.close()
        recovery.remove_folders(folder)


def _new(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


async def _keep_and_go_on(driver: OciDriver, folder: Path) -> str:
    """What the process wrote where it went on."""
    waits, output = asyncio.Event(), bytearray()
    first = await driver.prepare_snapshot(SandboxSpec("first", ()))
    command = Command(("/bin/sh", "-c", _SCRIPT), {"PATH": "/usr/bin:/bin"}, cwd="/")
    await first.launch(command, lambda _: waits.set(), lambda _: None)
    await waits.wait()
    await first.snapshot(folder, lambda: None)
    await first.dispose()
    second = await driver.prepare_snapshot(SandboxSpec("second", ()), folder)
    await second.restore(output.extend)
    await second.wait()
    return output.decode(errors="replace")
