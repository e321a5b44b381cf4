"""What a sandbox costs, phase by phase: prepare, launch to first output, end seen, dispose; freeze and thaw.

    PYTHONPATH=src python benchmarks/sandbox_start.py [--count 30] [--driver oci|process]

Prints p50, p90 and the least of each phase in milliseconds. Run as root on a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from functory.kernel.settings import SandboxSettings
from functory.sandbox import network
from functory.sandbox.port import Command, Limits, Mount, SandboxDriver, SandboxSpec
from functory.sandbox.probe import pick_driver

Times = dict[str, list[float]]


def note(times: Times, name: str, since: float) -> float:
    now = time.perf_counter()
    times.setdefault(name, []).append((now - since) * 1000)
    return now


async def one(driver: SandboxDriver, task: Path, number: int, times: Times) -> None:
    spec = SandboxSpec(f"bench-{number}", (Mount(task, "/var/task"),), Limits(memory_mib=256, vcpu=1.0))
    at = time.perf_counter()
    sandbox = await driver.prepare(spec)
    launched = note(times, "prepare", at)
    first = asyncio.Event()
    await sandbox.launch(
        Command(("/bin/sh", "-c", "echo; exec sleep 100"), {}, "/"),
        lambda _: first.set(),
        lambda _: None,
    )
    note(times, "launch (runtime's command returned)", launched)
    await first.wait()
    at = note(times, "launch to first output", launched)
    await sandbox.freeze()
    at = note(times, "freeze", at)
    await sandbox.thaw()
    at = note(times, "thaw", at)
    await sandbox.kill()
    at = note(times, "kill (returns when all are gone)", at)
    await sandbox.dispose()
    note(times, "dispose after the end", at)


def pieces(times: Times, count: int) -> None:
    """The parts of prepare that are not the OCI runtime's."""
    for _ in range(count):
        at = time.perf_counter()
        made = network.create(aws_endpoint=True)
        note(times, "  of prepare: network with listeners", at)
        made.close()


async def many(driver: SandboxDriver, task: Path, count: int) -> float:
    """All at once; milliseconds until every one has given its first output."""
    started = time.perf_counter()

    async def start(number: int) -> Any:
        spec = SandboxSpec(f"many-{number}", (Mount(task, "/var/task"),), Limits(memory_mib=256, vcpu=1.0))
        sandbox = await driver.prepare(spec)
        first = asyncio.Event()
        await sandbox.launch(Command(("/bin/sh", "-c", "echo; sleep 100"), {}, "/"), lambda _: first.set(), lambda _: None)
        await first.wait()
        return sandbox

    sandboxes = await asyncio.gather(*(start(number) for number in range(count)))
    took = (time.perf_counter() - started) * 1000
    await asyncio.gather(*(sandbox.dispose() for sandbox in sandboxes))
    return took


async def main(count: int, kind: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="functory-bench-") as folder:
        run_dir, task = Path(folder) / "run", Path(folder) / "task"
        task.mkdir()
        at = time.perf_counter()
        driver = await pick_driver(SandboxSettings(driver=kind), run_dir)
        times: Times = {}
        at = note(times, "pick the driver (first time)", at)
        await driver.start()
        note(times, "start the driver", at)
        try:
            for number in range(count):
                await one(driver, task, number, times)
            if kind == "oci":
                pieces(times, count)
            together = await many(driver, task, count)
        finally:
            await driver.close()
    machine = f"{os.uname().release}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}, driver {driver.name}, {count} sandboxes")
    print(f"{'phase, ms':42} {'p50':>8} {'p90':>8} {'least':>8}")
    for name, values in times.items():
        ordered = sorted(values)
        p90 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))]
        print(f"{name:42} {statistics.median(ordered):8.2f} {p90:8.2f} {ordered[0]:8.2f}")
    print(f"{count} at once, until all gave output: {together:.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--driver", choices=("oci", "process"), default="oci")
    arguments = parser.parse_args()
    uvloop.run(main(arguments.count, arguments.driver))
