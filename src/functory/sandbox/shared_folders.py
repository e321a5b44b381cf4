"""Host folders that functions may write to, seen through a sandbox's private ids.

**Theory.** Every sandbox has its own range of user ids, so a file that one function wrote would be a stranger's for the
next. An id-mapped mount translates instead: the sandbox's user counts as the owner of the configured folder, whichever
sandbox it is, and no other user of the host can be reached. AWS: an EFS access point imposes one POSIX identity likewise.

The translation is named by a user namespace, which a process must make; it costs some milliseconds, only where there
are such folders. Where kernel or file system cannot map (before Linux 5.12, some network file systems), the folder is bound as it is and the host's
permissions decide.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from functory.kernel import log
from functory.sandbox import linux

_log = log.get("sandbox.shared_folders")


class SharedFolders:
    """Makes the mapped views; used from threads.

    Args:
        uid: the function's user inside a sandbox, counted from the start of its range.
        gid: its group.
    """

    def __init__(self, uid: int, gid: int) -> None:
        self._uid = uid
        self._gid = gid
        self._warned: set[Path] = set()

    def view(self, source: Path, target: Path, first_id: int) -> Path:
        """A folder through which the sandbox with that id range writes as the owner of ``source``.

        Returns ``target``, mounted, or ``source`` itself where mapping does not work. The caller unmounts ``target``.
        """
        try:
            owner = source.stat()
            target.mkdir(parents=True, exist_ok=True)
            namespace = _make_namespace((owner.st_uid, first_id + self._uid), (owner.st_gid, first_id + self._gid))
            try:
                linux.bind_mapped(source, target, namespace)
            finally:
                os.close(namespace)  # the mount holds it
        except (OSError, subprocess.SubprocessError) as error:
            if source not in self._warned:
                self._warned.add(source)
                _log.warning("folder_not_mapped", folder=str(source), reason=str(error))
            return source
        return target


def _make_namespace(users: tuple[int, int], groups: tuple[int, int]) -> int:
    """A user namespace that maps one user and one group: the id on disk to the id of the host."""
    program = shutil.which("unshare", path=os.environ.get("PATH", "") + ":/usr/bin:/bin") or "unshare"
    with subprocess.Popen(  # noqa: S603  a fixed command
        [program, "--user", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PATH": "/usr/bin:/bin"}
    ) as process:
        try:
            if process.stdin is None or process.stdout is None:
                raise OSError("no pipe to the helper process")
            process.stdin.write(b"x")
            process.stdin.flush()
            process.stdout.read(1)  # it answers when it is inside
            folder = Path(f"/proc/{process.pid}")
            (folder / "uid_map").write_text(f"{users[0]} {users[1]} 1")
            (folder / "gid_map").write_text(f"{groups[0]} {groups[1]} 1")
            return os.open(folder / "ns" / "user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
