"""The Linux system calls that the standard library of Python 3.11 does not have.

Owns: thin, typed wrappers over libc (mount, namespaces, prctl) and over the loop device's ioctls. Every failure is an
``OSError`` with the kernel's errno. Deliberately knows nothing of sandboxes.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MNT_DETACH = 2

# Since Linux 5.1 new system calls have the same number everywhere.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_MOUNT_SETATTR = 442
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_MOUNT_ATTR_IDMAP = 0x0010_0000
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37

_LOOP_CONFIGURE = 0x4C0A
_LOOP_CTL_GET_FREE = 0x4C82
_LO_FLAGS_AUTOCLEAR = 4
_LOOP_ATTEMPTS = 64  # other users of loop devices may take the free one first

_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x1 | 0x40

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    """``mount(2)``.

    Raises:
        OSError: the kernel's errno.
    """
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    )
    _check(result, f"mount {kind or 'bind'} on {target}")


def bind(source: Path, target: Path, *, read_only: bool, extra: int = 0) -> None:
    """Show ``source`` (and what is mounted below it) at ``target``; the second call is how the kernel takes the flags.

    Raises:
        OSError: the kernel's errno.
    """
    mount(str(source), target, flags=MS_BIND | MS_REC)
    if read_only or extra:
        flags = MS_BIND | MS_REMOUNT | extra | (MS_RDONLY if read_only else 0)
        mount("none", target, flags=flags)


def mount_mapped(source: Path, target: Path, namespace: int) -> None:
    """Show ``source`` at ``target`` with its owners translated by the maps of a user namespace (a descriptor of it).

    Raises:
        OSError: the kernel's errno (EINVAL: the file system cannot do it).
    """
    tree = _libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(source), _OPEN_TREE_CLONE | os.O_CLOEXEC)
    _check(min(tree, 0), f"open tree {source}")
    try:
        attributes = struct.pack("<QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, namespace)
        result = _libc.syscall(_SYS_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, attributes, ctypes.c_size_t(len(attributes)))
        _check(result, f"map the owners of {source}")
        result = _libc.syscall(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
        _check(result, f"mount on {target}")
    finally:
        os.close(tree)


def unmount(target: Path) -> None:
    """``umount2(2)`` with detach: the name is free at once, the file system goes with its last user.

    Raises:
        OSError: the kernel's errno (EINVAL: nothing is mounted there).
    """
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"unmount {target}")


def detach(target: Path) -> None:
    """`unmount` that does not mind when nothing is mounted there."""
    try:
        unmount(target)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOENT}:
            raise


def device_of(folder: Path) -> str:
    """The device of the file system that is mounted on a folder, as the calling process sees it.

    Raises:
        OSError: none is.
    """
    number = folder.stat().st_dev
    return f"/dev/{Path(f'/sys/dev/block/{os.major(number)}:{os.minor(number)}').resolve(strict=True).name}"


def unshare(flags: int) -> None:
    """``unshare(2)`` for the calling thread.

    Raises:
        OSError: the kernel's errno.
    """
    _check(_libc.unshare(flags), "unshare")


def setns(namespace: int, flags: int) -> None:
    """``setns(2)`` for the calling thread (Python has it from 3.12).

    Raises:
        OSError: the kernel's errno.
    """
    _check(_libc.setns(namespace, flags), "setns")


def bring_up(device: str) -> None:
    """Switch a network device of the calling thread's namespace on.

    Raises:
        OSError: the kernel's errno.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("<16sh22x", device.encode(), _IFF_UP_RUNNING))


def is_subreaper() -> bool:
    """Whether orphaned descendants become children of this process.

    Raises:
        OSError: the kernel's errno.
    """
    answer = ctypes.c_int(0)
    _check(_libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0), "prctl(PR_GET_CHILD_SUBREAPER)")
    return bool(answer.value)


def set_subreaper(enabled: bool) -> None:
    """Whether orphaned descendants of this process become its children, so that their status can be collected here.

    Raises:
        OSError: the kernel's errno.
    """
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, int(enabled), 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")


def sync_file_system(folder: Path) -> None:
    """``syncfs(2)``: everything of the file system that holds ``folder`` is on its device.

    Raises:
        OSError: the kernel's errno.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.syncfs(fd), f"sync {folder}")
    finally:
        os.close(fd)


def attach_loop(image: Path) -> tuple[str, int]:
    """Attach a file to a free loop device that lets go of it when its last user does.

    Returns:
        The device's path and an open descriptor of it; close the descriptor after mounting.

    Raises:
        OSError: no loop devices here, or none free.
    """
    backing = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    control = -1
    try:
        control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
        for _ in range(_LOOP_ATTEMPTS):
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            path = f"/dev/loop{number}"
            if not os.path.exists(path):  # noqa: PTH110  no udev here: make the node ourselves
                with contextlib.suppress(FileExistsError):
                    os.mknod(path, 0o600 | 0o060000, os.makedev(7, number))
            device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                _configure_loop(device, backing)
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:
                    raise
                continue
            return path, device
        raise OSError(errno.EBUSY, "no free loop device")
    finally:
        os.close(backing)
        if control >= 0:
            os.close(control)


def _configure_loop(device: int, backing: int) -> None:
    """``LOOP_CONFIGURE`` (Linux 5.8): file, flags and block size in one step.

    Buffered on purpose: what a short-lived file system holds then need not reach the disk at all.
    """
    # struct loop_config: u32 fd, u32 block_size, struct loop_info64 (232 bytes, lo_flags at offset 52), u64[8]
    info = bytearray(232)
    struct.pack_into("<I", info, 52, _LO_FLAGS_AUTOCLEAR)
    fcntl.ioctl(device, _LOOP_CONFIGURE, struct.pack("<II", backing, 4096) + bytes(info) + bytes(64))
