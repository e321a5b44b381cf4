"""Attempts by way of the kernel: its switches, its helper programs, its name spaces, other processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from functory.kernel.limits import MIB
from functory.sandbox.drivers.oci import OciDriver
from functory.sandbox.port import Exit, Limits
from functory.sandbox.recovery import key_of
from tests.security.conftest import Attempt, Program
from tests.support.sandboxes import BASH, CGROUPS, PYTHON, finish, launch, prepared, started

pytestmark = pytest.mark.root
REFUSED = {"EPERM", "EACCES", "EROFS", "ENOENT", "ENOSYS", "EINVAL", "EOPNOTSUPP", "ENODEV", "ENOTDIR"}
_SWITCHES = (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/proc/sys/kernel/sysrq",
    "/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/yama/ptrace_scope",
    "/proc/sys/kernel/unprivileged_bpf_disabled",
    "/proc/sys/kernel/poweroff_cmd", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/panic_on_oom",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sys/fs/suid_dumpable", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf/all/route_localnet",
    "/proc/sys/user/max_user_namespaces", "/proc/sysrq-trigger", "/proc/irq/0/smp_affinity", "/proc/latency_stats",
)  # fmt: skip


def _value(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("path", _SWITCHES)
def test_a_switch_of_the_kernel_cannot_be_turned(python: Program, path: str) -> None:
    before = _value(path)
    lines = python(f"""
        def write():
            with open({path!r}, 'r+b', buffering=0) as file:
                file.write(b'|/tmp/x')
        print(attempt(write))
    """)
    assert set(lines) <= REFUSED
    assert _value(path) == before


@pytest.mark.parametrize(
    "path", ["/sys/kernel/uevent_helper", "/sys/fs/cgroup", "/sys/module", "/sys/power/state", "/sys/kernel/debug"]
)
def test_sysfs_offers_nothing_to_write(python: Program, path: str) -> None:
    lines = python(f"""
        found = []
        for folder, _, names in os.walk({path!r}):
            found += [os.path.join(folder, name) for name in names if os.access(os.path.join(folder, name), os.W_OK)]
        print(found, os.access({path!r}, os.W_OK))
    """)
    assert lines == ["[] False"]


def test_a_release_agent_cannot_be_set(python: Program) -> None:
    agents = {path: _value(str(path)) for path in CGROUPS.glob("*/release_agent")}
    lines = python("""
        os.mkdir('/tmp/cg')
        for kind, options in ((b'cgroup', b'memory'), (b'cgroup', b'rdma'), (b'cgroup', b'none,name=x'), (b'cgroup2', b'')):
            print(call('mount', b'cgroup', b'/tmp/cg', kind, 0, options) != 0)
        print([os.path.join(folder, name) for folder, _, names in os.walk('/tmp/cg') for name in names])
    """)
    assert lines == ["True"] * 4 + ["[]"]
    assert {path: _value(str(path)) for path in agents} == agents


def test_other_sandboxes_groups_and_processes_are_not_seen(driver: OciDriver) -> None:
    async def main() -> None:
        async with started(driver), prepared(driver, name="one") as one, prepared(driver, name="two") as two:
            waiting = await launch(one, BASH, "-c", "echo up; exec sleep 3456")
            await waiting.until("up")
            script = "cat /proc/*/cgroup /proc/*/cmdline /proc/*/environ /proc/self/mountinfo 2>/dev/null | tr '\\0' ' '"
            seen = await launch(two, BASH, "-c", script)
            await finish(two)
            assert "3456" not in seen.text
            assert key_of(driver._run_dir) not in seen.text.replace("/sandboxes/two", "").replace("/root-", "")

    asyncio.run(main())


def test_what_double_forks_does_not_survive(driver: OciDriver) -> None:
    """A function that was killed at its time limit, with a child in a session of its own that ignores every signal."""

    async def main() -> None:
        async with started(driver):
            async with prepared(driver) as sandbox:
                program = """if True:
                    import os, signal, time
                    for _ in range(3):
                        if os.fork():
                            break
                        os.setsid()
                    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
                        try: signal.signal(number, signal.SIG_IGN)
                        except (OSError, ValueError): pass
                    print('up', flush=True)
                    time.sleep(3000)
                """
                seen = await launch(sandbox, PYTHON, "-c", program)
                await seen.until("up")
                groups = list(CGROUPS.glob(f"*/functory/{key_of(driver._run_dir)}/one"))
                groups += [folder for folder in [CGROUPS / "functory" / key_of(driver._run_dir) / "one"] if folder.exists()]
                pids = {pid for group in groups for pid in (group / "cgroup.procs").read_text().split()}
                assert pids
                await sandbox.kill()
            assert not [pid for pid in pids if Path(f"/proc/{pid}").exists() and _is_of(pid, driver)]
            assert not [group for group in groups if group.exists()]

    asyncio.run(main())


def _is_of(pid: str, driver: OciDriver) -> bool:
    return key_of(driver._run_dir).encode() in _value(f"/proc/{pid}/cgroup")


def test_the_first_process_and_the_nodes_cannot_be_traced_or_signalled(python: Program) -> None:
    node = os.getpid()
    lines = python(f"""
        print(attempt(os.kill, {node}, 0), attempt(os.open, '/proc/{node}/mem', os.O_RDWR))
        print(attempt(os.open, '/proc/{node}/environ', os.O_RDONLY), os.path.exists('/proc/{node}/root/etc'))
        os.kill(-1, 0) if False else None
    """)
    assert lines[0].split() == ["ESRCH", "ENOENT"]
    assert lines[1].split() == ["ENOENT", "False"]


def test_privileges_cannot_be_gained(python: Program) -> None:
    lines = python("""
        CAPSET, PR_CAPBSET_READ, PR_CAP_AMBIENT, PR_SET_SECUREBITS = 126, 23, 47, 28
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        data = (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)
        print(call('syscall', CAPSET, header, data) != 0)
        print(call('prctl', PR_CAP_AMBIENT, 2, 21, 0, 0) != 0, call('prctl', PR_SET_SECUREBITS, 0xf, 0, 0, 0) != 0)
        for name in ('setuid', 'seteuid', 'setgid', 'setfsuid'):
            getattr(libc, name)(0)
        print(os.getresuid(), os.getresgid())
        status = open('/proc/self/status').read()
        print([line for line in status.splitlines() if line.startswith(('CapEff', 'CapPrm')) and int(line.split()[1], 16)])
    """)
    assert lines == ["True", "True True", "(993, 993, 993) (990, 990, 990)", "[]"]


def test_a_user_namespace_gives_no_way_to_the_host(python: Program) -> None:
    """gVisor lets a function make one; then it is root of nothing but its own kernel's names."""
    lines = python("""
        CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET = 0x10000000, 0x20000, 0x40000000
        call('unshare', CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) and call('unshare', CLONE_NEWUSER)
        print(call('mount', b'none', b'/usr', None, 32 | 4096, None) != 0 or attempt(os.mknod, '/usr/new') == 'EROFS')
        print(attempt(os.mknod, '/usr/made-by-a-function'), attempt(os.mknod, '/var/task/made'))
        print(os.path.exists('/etc/shadow') or os.path.exists('/boot'))
    """)
    assert lines[0] == "True"
    assert set(lines[1].split()) <= REFUSED
    assert lines[2] == "False"
    assert not Path("/usr/made-by-a-function").exists()


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("bpf", 321), ("perf_event_open", 298), ("kexec_load", 246), ("kexec_file_load", 320), ("init_module", 175),
        ("finit_module", 313), ("delete_module", 176), ("reboot", 169), ("swapon", 167), ("syslog", 103), ("iopl", 172),
        ("ioperm", 173), ("open_by_handle_at", 304), ("quotactl", 179), ("acct", 163), ("settimeofday", 164),
        ("fsopen", 430),
        ("open_tree", 428), ("move_mount", 429), ("pidfd_getfd", 438), ("io_uring_setup", 425), ("userfaultfd", 323),
        ("process_vm_writev", 311), ("lookup_dcookie", 212), ("fanotify_init", 300), ("sethostname", 170),
    ],
)  # fmt: skip
def test_a_dangerous_system_call_does_not_succeed(python: Program, name: str, number: int) -> None:
    lines = python(f"print(call('syscall', {number}, 1, 1, 1, 1, 1, 1) != 0)")
    assert lines == ["True"], name


