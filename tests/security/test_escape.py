"""First attempts to get out of an ``oci`` sandbox, with plain shell and Python: none may work.

Each attempt runs as a function would: as the sandbox's user, with the tools of the host's ``/usr``.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from functory.kernel.limits import MIB
from functory.sandbox.port import Exit, Limits, Mount, SandboxDriver
from tests.security.conftest import Attempt, Program
from tests.support.sandboxes import BASH, finish, launch, prepared, started

pytestmark = pytest.mark.root

_CAP_SYS_RESOURCE = 24


def test_the_process_is_nobody_and_can_become_nobody_else(attempt: Attempt, is_gvisor: bool) -> None:
    _, text = attempt("grep -E '^(Uid|Gid|Cap[A-Za-z]+|NoNewPrivs|Seccomp):' /proc/self/status")
    status = dict(line.split(":\t", 1) for line in text.splitlines())
    assert status["Uid"].split() == ["993"] * 4
    assert status["Gid"].split() == ["990"] * 4
    assert {int(value, 16) for name, value in status.items() if name.startswith("Cap")} == {0}
    assert status.get("NoNewPrivs", "1") == "1"  # gVisor does not tell it, and shows its own filter
    assert status["Seccomp"] == "2" or is_gvisor


def test_setuid_programs_give_nothing(attempt: Attempt) -> None:
    _, text = attempt("su -c id 2>&1; mount 2>&1 >/dev/null; sudo -n id 2>&1; id -u")
    assert text.splitlines()[-1] == "993"
    assert "uid=0" not in text


def test_becoming_root_is_refused(python: Program) -> None:
    assert python("print(call('setuid', 0), call('setgid', 0), call('setgroups', 0, 0))") == [
        f"{errno.EPERM} {errno.EPERM} {errno.EPERM}"
    ]


@pytest.mark.parametrize(
    "path", ["/root", "/home/*", "/var/lib", "/var/log", "/etc/shadow", "/boot", "/srv", "/sys/kernel/*"]
)
def test_folders_of_the_host_are_not_there(attempt: Attempt, path: str) -> None:
    _, text = attempt(f"compgen -G '{path}' || echo absent")
    assert text == "absent\n"


def test_other_data_of_the_node_is_not_there(attempt: Attempt, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of another function")
    _, text = attempt(
        f"cat {tmp_path}/secret 2>&1; shopt -s nullglob dotglob; echo {tmp_path}/* /tmp/* /mnt/* /opt/* /var/task/*"
    )
    assert text.splitlines()[0].endswith("No such file or directory")
    assert text.splitlines()[1] == ""


@pytest.mark.usefixtures("host_kernel")
def test_the_root_of_the_first_process_is_the_sandbox(attempt: Attempt) -> None:
    _, text = attempt("ls /proc/1/root/; cat /proc/1/root/etc/passwd; ls /proc/1/root/../../../root 2>&1")
    assert "sbx_user1051" in text
    assert "No such file or directory" in text


def test_other_processes_are_not_seen(attempt: Attempt) -> None:
    _, text = attempt("cd /proc; echo $$; echo [0-9]*; kill -9 -1 2>&1; echo end")
    own, seen, *_ = text.splitlines()
    assert set(seen.split()) == {"1", own}  # the first one is the sandbox's


@pytest.mark.parametrize(
    "path", ["/new", "/usr/bin/new", "/etc/passwd", "/var/task/new", "/opt/new", "/dev/new", "/proc/sys/kernel/hostname"]
)
def test_nothing_but_tmp_is_writable(attempt: Attempt, tmp_path: Path, path: str) -> None:
    (tmp_path / "task").mkdir(mode=0o777)
    (tmp_path / "task").chmod(0o777)
    _, text = attempt(f"(echo x > {path}) 2>&1 || echo refused", Mount(tmp_path / "task", "/var/task"))
    assert "refused" in text
    assert list((tmp_path / "task").iterdir()) == []


def test_read_only_mounts_cannot_be_made_writable(python: Program) -> None:
    lines = python("""
        MS_REMOUNT, MS_BIND = 32, 4096
        print(call('mount', b'none', b'/usr', None, MS_REMOUNT | MS_BIND, None))
        print(call('mount', b'tmpfs', b'/tmp', b'tmpfs', 0, None))
        print(call('mount', b'proc', b'/tmp', b'proc', 0, None))
        print(call('umount2', b'/usr', 2), call('umount2', b'/proc/kcore', 2))
        print(call('pivot_root' if hasattr(libc, 'pivot_root') else 'chroot', b'/tmp', b'/tmp'))
    """)
    assert set(" ".join(lines).split()) == {str(errno.EPERM)}


@pytest.mark.usefixtures("host_kernel")
def test_new_namespaces_are_refused(python: Program) -> None:
    lines = python("""
        for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
            print(call('unshare', flag))
            print(call('syscall', 56, flag | 17, 0, 0, 0, 0))
        print(call('setns', os.open('/proc/1/ns/net', os.O_RDONLY), 0))
    """)
    assert set(lines) == {str(errno.EPERM)}


def test_clone3_is_answered_so_that_programs_fall_back(python: Program) -> None:
    assert python("print(call('syscall', 435, 0, 0))") == [str(errno.ENOSYS)]


def test_a_chroot_escape_is_refused_at_its_first_step(python: Program) -> None:
    assert python("os.mkdir('/tmp/a'); print(call('chroot', b'/tmp/a'))") == [str(errno.EPERM)]


@pytest.mark.usefixtures("host_kernel")
def test_tracing_and_foreign_memory_are_refused(python: Program) -> None:
    lines = python("""
        PTRACE_TRACEME, PTRACE_ATTACH = 0, 16
        print(call('ptrace', PTRACE_TRACEME, 0, 0, 0))
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        print(call('ptrace', PTRACE_ATTACH, pid, 0, 0))
        print(call('process_vm_readv', pid, 0, 0, 0, 0, 0))
    """)
    assert set(lines) == {str(errno.EPERM)}


@pytest.mark.usefixtures("host_kernel")
def test_kernel_interfaces_that_are_often_broken_are_refused(python: Program) -> None:
    lines = python("""
        numbers = dict(bpf=321, perf_event_open=298, userfaultfd=323, io_uring_setup=425, keyctl=250, add_key=248,
                       open_by_handle_at=304, kexec_load=246, init_module=175, finit_module=313, reboot=169, swapon=167,
                       fsopen=430, open_tree=428, mount_setattr=442, syslog=103, quotactl=179)
        for name, number in numbers.items():
            error = call('syscall', number, 0, 0, 0, 0, 0)
            if error != 1:
                print(name, error)
    """)
    assert lines == []


@pytest.mark.usefixtures("host_kernel")
def test_devices_cannot_be_made_or_opened(attempt: Attempt, python: Program) -> None:
    lines = python("""
        import stat
        for kind in (stat.S_IFBLK, stat.S_IFCHR):
            try:
                os.mknod('/tmp/device', 0o666 | kind, os.makedev(7, 0))
                print('made')
            except PermissionError:
                pass
        print(sorted(os.listdir('/dev')))
        print(os.path.exists('/dev/shm'), os.path.exists('/dev/kmsg'), os.path.exists('/dev/mem'))
    """)
    assert lines == [
        "['fd', 'full', 'null', 'random', 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero']",
        "False False False",
    ]


def test_raw_packet_and_vm_sockets_are_refused(python: Program) -> None:
    lines = python("""
        import socket
        for family, kind, protocol in ((2, 3, 1), (10, 3, 58), (17, 3, 0), (17, 2, 0), (40, 1, 0), (38, 5, 0)):
            try:
                socket.socket(family, kind, protocol)
                print(family, kind, 'made')
            except OSError as error:
                if error.errno not in (1, 13, 97, 94):
                    print(family, kind, error)
    """)
    assert lines == []


def test_services_of_the_host_and_metadata_are_not_reached(python: Program) -> None:
    with socket.create_server(("0.0.0.0", 0)) as service, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))
        port, own = service.getsockname()[1], probe.getsockname()[0]
        lines = python(f"""
            for host in ('127.0.0.1', '127.0.0.53', '169.254.100.1', '169.254.169.254', '{own}', '0.0.0.0'):
                print(attempt(socket.create_connection, (host, {port}), 2))
            print({{name for _, name in socket.if_nameindex()}} <= {{'lo', 'eth0'}})
        """)
    assert set(lines[:-1]) <= {"ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"}
    assert lines[-1] == "True"


def test_another_sandbox_is_not_reached(driver: SandboxDriver) -> None:
    async def main() -> None:
        async with started(driver), prepared(driver, name="one") as one, prepared(driver, name="two") as two:
            hits: list[str] = []

            def serve(name: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
                def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    hits.append(name)
                    writer.close()

                return connected

            first = await asyncio.start_server(serve("one"), sock=one.runtime_listener)
            second = await asyncio.start_server(serve("two"), sock=two.runtime_listener)
            await launch(two, BASH, "-c", "for host in 127.0.0.1 169.254.100.1; do cat < /dev/tcp/$host/9001; done")
            await finish(two)
            assert hits == ["two", "two"]
            first.close()
            second.close()

    asyncio.run(main())


def test_abstract_sockets_of_the_host_are_not_reached(python: Program) -> None:
    with socket.socket(socket.AF_UNIX) as service:
        service.bind("\0functory-escape-test")
        service.listen()
        lines = python("""
            import socket
            try:
                socket.socket(socket.AF_UNIX).connect(chr(0) + 'functory-escape-test')
                print('reached')
            except ConnectionRefusedError:
                print('refused')
        """)
    assert lines == ["refused"]


@pytest.mark.usefixtures("host_kernel")
def test_shared_memory_of_the_host_is_not_seen(attempt: Attempt) -> None:
    made = subprocess.run(["/usr/bin/ipcmk", "-M", "4096"], capture_output=True, text=True, check=True)
    number = made.stdout.split(":")[1].strip()
    try:
        _, text = attempt("tail -n +2 /proc/sysvipc/shm | wc -l")
    finally:
        subprocess.run(["/usr/bin/ipcrm", "-m", number], check=True)
    assert text == "0\n"


@pytest.mark.usefixtures("host_kernel")
def test_a_fork_bomb_ends_at_the_limit(python: Program) -> None:
    program = """
        made = 0
        try:
            while made < 500:
                if os.fork() == 0:
                    os.read(os.pipe()[0], 1)
                made += 1
        except BlockingIOError:
            print('stopped', made)
    """

    lines = python(program, limits=Limits(memory_mib=512, vcpu=1.0, processes=64))
    assert lines
    assert lines[0].startswith("stopped")
    assert int(lines[0].split()[1]) < 64


def test_a_memory_hog_dies_alone(attempt: Attempt) -> None:
    how, _ = attempt("exec tail /dev/zero", limits=Limits(memory_mib=128, vcpu=1.0))
    assert how == Exit(signal=9, out_of_memory=True)


def test_filling_the_disk_ends_at_the_limit(attempt: Attempt) -> None:
    _, text = attempt("head -c 3G /dev/zero > /tmp/fill 2>/dev/null; wc -c < /tmp/fill", limits=Limits(512, 1.0))
    assert int(text) < 600 * MIB


def test_open_files_end_at_the_limit(python: Program) -> None:
    lines = python("""
        import resource
        print(resource.getrlimit(resource.RLIMIT_NOFILE))
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        except ValueError:
            print('refused')
        files = []
        try:
            while len(files) < 2000:
                files.append(open('/dev/null'))
        except OSError as error:
            print(error.errno, len(files) < 1024)
    """)
    assert lines == ["(1024, 1024)", "refused", f"{errno.EMFILE} True"]


@pytest.mark.usefixtures("host_kernel")
def test_the_control_groups_are_out_of_reach(attempt: Attempt) -> None:
    _, text = attempt("cat /proc/self/cgroup | cut -d: -f3 | sort -u; ls -A /sys; mount | grep -c cgroup")
    assert text.split() == ["/", "0"]


def test_kernel_settings_and_memory_are_out_of_reach(attempt: Attempt) -> None:
    secrets = "/proc/kcore /proc/keys /proc/timer_list /proc/interrupts /proc/1/mem /proc/kmsg"
    switches = "/proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches"
    _, read = attempt(f"for file in {secrets}; do head -c1 $file 2>/dev/null; done | wc -c")
    _, written = attempt(f"for file in {switches}; do (echo 0 > $file) 2>/dev/null && echo $file; done; true")
    assert (read, written) == ("0\n", "")


def test_a_function_cannot_outlive_the_node_when_memory_runs_out(attempt: Attempt) -> None:
    capabilities = re.search(r"^CapEff:\s+(\w+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    if capabilities is None or not int(capabilities[1], 16) & 1 << _CAP_SYS_RESOURCE:
        pytest.skip("without CAP_SYS_RESOURCE the kernel lets everybody lower their score again")
    _, text = attempt("cat /proc/1/oom_score_adj; (echo 0 > /proc/1/oom_score_adj) 2>&1; cat /proc/1/oom_score_adj")
    assert text.splitlines()[0] == text.splitlines()[-1] == "500"


def test_the_environment_of_the_node_does_not_leak(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNCTORY_ESCAPE_SECRET", "leaked")
    _, text = attempt("cat /proc/*/environ | tr '\\0' '\\n'; cat /proc/1/cmdline")
    assert "leaked" not in text
    assert sys.executable not in text
