"""Attempts by way of files: code packages, links, the runtime's own program, open descriptors, other functions' folders."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from pathlib import Path

import pytest

from functory.sandbox.drivers.oci import OciDriver
from functory.sandbox.port import Limits, Mount
from tests.security.conftest import Attempt, Program
from tests.support.sandboxes import BASH, finish, launch, prepared, started

pytestmark = pytest.mark.root
SECRET = "secret of the host"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    return file


def test_a_link_in_a_code_package_leads_into_the_sandbox_not_to_the_host(attempt: Attempt, task: Path, secret: Path) -> None:
    (task / "absolute").symlink_to(secret)
    (task / "upwards").symlink_to("../" * 20 + str(secret).lstrip("/"))
    (task / "folder").symlink_to(secret.parent)
    (task / "root").symlink_to("/proc/1/root")
    places = f"absolute upwards folder/secret root{secret}"
    _, text = attempt(f"cd /var/task; for name in {places}; do cat $name; done 2>&1", Mount(task, "/var/task"))
    assert SECRET not in text


def test_a_hard_link_out_of_a_read_only_package_cannot_be_made(python: Program, task: Path) -> None:
    (task / "code").write_text("code")
    lines = python(
        """
        print(attempt(os.link, '/var/task/code', '/tmp/code'))
        print(attempt(os.link, '/etc/passwd', '/tmp/passwd'))
        print(attempt(os.rename, '/var/task/code', '/var/task/other'))
        """,
        Mount(task, "/var/task"),
    )
    assert set(lines) <= {"EXDEV", "EROFS", "EPERM", "EACCES"}
    assert (task / "code").stat().st_nlink == 1


def test_set_user_id_programs_of_a_package_give_nothing(attempt: Attempt, task: Path) -> None:
    program = task / "become"
    program.write_bytes(Path("/usr/bin/id").read_bytes())
    program.chmod(0o6755)
    _, text = attempt(
        "/var/task/become -u; cp /var/task/become /tmp/b; chmod 6755 /tmp/b; /tmp/b -u", Mount(task, "/var/task")
    )
    assert text.split() == ["993", "993"]


def test_code_of_another_function_is_not_seen(driver: OciDriver, tmp_path: Path) -> None:
    async def main() -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "code").write_text(name)
        mounts = {name: Mount(tmp_path / name, "/var/task") for name in ("one", "two")}
        async with (
            started(driver),
            prepared(driver, mounts["one"], name="one") as one,
            prepared(driver, mounts["two"], name="two") as two,
        ):
            waiting = await launch(one, BASH, "-c", "echo one > /tmp/mine; echo up; sleep 60")
            await waiting.until("up")
            script = (
                "cat /var/task/code; echo; cat /tmp/* /proc/*/r[o]ot/tmp/mine /proc/*/cwd/tmp/mine 2>/dev/null | sort -u"
            )
            seen = await launch(two, BASH, "-c", script)
            await finish(two)
            assert seen.text == "two\n"

    asyncio.run(main())


def test_a_sandbox_sees_nothing_of_one_that_ended(driver: OciDriver) -> None:
    async def main() -> None:
        async with started(driver):
            async with prepared(driver, name="same") as first:
                await launch(first, BASH, "-c", "echo left > /tmp/left; echo left > /tmp/.hidden")
                await finish(first)
            async with prepared(driver, name="same") as second:
                seen = await launch(second, BASH, "-c", "shopt -s nullglob dotglob; echo /tmp/* end")
                await finish(second)
                assert seen.text == "end\n"

    asyncio.run(main())


def test_the_program_of_the_runtime_cannot_be_written(python: Program, driver: OciDriver) -> None:
    """As in CVE-2019-5736: the runtime's program through ``/proc/self/exe`` of a process it starts."""
    before = hashlib.sha256(driver._runtime.read_bytes()).hexdigest()
    lines = python("""
        for pid in ('1', 'self'):
            for flags in (os.O_WRONLY, os.O_RDWR | os.O_TRUNC):
                print(attempt(os.open, f'/proc/{pid}/exe', flags))
    """)
    assert {word for line in lines for word in line.split()} <= {"EACCES", "EPERM", "ETXTBSY", "EROFS"}
    assert hashlib.sha256(driver._runtime.read_bytes()).hexdigest() == before


