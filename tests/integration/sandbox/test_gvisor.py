"""What is particular about ``runsc``: its kernel's memory, its helper processes, its way to the network."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from functory.kernel.limits import MIB
from functory.kernel.settings import SandboxSettings
from functory.sandbox import firewall
from functory.sandbox.outbound import Mode, Wish
from functory.sandbox.port import Exit, Limits, Mount, SandboxDriver
from functory.sandbox.probe import doctor
from tests.support.networks import outside
from tests.support.sandboxes import BASH, PYTHON, finish, launch, oci_driver, prepared, run_script, started, traces

pytestmark = pytest.mark.root
Work = Callable[[SandboxDriver], Coroutine[None, None, None]]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def run(run_dir: Path) -> Callable[..., None]:
    def work_with(work: Work, network: Mode = "none") -> None:
        driver = oci_driver(run_dir, "runsc", Wish(network))

        async def main() -> None:
            async with started(driver):
                await work(driver)

        asyncio.run(main())

    return work_with


def test_the_kernel_inside_is_not_the_hosts(run: Callable[..., None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        _, text = await run_script(driver, "cat /proc/version")
        assert os.uname().release not in text

    run(work)


def test_what_does_not_hold_is_declared(run: Callable[..., None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        notes = [note for note in driver.capabilities.notes if note.startswith("runsc:")]
        assert any("128 + number" in note for note in notes)
        async with prepared(driver) as sandbox:
            assert (sandbox.telemetry_fd is None) == any("passes no descriptors" in note for note in notes)

    run(work)


def test_the_memory_limit_kills_and_is_told(run: Callable[..., None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver, limits=Limits(memory_mib=128, vcpu=1.0)) as sandbox:
            await launch(sandbox, PYTHON, "-c", "x = bytearray(400 * 1024 * 1024)")
            how = await finish(sandbox)
            assert how.out_of_memory
            assert 100 * MIB < sandbox.memory_peak_bytes() <= 200 * MIB

    run(work)


def test_freezing_stops_all_progress_until_thawed(run: Callable[..., None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            seen = await launch(sandbox, BASH, "-c", "i=0; while :; do echo $((i++)); done")
            await seen.until("100")
            await sandbox.freeze()
            sandbox.drain()
            await asyncio.sleep(0)
            sandbox.drain()
            before = len(seen.output)
            for _ in range(200):
                await asyncio.sleep(0)
                sandbox.drain()
            assert len(seen.output) == before
            await sandbox.thaw()
            async with asyncio.timeout(20):
                while len(seen.output) == before:
                    await asyncio.sleep(0.001)
            await sandbox.freeze()
            await sandbox.kill()
            assert await finish(sandbox) == Exit(signal=signal.SIGKILL)

    run(work)


def test_the_outside_is_reached_and_this_machine_is_not(run: Callable[..., None]) -> None:
    if firewall.find_tool() is None:
        pytest.skip("needs nft")

    async def work(driver: SandboxDriver) -> None:
        with outside(3) as world:
            program = f"""if True:
                import socket
                for host in ("{world.address}", "{world.host}", "127.0.0.1", "169.254.169.254"):
                    try:
                        print(socket.create_connection((host, 80), 3).recv(100))
                    except OSError as error:
                        print(type(error).__name__)
            """
            async with prepared(driver) as sandbox:
                seen = await launch(sandbox, PYTHON, "-c", program)
                await finish(sandbox)
            lines = seen.text.splitlines()
            assert lines[0] == r"b'hello from outside\n'"
            assert set(lines[1:]) <= {"ConnectionRefusedError", "OSError"}

    run(work, "nat")


def test_configured_folders_are_written_as_their_owner(run: Callable[..., None], tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        folder = tmp_path / "data"
        folder.mkdir(mode=0o700)
        os.chown(folder, 1234, 2345)
        _, text = await run_script(
            driver, "echo data > /mnt/data/new && echo done", Mount(folder, "/mnt/data", read_only=False)
        )
        assert text == "done\n"
        assert ((folder / "new").stat().st_uid, (folder / "new").stat().st_gid) == (1234, 2345)

    run(work)


def test_many_at_once_leave_neither_processes_nor_zombies(run: Callable[..., None], run_dir: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        before = traces(run_dir)

        async def one(number: int) -> Exit:
            async with prepared(driver, name=f"s{number}") as sandbox:
                await launch(sandbox, BASH, "-c", f"sleep 0.0{number}; exit {number}")
                return await finish(sandbox)

        assert await asyncio.gather(*(one(number) for number in range(6))) == [Exit(code=number) for number in range(6)]
        assert traces(run_dir) == before

    run(work)


def test_a_node_killed_hard_leaves_nothing_after_the_next_start(run_dir: Path) -> None:
    driver = oci_driver(run_dir, "runsc")
    script = str(Path(__file__).parent / "doomed_node.py")
    node = subprocess.Popen(
        [sys.executable, script, str(driver._runtime), str(run_dir)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
    )
    with node:
        assert node.stdout is not None
        while node.stdout.readline() not in (b"ready\n", b""):
            pass
        node.kill()
    assert traces(run_dir)["groups"]

    async def main() -> None:
        async with started(driver):
            left = traces(run_dir)
            assert (left["groups"], left["folders"], left["mounts"], left["images"]) == ([], [], [], [])
            how, _ = await run_script(driver, "exit 4")
            assert how == Exit(code=4)

    asyncio.run(main())


def test_the_doctor_reports_it(run_dir: Path) -> None:
    oci_driver(run_dir, "runsc")
    checks = asyncio.run(doctor(SandboxSettings(network="none"), run_dir))
    assert next(check for check in checks if check.name == "OCI runtime runsc").ok