def test_keys_of_the_host_and_of_other_sandboxes_are_not_reached(python: Program) -> None:
    lines = python("""
        KEYCTL, ADD_KEY, REQUEST_KEY = 250, 248, 249
        print(call('syscall', ADD_KEY, b'user', b'functory', b'x', 1, -3) != 0)
        print(call('syscall', REQUEST_KEY, b'user', b'functory', None, 0) != 0)
        print(call('syscall', KEYCTL, 11, -5, 0, 0, 0) != 0)
        keys = open('/proc/keys').read() if os.path.exists('/proc/keys') else ''
        print(keys == '')
    """)
    assert lines == ["True"] * 4


def test_a_terminal_cannot_be_typed_into(python: Program) -> None:
    lines = python("""
        import fcntl
        TIOCSTI, TIOCLINUX = 0x5412, 0x541c
        for number in (0, 1, 2):
            print(attempt(fcntl.ioctl, number, TIOCSTI, b'x'), attempt(fcntl.ioctl, number, TIOCLINUX, b'\\x0b'))
        print(attempt(os.open, '/dev/console', os.O_RDWR), attempt(os.open, '/dev/tty1', os.O_RDWR))
    """)
    assert {word for line in lines for word in line.split()} <= {"EPERM", "ENOTTY", "ENOENT", "ENXIO", "EINVAL", "EIO"}


