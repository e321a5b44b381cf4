"""Containers whose function comes later: mounts, limits and orders that reach a running process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest

from functory.sandbox.port import Command, Exit, Limits, Mount, SandboxDriver, SandboxError, SandboxSpec, StandbySandbox
from tests.support.sandboxes import PATH, PYTHON, Seen, finish, oci_driver, started, traces

pytestmark = pytest.mark.root
Work = Callable[[SandboxDriver], Coroutine[None, None, None]]
SPEC_LIMITS = Limits(memory_mib=256, vcpu=1.0)
WAIT = """
import os, time
os.write(4, b"1")
orders = b""
while piece := os.read(4, 100):
    orders += piece
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def run(run_dir: Path) -> Callable[[Work], None]:
    driver = oci_driver(run_dir)

    def work_with(work: Work) -> None:
        async def main() -> None:
            async with started(driver):
                await work(driver)

        asyncio.run(main())

    return work_with


@contextlib.asynccontextmanager
async def waiting(
    driver: SandboxDriver, code: str, *mounts: Mount, name: str = "one"
) -> AsyncIterator[tuple[StandbySandbox, Seen]]:
    """One that waits and will then run ``code``."""
    sandbox = await driver.prepare_standby(SandboxSpec(name, mounts, SPEC_LIMITS))
    seen = Seen()
    try:
        command = Command((PYTHON, "-c", WAIT + code), {"PATH": PATH}, "/")
        await sandbox.launch(command, seen.output.extend, seen.telemetry.extend)
        await sandbox.waiting()
        yield sandbox, seen
    finally:
        await sandbox.dispose()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Mount, Mount]:
    for name in ("task", "layers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
    return Mount(tmp_path / "task", "/var/task"), Mount(tmp_path / "layers", "/opt")


def test_code_and_layers_appear_read_only_in_the_running_process(
    run: Callable[[Work], None], folders: tuple[Mount, Mount]
) -> None:
    code = """
print(orders.decode(), os.listdir("/var/task"), os.listdir("/opt"))
for folder in ("/var/task", "/opt"):
    try:
        open(folder + "/new", "w")
    except OSError as error:
        print(error.strerror)
"""

    async def work(driver: SandboxDriver) -> None:
        async with waiting(driver, code) as (sandbox, seen):
            await sandbox.attach(folders, SPEC_LIMITS)
            await sandbox.hand_over(b"orders")
            assert await finish(sandbox) == Exit(code=0)
            lines = ["orders ['task.txt'] ['layers.txt']", "Read-only file system", "Read-only file system"]
            assert seen.text.splitlines() == lines

    run(work)


def test_one_sees_nothing_of_anothers(run: Callable[[Work], None], folders: tuple[Mount, Mount]) -> None:
    async def work(driver: SandboxDriver) -> None:
        code = "print(os.listdir('/var/task'), [l for l in open('/proc/self/mounts') if 'task' in l.split()[1]].__len__())"
        async with waiting(driver, code) as (first, seen_first), waiting(driver, code, name="two") as (second, seen_second):
            await first.attach(folders[:1], SPEC_LIMITS)
            for sandbox in (first, second):
                await sandbox.hand_over(b"go")
                await finish(sandbox)
            assert (seen_first.text, seen_second.text) == ("['task.txt'] 2\n", "[] 1\n")

    run(work)


def test_limits_and_storage_are_the_functions(run: Callable[[Work], None], folders: tuple[Mount, Mount]) -> None:
    code = """
stat = os.statvfs("/tmp")
print(1000 < stat.f_blocks * stat.f_frsize >> 20 < 1200, flush=True)
open("/tmp/x", "w").write("mine")
held = bytearray(200 << 20)
"""

    async def work(driver: SandboxDriver) -> None:
        async with waiting(driver, code) as (sandbox, seen):
            await sandbox.attach(folders, Limits(memory_mib=128, vcpu=1.0, tmp_mib=1024))
            await sandbox.hand_over(b"go")
            assert await finish(sandbox) == Exit(signal=9, out_of_memory=True)
            assert seen.text == "True\n"

    run(work)


def test_its_memory_is_known(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with waiting(driver, "") as (sandbox, _):
            assert 1 << 20 < sandbox.memory_bytes() < 200 << 20
            await sandbox.kill()
            assert sandbox.memory_bytes() == 0

    run(work)


def test_a_process_that_ends_does_not_wait(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        sandbox = await driver.prepare_standby(SandboxSpec("one", (), SPEC_LIMITS))
        seen = Seen()
        await sandbox.launch(Command((PYTHON, "-c", "pass"), {}, "/"), seen.output.extend, seen.telemetry.extend)
        with pytest.raises(SandboxError, match="ended before it waited"):
            await sandbox.waiting()
        await sandbox.dispose()

    run(work)


def test_what_was_killed_cannot_be_given_orders(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with waiting(driver, "") as (sandbox, _):
            await sandbox.kill()
            with pytest.raises(SandboxError, match="ended"):
                await sandbox.hand_over(b"go")

    run(work)


@pytest.mark.parametrize("target", ["/var/lang", "/mnt/x", "/etc"])
def test_only_the_functions_folders_can_come_late(run: Callable[[Work], None], tmp_path: Path, target: str) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with waiting(driver, "") as (sandbox, _):
            with pytest.raises(SandboxError, match="mount target"):
                await sandbox.attach([Mount(tmp_path, target)], SPEC_LIMITS)

    run(work)


def test_disposing_of_one_leaves_nothing(run: Callable[[Work], None], run_dir: Path, folders: tuple[Mount, Mount]) -> None:
    async def work(driver: SandboxDriver) -> None:
        before = traces(run_dir)
        async with waiting(driver, "") as (sandbox, _):
            await sandbox.attach(folders, Limits(memory_mib=128, vcpu=1.0, tmp_mib=600))
            late = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "/late/" in line]
            assert late
        async with waiting(driver, "", name="two"):
            pass
        assert [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "/late/" in line] == []
        assert list(Path(next(iter(run_dir.glob("root")), run_dir)).glob("late/*")) == []
        assert traces(run_dir) == before

    run(work)
