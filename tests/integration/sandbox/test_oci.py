"""What only the ``oci`` driver promises: limits, freezing, and a clean machine after a killed node."""

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
from functory.sandbox.oci_spec import UID
from functory.sandbox.port import Exit, Limits, Mount, SandboxDriver, SandboxError
from functory.sandbox.probe import doctor
from functory.sandbox.recovery import key_of
from tests.support.sandboxes import BASH, PYTHON, finish, launch, oci_driver, prepared, run_script, started, traces

pytestmark = pytest.mark.root
Work = Callable[[SandboxDriver], Coroutine[None, None, None]]


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


def test_every_guarantee_is_declared(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        declared = driver.capabilities
        assert declared.isolation
        assert declared.memory_limit
        assert declared.private_network
        assert declared.tmp_limit
        assert any("network" in note for note in declared.notes)

    run(work)


def test_the_memory_limit_kills_and_is_told(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver, limits=Limits(memory_mib=128, vcpu=1.0)) as sandbox:
            await launch(sandbox, PYTHON, "-c", "x = bytearray(400 * 1024 * 1024)")
            assert await finish(sandbox) == Exit(signal=signal.SIGKILL, out_of_memory=True)
            assert 100 * MIB < sandbox.memory_peak_bytes() <= 128 * MIB

    run(work)


def test_a_child_killed_by_the_memory_limit_leaves_the_exit_as_it_is(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        hog = f"{PYTHON} -c 'x = bytearray(400 * 1024 * 1024)'"
        how, text = await run_script(driver, f"{hog}; echo child $?; exit 3", limits=Limits(memory_mib=128, vcpu=1.0))
        assert how == Exit(code=3)
        assert "child 137" in text

    run(work)


def test_files_in_tmp_are_not_charged_as_memory(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        if any("tmpfs" in note for note in driver.capabilities.notes):
            pytest.skip("no loop devices here: declared")
        script = "dd if=/dev/zero of=/tmp/big bs=1M count=400 status=none && stat -c %s /tmp/big"
        how, text = await run_script(driver, script, limits=Limits(memory_mib=128, vcpu=1.0))
        assert (how, text) == (Exit(code=0), f"{400 * MIB}\n")

    run(work)


@pytest.mark.parametrize("mib", [512, 600])
def test_tmp_has_its_size_and_ends_there(run: Callable[[Work], None], mib: int) -> None:
    async def work(driver: SandboxDriver) -> None:
        script = "stat -f -c '%a %S' /tmp; head -c 2000M /dev/zero > /tmp/fill; echo $?; stat -c %s /tmp/fill"
        _, text = await run_script(driver, script, limits=Limits(memory_mib=1024, vcpu=1.0, tmp_mib=mib))
        lines = [line for line in text.splitlines() if "No space" not in line]
        blocks, size = map(int, lines[0].split())
        assert mib * MIB <= blocks * size < mib * MIB * 1.1
        assert lines[1] == "1"
        assert mib * MIB <= int(lines[2]) < mib * MIB * 1.1

    run(work)


def test_the_cpu_limit_is_set(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        spin = "import time, os; end = time.time() + 0.6\nwhile time.time() < end: pass\nprint(sum(os.times()[:2]))"
        async with prepared(driver, limits=Limits(memory_mib=256, vcpu=0.25)) as sandbox:
            seen = await launch(sandbox, PYTHON, "-S", "-c", spin)
            await finish(sandbox)
            assert float(seen.text) < 0.45  # a quarter of 0.6 s, plus up to one period at either end

    run(work)


def test_freezing_stops_all_progress_until_thawed(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            seen = await launch(sandbox, BASH, "-c", "i=0; while :; do echo $((i++)); done")
            await seen.until("100")
            for _ in range(3):
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
                async with asyncio.timeout(10):
                    while len(seen.output) == before:
                        await asyncio.sleep(0.001)
            await sandbox.freeze()
            await sandbox.kill()
            assert await finish(sandbox) == Exit(signal=signal.SIGKILL)

    run(work)


def test_sources_that_only_root_can_reach_are_mounted(run: Callable[[Work], None], tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        private = tmp_path / "private"
        (private / "task").mkdir(parents=True)
        (private / "task" / "file").write_text("seen\n")
        private.chmod(0o700)
        how, text = await run_script(driver, "cat /var/task/file", Mount(private / "task", "/var/task"))
        assert (how.code, text) == (0, "seen\n")

    run(work)


def test_a_function_has_the_rights_of_a_configured_folders_owner(run: Callable[[Work], None], tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        folder = tmp_path / "data"
        folder.mkdir(mode=0o700)
        (folder / "old").write_text("old\n")
        for path in (folder, folder / "old"):
            path.chmod(0o700)
            os.chown(path, 1234, 2345)
        mounts = (Mount(folder, "/mnt/rw", read_only=False), Mount(folder, "/mnt/ro"))
        script = "cat /mnt/ro/old; echo data > /mnt/rw/new; stat -c %u:%g /mnt/ro/new; touch /mnt/ro/more 2>&1"
        for turn in (1, 2):  # the second sandbox, of other ids, may change what the first one wrote
            _, text = await run_script(driver, f"{script}; echo {turn} >> /mnt/rw/old", *mounts)
            assert text.splitlines()[:-1][-1] == "993:990"
            assert "Read-only file system" in text
        made = (folder / "new").stat()
        assert (made.st_uid, made.st_gid) == (1234, 2345)
        assert (folder / "old").read_text() == "old\n1\n2\n"

    run(work)


def test_a_folder_of_root_is_never_written_to_as_root(run: Callable[[Work], None], tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        folder = tmp_path / "data"
        folder.mkdir()
        mount = Mount(folder, "/mnt/data", read_only=False)
        with pytest.raises(SandboxError, match="functions could not write"):
            await run_script(driver, "true", mount)
        folder.chmod(0o777)
        await run_script(driver, "echo data > /mnt/data/new", mount)
        assert (folder / "new").stat().st_uid == UID
        await run_script(driver, "echo more >> /mnt/data/new", mount)
        assert (folder / "new").read_text() == "data\nmore\n"

    run(work)


def test_an_open_folder_of_root_below_somebody_elses_can_be_written_to(run: Callable[[Work], None], tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        folder = tmp_path / "data"
        (folder / "open").mkdir(parents=True)
        (folder / "open").chmod(0o777)
        (folder / "shut").mkdir(mode=0o755)
        os.chown(folder, 1234, 2345)
        script = "echo data > /mnt/data/open/new; touch /mnt/data/shut/new 2>&1"
        _, text = await run_script(driver, script, Mount(folder, "/mnt/data", read_only=False))
        assert "Permission denied" in text
        assert (folder / "open" / "new").stat().st_uid == 1234

    run(work)


def test_many_sandboxes_start_at_once_and_leave_nothing(run: Callable[[Work], None], run_dir: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        before = traces(run_dir)

        async def one(number: int) -> str:
            async with prepared(driver, name=f"s{number}") as sandbox:
                seen = await launch(sandbox, BASH, "-c", f"echo {number}")
                await finish(sandbox)
                return seen.text

        texts = await asyncio.gather(*(one(number) for number in range(12)))
        assert texts == [f"{number}\n" for number in range(12)]
        assert traces(run_dir) == before

    run(work)


def test_a_doctor_in_the_same_process_does_no_harm(run: Callable[[Work], None], run_dir: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        checks = await doctor(SandboxSettings(driver="oci"), run_dir)
        assert checks[-1].ok

        async def one(number: int) -> str:
            async with prepared(driver, name=f"s{number}") as sandbox:
                seen = await launch(sandbox, BASH, "-c", "grep -c '^/dev/loop.* /tmp ext4' /proc/mounts; exit 6")
                assert await finish(sandbox) == Exit(code=6)
                return seen.text

        expected = "0\n" if any("tmpfs" in note for note in driver.capabilities.notes) else "1\n"
        assert await asyncio.gather(*(one(number) for number in range(10))) == [expected] * 10

    run(work)


def test_two_nodes_never_share_a_run_folder(run: Callable[[Work], None], run_dir: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        second = oci_driver_of(driver, run_dir)
        with pytest.raises(SandboxError, match="another node"):
            await second.start()

    run(work)


def oci_driver_of(driver: SandboxDriver, run_dir: Path) -> SandboxDriver:
    """A second driver with the same runtime."""
    return type(driver)(driver._runtime, run_dir)  # type: ignore[attr-defined, call-arg]


def test_a_node_killed_hard_leaves_nothing_after_the_next_start(run_dir: Path) -> None:
    driver = oci_driver(run_dir)
    node = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "doomed_node.py"), str(driver._runtime), str(run_dir)],  # type: ignore[attr-defined]
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
    )
    with node:
        assert node.stdout is not None
        while node.stdout.readline() not in (b"ready\n", b""):
            pass
        assert len(_processes_of(run_dir)) >= 3
        node.kill()
    orphans = _processes_of(run_dir)
    assert len(orphans) >= 3  # they do not die by themselves: the start must find them
    before = traces(run_dir)
    assert before["groups"]

    async def main() -> None:
        async with started(driver):
            assert _processes_of(run_dir) == []
            left = traces(run_dir)
            assert (left["groups"], left["folders"], left["mounts"], left["images"]) == ([], [], [], [])
            how, _ = await run_script(driver, "exit 4")
            assert how == Exit(code=4)

    asyncio.run(main())
    backing = [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    assert [text for text in backing if str(run_dir) in text] == []


def _processes_of(run_dir: Path) -> list[int]:
    """Processes in the control groups of this run folder."""
    found: set[int] = set()
    for file in Path("/sys/fs/cgroup").glob(f"**/functory/{key_of(run_dir)}/*/cgroup.procs"):
        found.update(int(pid) for pid in file.read_text().split())
    return sorted(found)
