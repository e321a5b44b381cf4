"""One node per data folder.

An advisory ``flock`` on a file beside the database, held for as long as the process lives: the kernel lets go of it when
the process ends in whatever way, so a crash never leaves a stale lock. The file's content (the holder's pid) is for
people only.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from functory.store.port import StoreError

LOCK_NAME = "node.lock"


class FolderLock:
    """The right to use a data folder; release it once."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            StoreError: another node holds it, or the folder cannot be written.
        """
        try:
            self._descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"{folder} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StoreError(f"{folder} is already in use by another node (pid {holder})") from error
        except OSError as error:
            os.close(self._descriptor)
            raise StoreError(f"{folder} cannot be locked: {error.strerror}") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Let another node in. The file stays: removing it would race with one that is just opening it."""
        os.close(self._descriptor)