def test_memory_is_shared_with_nobody(driver: OciDriver) -> None:
    async def main() -> None:
        program = """if True:
            import ctypes, sys, time
            libc = ctypes.CDLL(None)
            print(libc.shmget(0x4655, 4096, 0o1666 if sys.argv[1] == 'make' else 0) >= 0, flush=True)
            print(libc.msgget(0x4655, 0o1666 if sys.argv[1] == 'make' else 0) >= 0, flush=True)
            if sys.argv[1] == 'make': time.sleep(60)
        """
        async with started(driver), prepared(driver, name="one") as one, prepared(driver, name="two") as two:
            makes = await launch(one, PYTHON, "-c", program, "make")
            await makes.until("True\nTrue\n")
            looks = await launch(two, PYTHON, "-c", program, "look")
            await finish(two)
            assert looks.text == "False\nFalse\n"

    asyncio.run(main())


def test_a_memory_hog_of_many_processes_dies_and_the_node_does_not(attempt: Attempt) -> None:
    how, _ = attempt("for i in 1 2 3 4 5 6; do tail /dev/zero & done; exec tail /dev/zero", limits=Limits(128, 1.0))
    assert how.signal == 9 or how.code not in {0, None}
    assert Path("/proc/self/oom_score_adj").exists()


def test_locked_and_shared_memory_count_too(python: Program) -> None:
    lines = python(
        """
        import mmap
        kept = []
        try:
            file = os.memfd_create('x')
            os.ftruncate(file, 600 * 1024 * 1024)
            area = mmap.mmap(file, 600 * 1024 * 1024)
            for position in range(0, len(area), 4096):
                area[position] = 1
            print('filled')
        except OSError as error:
            print(error)
        """,
        limits=Limits(128, 1.0),
    )
    assert "filled" not in lines


def test_a_flood_of_output_does_not_fill_the_nodes_memory(driver: OciDriver, is_gvisor: bool) -> None:
    async def main() -> None:
        taken = 0

        def count(data: bytes) -> None:
            nonlocal taken
            taken += len(data)

        from functory.sandbox.port import Command

        async with started(driver), prepared(driver) as sandbox:
            await sandbox.launch(Command((BASH, "-c", "yes | head -c 50M"), {"PATH": "/usr/bin"}, "/"), count, count)
            await finish(sandbox)
        assert taken == 50 * MIB or (is_gvisor and taken > 0)  # there a full pipe may refuse: declared

    asyncio.run(main())


def test_a_fork_bomb_does_not_outgrow_its_group(driver: OciDriver) -> None:
    async def main() -> None:
        limits = Limits(memory_mib=256, vcpu=1.0, processes=100)
        async with started(driver), prepared(driver, limits=limits) as sandbox:
            seen = await launch(sandbox, BASH, "-c", "echo up; bomb() { bomb | bomb & }; bomb; sleep 2")
            await seen.until("up")
            for _ in range(20):
                assert len(sandbox._group.pids()) <= 100  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
            await sandbox.kill()

    asyncio.run(main())


@pytest.mark.usefixtures("host_kernel")
def test_the_sandboxs_own_first_process_cannot_be_ended_stopped_or_made_to_mislead(attempt: Attempt) -> None:
    """It belongs to the same user; a function that harms it harms nobody but itself, and the node hears the truth."""
    how, text = attempt(
        """
        for number in KILL TERM STOP INT SEGV; do kill -$number 1; done
        for fd in /proc/1/fd/*; do printf '\\377\\377\\377\\377garbage' > "$fd"; done 2> /dev/null
        (echo 0 > /proc/1/oom_score_adj) 2> /dev/null
        ls /proc/1/exe > /dev/null && echo alive
        exit 5
        """
    )
    assert "alive" in text
    assert how == Exit(code=5)
