"""Configured folders (``/mnt/NAME``) under the ids of a sandbox.

**Theory.** A sandbox's user is a host id of a private range, so a folder of the host would belong to a stranger: nothing in
it could be written, and what one sandbox wrote, the next one could not change. An *id-mapped mount* (Linux 5.12) shows the
folder with its owner as the sandbox's user: a function has exactly the owner's rights, below that folder only, and new files
belong to the owner.

A folder of root is never shown as root's, because a function could then make files of root. There every sandbox counts as
the one user `UID`, which has the rights that the folder's mode gives to others, and one function's files are the next one's.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from functory.sandbox import linux
from functory.sandbox.oci_spec import GID, UID
from functory.sandbox.port import Mount, SandboxError

_WAIT_S = 5.0
_POLL_S = 0.0005
_OTHERS_MAY_WRITE = 0o002


def wants_mapping(mount: Mount) -> bool:
    """Whether this mount is a configured folder."""
    return mount.target.startswith("/mnt/")


def check_unmapped(mount: Mount, reason: str) -> None:
    """Refuse a mount that shall be written to and could not be.

    Raises:
        SandboxError: the text says what helps.
    """
    if mount.read_only or not mount.target.startswith("/mnt/") or mount.source.stat().st_mode & _OTHERS_MAY_WRITE:
        return
    raise SandboxError(
        f"functions could not write to {mount.source}: {reason}. What helps: a folder whose owner is not root, on a file "
        "system with id-mapped mounts (ext4, xfs, btrfs); or mode o+w; or mount it read-only"
    )


def attach(mount: Mount, first_id: int, target: Path) -> None:
    """Mount ``mount.source`` on the folder ``target`` with its owner as the user of the range ``first_id``. Blocks for 3 ms.

    Raises:
        OSError: the kernel or the file system cannot do it.
        SandboxError: the tool ``unshare`` is missing.
    """
    owner = mount.source.stat()
    namespace = _user_namespace(_map(owner.st_uid, UID, first_id), _map(owner.st_gid, GID, first_id))
    try:
        linux.mount_mapped(mount.source, target, namespace)
    finally:
        os.close(namespace)


def _map(owner: int, own: int, first_id: int) -> str:
    """The lines of a map: the folder's owner is the sandbox's user; of root's folder it is ``own`` on the disk, too.

    Root is named as well, or nothing could be made in a folder of root's (also one below the folder of somebody else); it is
    the range's id 0, which no process has. Without a range (`first_id` 0) it is the runtime's file server, which makes files
    as root and gives them to the user at once.
    """
    return f"0 {first_id} 1\n{owner or own} {first_id + own} 1\n"


def _user_namespace(uid_map: str, gid_map: str) -> int:
    """A descriptor of a new user namespace with these maps.

    A process with threads cannot make one for itself; ``unshare`` makes it, and ends when its input does.
    """
    tool = shutil.which("unshare")
    if tool is None:
        raise SandboxError("the tool unshare (util-linux) is not installed; configured folders need it")
    read, write = os.pipe()
    try:
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123
            actions = [(os.POSIX_SPAWN_DUP2, read, 0)]
            actions += [(os.POSIX_SPAWN_DUP2, nothing.fileno(), number) for number in (1, 2)]
            pid = os.posix_spawn(tool, [tool, "--user", "cat"], {"PATH": os.defpath}, file_actions=actions, setsid=True)
        try:
            _await_namespace(pid)
            Path(f"/proc/{pid}/uid_map").write_text(uid_map)
            Path(f"/proc/{pid}/gid_map").write_text(gid_map)
            return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(write)
            write = -1
            os.waitpid(pid, 0)
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)


def _await_namespace(pid: int) -> None:
    ours = Path("/proc/self/ns/user").readlink()
    give_up_at = time.monotonic() + _WAIT_S
    while Path(f"/proc/{pid}/ns/user").readlink() == ours:
        if time.monotonic() > give_up_at:
            raise TimeoutError("no user namespace could be made")
        time.sleep(_POLL_S)