def test_a_package_whose_program_is_the_runtimes_does_not_reach_it(attempt: Attempt, task: Path, driver: OciDriver) -> None:
    before = driver._runtime.stat()
    (task / "run").write_text("#!/proc/self/exe\n")
    (task / "run").chmod(0o755)
    attempt("/var/task/run; for n in 3 4 5 6 7 8 9; do echo x > /proc/self/fd/$n; done; true", Mount(task, "/var/task"))
    after = driver._runtime.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_no_descriptor_leads_to_the_host(python: Program) -> None:
    """As in CVE-2024-21626: a descriptor of a folder of the host that the runtime forgot to close."""
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(root, True)
    try:
        lines = python("""
            import stat
            for number in range(256):
                try:
                    mode = os.fstat(number).st_mode
                except OSError:
                    continue
                if stat.S_ISDIR(mode):
                    print('folder', number)
                places = (f'/proc/self/fd/{number}/../../../../etc/shadow', f'/proc/1/fd/{number}/etc/shadow')
                found = [path for path in places if os.path.exists(path)]
                if found:
                    print(found)
        """)
    finally:
        os.close(root)
    assert lines == []


@pytest.mark.parametrize("number", range(3, 12))
def test_a_working_directory_behind_a_descriptor_is_none_of_the_hosts(driver: OciDriver, number: int) -> None:
    """The other half of CVE-2024-21626: a working directory of ``/proc/self/fd/N``."""
    from functory.sandbox.port import Command, SandboxError

    async def main() -> str:
        output = bytearray()
        async with started(driver), prepared(driver) as sandbox:
            command = Command((BASH, "-c", "cat ../../../../../../etc/shadow ./etc/shadow"), {}, f"/proc/self/fd/{number}")
            try:
                await sandbox.launch(command, output.extend, output.extend)
                await finish(sandbox)
            except SandboxError:
                return ""
        return output.decode()

    assert "root:" not in asyncio.run(main())


def test_the_nodes_folder_and_its_sockets_are_not_there(python: Program, driver: OciDriver, tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(path))
        service.listen()
        path.chmod(0o777)
        lines = python(f"""
            print(attempt(socket.socket(socket.AF_UNIX).connect, '{path}'))
            places = '{driver._run_dir} /run/functory /run/docker.sock /run/containerd /run/dbus /var/run'
            for name in places.split():
                print(os.path.exists(name) and os.listdir(name))
        """)
    assert lines[0] == "ENOENT"
    assert set(lines[1:]) <= {"False", "[]"}


def test_inodes_end_at_the_limit_and_the_hosts_are_untouched(python: Program, tmp_path: Path) -> None:
    before = os.statvfs(tmp_path).f_files - os.statvfs(tmp_path).f_ffree
    lines = python(
        """
        made = 0
        try:
            while made < 60_000:
                os.mknod(f'/tmp/{made}')
                made += 1
        except OSError as error:
            print(errno.errorcode[error.errno], made > 10_000)
        """,
        limits=Limits(memory_mib=512, vcpu=2.0, tmp_mib=512),
    )
    assert lines == ["ENOSPC True"]
    assert os.statvfs(tmp_path).f_files - os.statvfs(tmp_path).f_ffree - before < 5_000


def test_a_file_system_cannot_be_looked_at_through_its_device(python: Program) -> None:
    lines = python("""
        import glob
        kinds = 'loop sd vd nvme xvd mem kmem port kvm sg'.split()
        print([path for kind in kinds for path in glob.glob(f'/dev/{kind}*')])
        for number, path in enumerate(('/tmp/a', '/var/task/a', '/dev/a')):
            print(attempt(os.mknod, path, 0o60666, os.makedev(7, 0)))
    """)
    assert lines[0] == "[]"
    assert set(lines[1:]) <= {"EPERM", "EROFS", "EACCES"}
