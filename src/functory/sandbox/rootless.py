"""Isolation for a node that an ordinary user started: the node enters a user namespace in which it is root.

**Theory.** Everything the driver ``oci`` does (mounts, network namespaces, another user for each sandbox) needs root only
over namespaces of its own. A process that makes a *user namespace* is root in it and nobody outside. It must do so while it
has one thread, so the node does it before anything else. Which ids exist inside depends on the machine: with ``newuidmap``
and a range in ``/etc/subuid`` every sandbox gets ids of its own; without, there is only the user's own id, which the node
and all functions then share (namespaces and *no new privileges* still separate them).

What only the real root can give does not hold: limits of control groups (unless a writable tree was delegated), ``/tmp`` on
a loop device, and a way out of the network. `Capabilities` and its notes say so.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from functory.sandbox import linux

SUBORDINATE_IDS = 65_536
"""How many are taken at most."""
_EVERY_ID = 0xFFFF_FFFF
_FILES = {"newuidmap": Path("/etc/subuid"), "newgidmap": Path("/etc/subgid")}


def is_possible() -> str:
    """Why this process could not enter a user namespace with mounts of its own; ``""`` when it can. Forks to find out."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        text = ""
        try:
            linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWNET)
        except OSError as error:
            text = str(error)
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text


def enter() -> None:
    """Become root of a new user namespace. Only while there is one thread.

    Raises:
        OSError: not allowed here.
    """
    uid, gid = os.geteuid(), os.getegid()
    with _helper(uid, gid) as mapped_by_helper:
        linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
        if mapped_by_helper():
            return
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1\n")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1\n")


@contextlib.contextmanager
def _helper(uid: int, gid: int) -> Iterator[Callable[[], bool]]:
    """A child that stays outside, where ``newuidmap`` has its privilege, and maps this process when it is told to."""
    read, write = os.pipe()
    node, child = os.getpid(), os.fork()
    if child == 0:
        os.close(write)
        done = os.read(read, 1) == b"1" and _map_subordinates(node, uid, gid)
        os._exit(0 if done else 1)
    os.close(read)

    def mapped() -> bool:
        nonlocal child
        os.write(write, b"1")
        status = os.waitpid(child, 0)[1]
        child = 0
        return status == 0

    try:
        yield mapped
    finally:
        os.close(write)
        if child:
            os.waitpid(child, 0)


def _map_subordinates(node: int, uid: int, gid: int) -> bool:
    commands = []
    for tool, own in (("newuidmap", uid), ("newgidmap", gid)):
        program, found = shutil.which(tool), subordinates(_FILES[tool], uid)
        if program is None or found is None:
            return False
        first, count = found
        commands.append([program, str(node), "0", str(own), "1", "1", str(first), str(count)])
    return all(subprocess.run(each, check=False, stderr=subprocess.DEVNULL).returncode == 0 for each in commands)  # noqa: S603


def subordinates(file: Path, uid: int) -> tuple[int, int] | None:
    """The range of ids that ``/etc/subuid`` or ``/etc/subgid`` gives a user: first and count, at most `SUBORDINATE_IDS`."""
    names = {str(uid)}
    with contextlib.suppress(KeyError):
        names.add(pwd.getpwuid(uid).pw_name)
    with contextlib.suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in names:
                first, _, count = rest.partition(":")
                return int(first), min(int(count), SUBORDINATE_IDS)
    return None


def ids_here(uid_map: Path = Path("/proc/self/uid_map")) -> int:
    """How many user ids exist in this process's user namespace beside its root, or -1 when it has all of them."""
    try:
        counts = [int(line.split()[2]) for line in uid_map.read_text().splitlines()]
    except (OSError, IndexError, ValueError):
        return -1
    return -1 if sum(counts) >= _EVERY_ID - 1 or sum(counts) > 2 * SUBORDINATE_IDS else sum(counts) - 1


def user_outside(uid_map: Path = Path("/proc/self/uid_map")) -> int:
    """The user id that this process has outside of its user namespace."""
    try:
        return int(uid_map.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return os.geteuid()
