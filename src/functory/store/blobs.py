"""Blobs as local files: ``<root>/ab/abcdef…``, named by the SHA-256 of their content.

A blob appears under its name only when it is complete and durable: written to a temporary file on the same file system,
fsynced, renamed, and the folder fsynced. So a name that exists is whole, whatever was killed when, and the same content
put twice at once is harmless. Temporary files that a crash left are removed when the root is opened.

Files are read-only. They are not encrypted, and nothing here counts references: their users say what may be deleted.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from functory.store.port import StoreError

_TEMPORARY = "incoming"
_KEY = re.compile(r"[0-9a-f]{64}")
_SHARD = re.compile(r"[0-9a-f]{2}")


class FileBlobs:
    """See `functory.store.port.Blobs`. Used by one node at a time (the data folder's lock sees to it).

    Args:
        root: folder of the blobs; made where missing.
        verify: compare the content with its key on every `get`, for disks that are not trusted.

    Raises:
        StoreError: the folder cannot be used.
    """

    def __init__(self, root: Path, *, verify: bool = False) -> None:
        self._root = root
        self._incoming = root / _TEMPORARY
        self._verify = verify
        try:
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in self._incoming.iterdir():
                leftover.unlink()
            _sync_folder(root)
        except OSError as error:
            raise StoreError(f"{root} cannot be used: {error.strerror}") from error

    async def put(self, content: bytes) -> str:
        """See `functory.store.port.Blobs`.

        Raises:
            StoreError: the disk refuses; nothing was kept.
        """
        return await asyncio.to_thread(self._put, content)

    async def get(self, key: str) -> bytes:
        """See `functory.store.port.Blobs`.

        Raises:
            StoreError: the content is not what was put (only with ``verify``).
        """
        return await asyncio.to_thread(self._get, key)

    async def size(self, key: str) -> int:
        """See `functory.store.port.Blobs`."""
        return await asyncio.to_thread(self._size, key)

    async def delete(self, key: str) -> None:
        """See `functory.store.port.Blobs`."""
        await asyncio.to_thread(self._delete, key)

    async def keys(self) -> AsyncIterator[str]:
        """See `functory.store.port.Blobs`. One shard of 256 is listed at a time."""
        for shard in await asyncio.to_thread(self._names, self._root, _SHARD):
            for key in await asyncio.to_thread(self._names, self._root / shard, _KEY):
                yield key

    def path(self, key: str) -> Path:
        """See `functory.store.port.Blobs`. The file need not exist.

        Raises:
            KeyError: this can be no key.
        """
        if not _KEY.fullmatch(key):
            raise KeyError(key)
        return self._root / key[:2] / key

    def _put(self, content: bytes) -> str:
        key = hashlib.sha256(content).hexdigest()
        path = self.path(key)
        try:
            if not path.exists():
                self._write(content, path)
            # Also for one that was there: whoever renamed it may not have come to its fsync of the folder yet.
            _sync_folder(path.parent)
        except OSError as error:
            raise StoreError(f"blob {key} cannot be written: {error.strerror}") from error
        return key

    def _write(self, content: bytes, path: Path) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
            if not path.parent.exists():
                path.parent.mkdir(mode=0o755, exist_ok=True)
                _sync_folder(self._root)
            os.replace(temporary, path)  # noqa: PTH105  two names of different kinds
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _get(self, key: str) -> bytes:
        try:
            content = self.path(key).read_bytes()
        except FileNotFoundError:
            raise KeyError(key) from None
        except OSError as error:
            raise StoreError(f"blob {key} cannot be read: {error.strerror}") from error
        if self._verify and hashlib.sha256(content).hexdigest() != key:
            raise StoreError(f"blob {key} is damaged: its content does not have this hash")
        return content

    def _size(self, key: str) -> int:
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            raise KeyError(key) from None

    def _delete(self, key: str) -> None:
        try:
            self.path(key).unlink(missing_ok=True)
        except KeyError:  # no such blob can exist
            return
        except OSError as error:
            raise StoreError(f"blob {key} cannot be deleted: {error.strerror}") from error

    @staticmethod
    def _names(folder: Path, pattern: re.Pattern[str]) -> list[str]:
        try:
            return [name for name in os.listdir(folder) if pattern.fullmatch(name)]  # noqa: PTH208  names are what is wanted
        except FileNotFoundError:
            return []


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # file systems without it make names durable at once
            raise
    finally:
        os.close(descriptor)
