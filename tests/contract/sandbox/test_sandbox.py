"""What every sandbox driver that starts real processes keeps of the port's promises."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from functory.sandbox.port import (
    LATE_TARGETS,
    Command,
    Companion,
    Exit,
    Limits,
    Mount,
    Sandbox,
    SandboxDriver,
    SandboxError,
    SandboxSpec,
)
from tests.support.sandboxes import (
    BASH,
    PATH,
    PYTHON,
    WAIT_S,
    finish,
    launch,
    oci_driver,
    prepared,
    process_driver,
    run_on,
    run_script,
    started,
    traces,
)

Work = Callable[[SandboxDriver], Coroutine[None, None, None]]
_SLEEP = f"sleep 4{os.getpid():07}"  # seconds; another test run has another number
_RUNTIMES = {"oci": "auto", "runsc": "runsc"}


@pytest.fixture(
    params=[
        pytest.param(("process", "asyncio"), id="process"),
        pytest.param(("process", "uvloop"), id="process-uvloop"),
        pytest.param(("oci", "asyncio"), id="oci", marks=pytest.mark.root),
        pytest.param(("oci", "uvloop"), id="oci-uvloop", marks=pytest.mark.root),
        pytest.param(("runsc", "asyncio"), id="runsc", marks=pytest.mark.root),
    ]
)
def run(request: pytest.FixtureRequest, run_dir: Path) -> Callable[[Work], None]:
    """Runs a test's coroutine with a started driver."""
    kind, loop = request.param
    driver = process_driver(run_dir) if kind == "process" else oci_driver(run_dir, _RUNTIMES[kind])

    def work_with(work: Work) -> None:
        async def main() -> None:
            async with started(driver):
                await work(driver)

        run_on(loop, main)

    return work_with


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_exit_codes_are_told(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        for code in (0, 1, 129, 255):
            how, _ = await run_script(driver, f"exit {code}")
            assert how == Exit(code=code)

    run(work)


def test_stdout_and_stderr_come_together_in_order_and_telemetry_apart(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            frames = f"echo framed >&{sandbox.telemetry_fd}" if sandbox.telemetry_fd else "true"
            script = f"for i in 1 2 3; do echo out$i; echo err$i >&2; done; {frames}"
            seen = await launch(sandbox, BASH, "-c", script)
            await finish(sandbox)
            assert seen.text.split() == ["out1", "err1", "out2", "err2", "out3", "err3"]
            assert bytes(seen.telemetry) == (b"framed\n" if sandbox.telemetry_fd else b"")

    run(work)


def test_output_larger_than_a_pipe_arrives_whole_before_the_end(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        _, text = await run_script(driver, "for ((i=0; i<40000; i++)); do echo 0123456789; done; echo last")
        assert len(text) == 40_000 * 11 + 5
        assert text.endswith("last\n")

    run(work)


def test_drain_hands_over_what_was_written(run: Callable[[Work], None], tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            script = "echo ready; read -r line < $FIFO; echo late; echo written > $TMP/done; sleep 60"
            fifo = f"{sandbox.paths['/tmp']}/fifo"
            env = {"FIFO": fifo, "TMP": sandbox.paths["/tmp"]}
            seen = await launch(sandbox, BASH, "-c", f"mkfifo $FIFO; (echo go > $FIFO) & {script}", env=env)
            await seen.until("ready")
            # ``late`` is in the pipe some time after; drain alone must hand it over, without the loop running.
            for _ in range(100_000):
                sandbox.drain()
                if "late" in seen.text:
                    break
            assert "late" in seen.text

    run(work)


def test_environment_arguments_and_working_directory_are_as_given(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            program = "import os, sys; print(sys.argv[1:], os.getcwd(), dict(os.environ))"
            tmp = os.path.realpath(sandbox.paths["/tmp"])
            seen = await launch(
                sandbox, PYTHON, "-c", program, "a b", "", "ü", env={"X": "1 2", "LC_ALL": "C.UTF-8"}, cwd=tmp
            )
            assert (await finish(sandbox)).code == 0
            assert seen.text.startswith(f"['a b', '', 'ü'] {tmp} ")
            found = eval(seen.text[seen.text.index("{") :])  # printed by the line above
            # Declared differences: the OCI runtimes set HOME, the process driver its marker.
            assert {name: value for name, value in found.items() if name not in {"HOME", "FUNCTORY_SANDBOX"}} == {
                "X": "1 2",
                "LC_ALL": "C.UTF-8",
                "PATH": "/usr/local/bin:/usr/bin:/bin",
            }

    run(work)


def test_no_descriptor_of_the_node_is_inherited(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            program = "import os; print(sorted(int(fd) for fd in os.listdir('/proc/self/fd')))"
            seen = await launch(sandbox, PYTHON, "-c", program)
            await finish(sandbox)
            inherited = set(eval(seen.text)) - {0, 1, 2, sandbox.telemetry_fd}
            assert len(inherited) == 1  # the descriptor of the listing itself

    run(work)


def test_a_missing_program_is_an_error_and_leaves_nothing(run: Callable[[Work], None], run_dir: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        before = traces(run_dir)
        async with prepared(driver) as sandbox:
            with pytest.raises(SandboxError, match="/no/such/program"):
                await launch(sandbox, "/no/such/program")
        assert traces(run_dir) == before

    run(work)


def test_a_sandbox_is_used_once(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            await launch(sandbox, BASH, "-c", "exit 0")
            await finish(sandbox)
            with pytest.raises(SandboxError, match="used already"):
                await launch(sandbox, BASH, "-c", "exit 0")

    run(work)


def test_kill_ends_everything_also_what_double_forked(run: Callable[[Work], None]) -> None:
    script = f"(setsid {_SLEEP} & setsid setsid {_SLEEP} &) ; {_SLEEP} & echo ready; wait"

    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            seen = await launch(sandbox, BASH, "-c", script)
            await seen.until("ready")
            await sandbox.kill()
            assert _sleepers() == []
            assert await finish(sandbox) == Exit(signal=signal.SIGKILL)
            await sandbox.kill()

    run(work)


def test_when_the_main_process_ends_everything_ends(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        how, _ = await run_script(driver, f"{_SLEEP} & setsid {_SLEEP} & exit 5")
        assert how == Exit(code=5)
        assert _sleepers() == []

    run(work)


def test_terminate_lets_the_process_end_by_itself(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            seen = await launch(
                sandbox, BASH, "-c", "trap 'echo bye; exit 9' TERM; echo ready; while :; do read -t 0.01 <> <(:); done"
            )
            await seen.until("ready")
            sandbox.terminate()
            assert await finish(sandbox) == Exit(code=9)
            assert seen.text.endswith("bye\n")
            sandbox.terminate()

    run(work)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_a_process_can_end_itself_by_a_signal(run: Callable[[Work], None], number: signal.Signals) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            seen = await launch(sandbox, BASH, "-c", f"kill -{number.value} $$; echo survived")
            told = await finish(sandbox)
            as_shell = sandbox.telemetry_fd is None  # gVisor that passes no descriptors
            assert told == (Exit(code=128 + number) if as_shell else Exit(signal=number))
            assert seen.text == ""

    run(work)


def test_sigterm_ends_a_process_that_does_not_handle_it(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            seen = await launch(sandbox, PYTHON, "-c", "import time; print('up', flush=True); time.sleep(3600)")
            await seen.until("up")
            sandbox.terminate()
            told = await finish(sandbox)
            assert told in (Exit(signal=15), Exit(code=143))

    run(work)


def test_an_orphan_is_collected_when_it_ends(run: Callable[[Work], None]) -> None:
    program = """if True:
        import os, sys, time
        read, write = os.pipe()
        if os.fork() == 0:
            if os.fork() == 0:  # the orphan
                os.write(write, str(os.getpid()).encode())
            os._exit(0)
        os.wait()
        os.close(write)
        orphan = int(os.read(read, 99))
        for _ in range(1000):
            if not os.path.exists(f"/proc/{orphan}"):
                sys.exit(0)
            time.sleep(0.005)
        sys.exit(1)
    """

    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            if sandbox.telemetry_fd is None:
                pytest.skip("this gVisor passes no descriptors, so that the command is its first process")
            await launch(sandbox, PYTHON, "-c", program)
            assert await finish(sandbox) == Exit(code=0)

    run(work)


def test_mounts_are_found_where_paths_says(run: Callable[[Work], None], tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        mounts = []
        for target in ("/var/task", "/opt", "/mnt/data"):
            source = tmp_path / target.replace("/", "_")
            source.mkdir(exist_ok=True)
            (source / "name").write_text(target)
            mounts.append(Mount(source, target))
        async with prepared(driver, *mounts) as sandbox:
            files = [f"{sandbox.paths[mount.target]}/name" for mount in mounts]
            seen = await launch(sandbox, "/bin/cat", *files, cwd=sandbox.paths["/var/task"])
            assert (await finish(sandbox)).code == 0
            assert seen.text == "/var/task/opt/mnt/data"

    run(work)


def test_impossible_mounts_and_ids_are_refused(run: Callable[[Work], None], tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        for spec in (
            SandboxSpec("Bad_Id", ()),
            SandboxSpec("a", (Mount(tmp_path, "/etc"),)),
            SandboxSpec("a", (Mount(tmp_path, "/mnt/../etc"),)),
            SandboxSpec("a", (Mount(tmp_path / "missing", "/opt"),)),
            SandboxSpec("a", (Mount(tmp_path, "/opt"), Mount(tmp_path, "/opt"))),
        ):
            with pytest.raises(SandboxError):
                await driver.prepare(spec)

    run(work)


def test_two_sandboxes_do_not_share_tmp(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver, name="one") as one, prepared(driver, name="two") as two:
            await launch(one, BASH, "-c", f"echo mine > {one.paths['/tmp']}/file")
            await finish(one)
            seen = await launch(two, BASH, "-c", f"shopt -s nullglob dotglob; echo {two.paths['/tmp']}/* end")
            await finish(two)
            assert seen.text == "end\n"

    run(work)


def test_the_runtime_listener_is_reached_from_inside(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            server = await asyncio.start_server(_answer, sock=sandbox.runtime_listener)
            host, _, port = sandbox.runtime_address.rpartition(":")
            program = f"""if True:
                import socket
                for host in ("{host}", "127.0.0.1"):
                    s = socket.create_connection((host, {port}))
                    s.sendall(b"hello" + bytes([10]))
                    print(s.makefile().read(), end="")
            """
            seen = await launch(sandbox, PYTHON, "-c", program)
            await finish(sandbox)
            server.close()
            assert seen.text == "got hello\ngot hello\n"

    run(work)


def test_the_aws_listener_is_reached_from_inside_where_there_is_one(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver, aws_endpoint=False) as sandbox:
            assert sandbox.aws_listener is None
            assert sandbox.aws_address is None
        async with prepared(driver) as sandbox:
            assert (sandbox.aws_listener is None) == (sandbox.aws_address is None) != driver.capabilities.private_network
            if sandbox.aws_listener is None or sandbox.aws_address is None:
                return
            server = await asyncio.start_server(_answer, sock=sandbox.aws_listener)
            host, _, port = sandbox.aws_address.rpartition(":")
            seen = await launch(sandbox, BASH, "-c", f"exec 5<>/dev/tcp/{host}/{port}; echo hello >&5; cat <&5")
            await finish(sandbox)
            server.close()
            assert seen.text == "got hello\n"

    run(work)


def test_limits_on_open_files_and_core_dumps_hold(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        _, text = await run_script(driver, "ulimit -n; ulimit -Hn; ulimit -Hc")
        assert text.split() == ["1024", "1024", "0"]

    run(work)


def test_memory_peak_is_known_also_after_the_end(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            program = "import time; x = b'x' * 50_000_000; print('ready', flush=True); time.sleep(4000)"
            seen = await launch(sandbox, PYTHON, "-c", program)
            await seen.until("ready")
            assert 50_000_000 < sandbox.memory_peak_bytes() < 200_000_000
            await sandbox.kill()
            assert 50_000_000 < sandbox.memory_peak_bytes() < 200_000_000

    run(work)


def test_dispose_leaves_nothing_whatever_the_state(run: Callable[[Work], None], run_dir: Path, tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        (tmp_path / "task").mkdir()
        spec = SandboxSpec("one", (Mount(tmp_path / "task", "/var/task"),))
        before = traces(run_dir)
        for script in (None, "exit 0", f"{_SLEEP} & {_SLEEP}"):
            sandbox = await driver.prepare(spec)
            if script is not None:
                seen = await launch(sandbox, BASH, "-c", f"echo ready; {script}")
                await seen.until("ready")
                await sandbox.freeze()
            await asyncio.gather(sandbox.dispose(), sandbox.dispose())
            await sandbox.dispose()
            assert traces(run_dir) == before

    run(work)


def test_a_start_that_is_cancelled_leaves_nothing(run: Callable[[Work], None], run_dir: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        before = traces(run_dir)
        for turns in range(0, 24, 3):
            sandbox = await driver.prepare(SandboxSpec("one", ()))
            starting = asyncio.ensure_future(
                sandbox.launch(Command((BASH, "-c", _SLEEP), {}, "/"), lambda _: None, lambda _: None)
            )
            for _ in range(turns):
                await asyncio.sleep(0.001)
            starting.cancel()
            await asyncio.wait([starting])
            await sandbox.dispose()
        assert _sleepers() == []
        assert traces(run_dir) == before

    run(work)


def test_close_disposes_of_every_sandbox(run: Callable[[Work], None], run_dir: Path) -> None:
    before = traces(run_dir)

    async def work(driver: SandboxDriver) -> None:
        for number in range(3):
            sandbox = await driver.prepare(SandboxSpec(f"s{number}", ()))
            await launch(sandbox, BASH, "-c", _SLEEP)

    run(work)
    left = traces(run_dir)
    for kind in ("folders", "groups", "children", "mounts"):
        assert left[kind] == before[kind], kind


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"got " + await reader.readline())
    await writer.drain()
    writer.close()


def _sleepers() -> list[str]:
    """Processes of these tests that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cmdline").read_bytes() == _SLEEP.replace(" ", "\0").encode() + b"\0":
                    found.append(entry.name)
            except OSError:
                continue
    return found


async def _refused(sandbox: Sandbox, companion: Companion) -> bool:
    """Whether the sandbox, which passes no descriptors, has refused companions."""
    if sandbox.telemetry_fd is not None:
        return False
    with pytest.raises(SandboxError, match="cannot pass the descriptors"):
        await sandbox.accompany([companion], {}, "/")
    return True


def test_companions_run_beside_the_main_process_and_outlive_it(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            seen = bytearray()
            ended: list[Exit] = []
            script = 'echo "I see $WHO"; trap "" TERM; while :; do sleep 0.02; done'
            tmp = sandbox.paths["/tmp"]
            companion = Companion((BASH, "-c", script), seen.extend, ended.append)
            other = Companion((BASH, "-c", "exit 0"), seen.extend, ended.append)
            if await _refused(sandbox, companion):
                return
            await sandbox.accompany([companion, other], {"PATH": PATH, "WHO": "it's\nme"}, tmp)
            async with asyncio.timeout(WAIT_S):
                while b"me" not in seen or Exit(code=0) not in ended:
                    await asyncio.sleep(0.002)
            main = await launch(sandbox, BASH, "-c", "echo main; exit 7", env={"ENV": "$x `y`"})
            assert await finish(sandbox) == Exit(code=7)
            assert main.text == "main\n"
            assert ended == [Exit(code=0)], "the first still runs"
            await sandbox.kill()
            assert seen.decode() == "I see it's\nme\n"

    run(work)


def test_sigterm_reaches_only_the_main_process_beside_companions(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            ended: list[Exit] = []
            companion = Companion((BASH, "-c", "sleep 100"), lambda _: None, ended.append)
            if await _refused(sandbox, companion):
                return
            await sandbox.accompany([companion], {"PATH": PATH}, "/")
            seen = await launch(sandbox, BASH, "-c", "trap 'echo asked; exit 5' TERM; echo up; while :; do sleep 0.02; done")
            await seen.until("up")
            sandbox.terminate()
            assert await finish(sandbox) == Exit(code=5)
            assert seen.text == "up\nasked\n"
            assert ended == []

    run(work)


def test_a_sandbox_can_take_over_the_tmp_of_one_that_was_killed(run: Callable[[Work], None], run_dir: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        old = await driver.prepare(SandboxSpec("old", (), Limits(memory_mib=256, vcpu=1.0)))
        written = await launch(old, BASH, "-c", "echo old > $0/kept; echo done; sleep 100", old.paths["/tmp"])
        await written.until("done")
        await old.kill()
        heir = await driver.prepare(SandboxSpec("heir", (), Limits(memory_mib=256, vcpu=1.0), tmp_of=old))
        await old.dispose()
        seen = await launch(heir, BASH, "-c", "echo new >> $0/kept; cat $0/kept", heir.paths["/tmp"])
        await finish(heir)
        assert seen.text == "old\nnew\n"
        await heir.dispose()
        left = traces(run_dir)
        assert (left["folders"], left["mounts"]) == ([], [])

    run(work)


def test_a_driver_makes_standby_sandboxes_exactly_when_it_says_so(run: Callable[[Work], None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        spec = SandboxSpec("later", ())
        if driver.capabilities.standby:
            sandbox = await driver.prepare_standby(spec)
            assert set(LATE_TARGETS) <= set(sandbox.paths)
            await sandbox.dispose()
        else:
            with pytest.raises(SandboxError, match="later"):
                await driver.prepare_standby(spec)

    run(work)
