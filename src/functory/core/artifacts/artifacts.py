"""Packages on this node: kept as blobs, unpacked once per content, shared read-only by every environment.

**Theory.** The blob (content-addressed, durable) is the truth; the unpacked folder ``<root>/<key>`` is made from it when
first needed and can be made again at any time. `unpack` runs once per content however many ask at once, and a caller that
goes away does not stop it for the others. Removal first renames, then deletes, so a folder under its final name is always
whole. What several packages show together (`merge`) is a folder beside the others, made and kept in the same way.

`hold` and `discard` keep a deploy and the collection of unused packages apart on this node: what is held is not
discarded, and who wants to hold what is just being discarded waits until that is over. Merged folders hold nothing of their
own, so for them it is enough that `merge` waits for `discard_merged`, and makes anew what that removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

from functory.core.artifacts.errors import BadPackage
from functory.core.artifacts.merge import PREFIX, merge, merged_name
from functory.core.artifacts.package import PackageFacts, inspect
from functory.core.artifacts.unpack import remove, unpack
from functory.store.port import Blobs

_TEMPORARY = ".tmp-"
_REMOVED = ".gone-"
_PARALLEL = 4  # decompressing is work for the processor, not for the disk


class Artifacts:
    """Packages by content. An async context manager: entering removes what a killed node left half done.

    Args:
        blobs: where the zips are.
        root: folder for unpacked packages; made when missing, used by this node alone.
    """

    def __init__(self, blobs: Blobs, root: Path) -> None:
        self._blobs = blobs
        self._root = root
        self._unpacking: dict[str, asyncio.Future[Path]] = {}
        self._serial = itertools.count()
        self._ready: set[str] = set()
        self._held: dict[str, int] = {}
        self._discarding: dict[str, asyncio.Event] = {}
        self._room = asyncio.Semaphore(_PARALLEL)
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Artifacts:
        await asyncio.to_thread(self._tidy)
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in list(self._unpacking.values()):
            future.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    async def inspect(self, content: bytes) -> PackageFacts:
        """Read a package through to its end, off the event loop.

        Raises:
            BadPackage: it cannot be used.
        """
        async with self._room:
            return await asyncio.to_thread(inspect, content)

    @contextlib.asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Keep a package from being discarded while a deploy stores it and what refers to it."""
        while (running := self._discarding.get(key)) is not None:
            await running.wait()
        self._held[key] = self._held.get(key, 0) + 1
        try:
            yield
        finally:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]

    async def put(self, content: bytes) -> str:
        """Keep a package durably and return its key; hold that key meanwhile (`key_of`)."""
        return await self._blobs.put(content)

    @staticmethod
    def key_of(content: bytes) -> str:
        """The key a package has or would have."""
        return hashlib.sha256(content).hexdigest()

    async def unpack(self, key: str) -> Path:
        """The folder with the package's content; made when it is not there. Read-only for the caller.

        Raises:
            KeyError: no such package.
            BadPackage: it is not a usable zip.
            OSError: the disk refuses.
        """
        return await self._once(key, partial(self._write, key))

    async def merge(self, keys: Sequence[str]) -> Path:
        """The folder that shows several packages as one, later ones over earlier ones; made when it is not there.

        Args:
            keys: blob keys in order, at least one.

        Raises:
            KeyError: one of them is not here.
            BadPackage: one of them is not a usable zip, or they do not go together.
            OSError: the disk refuses.
        """
        name = merged_name(keys)
        if len(keys) == 1:
            return await self.unpack(name)
        while name not in self._ready and (running := self._discarding.get(name)) is not None:
            await running.wait()
        return await self._once(name, partial(self._merge, tuple(keys)))

    async def merged(self) -> list[str]:
        """The names (`merged_name`) of the merged folders that are on the disk."""
        return await asyncio.to_thread(lambda: sorted(path.name for path in self._root.glob(f"{PREFIX}*")))

    async def discard_merged(self, name: str, still_unused: Callable[[], Awaitable[bool]]) -> bool:
        """Remove a merged folder unless ``still_unused`` says no; returns whether it was removed."""
        if name in self._discarding or name in self._unpacking:
            return False
        over = self._discarding[name] = asyncio.Event()
        self._ready.discard(name)
        try:
            if not await still_unused():
                return False
            await self.forget(name)
            return True
        finally:
            del self._discarding[name]
            over.set()

    def is_unpacked(self, key: str) -> bool:
        """Whether `unpack` would return at once."""
        return key in self._ready

    async def discard(self, key: str, still_unused: Callable[[], Awaitable[bool]]) -> bool:
        """Remove a package and its folder unless it is held or ``still_unused`` says no.

        Returns whether it was removed.
        """
        if key in self._held or key in self._discarding or key in self._unpacking:
            return False
        over = self._discarding[key] = asyncio.Event()
        try:
            if not await still_unused():
                return False
            await self.forget(key)
            await self._blobs.delete(key)
            return True
        finally:
            del self._discarding[key]
            over.set()

    async def forget(self, key: str) -> None:
        """Remove the unpacked folder of a package; the package itself stays. An absent folder is no error."""
        self._ready.discard(key)
        await asyncio.to_thread(self._remove, self._root / key)

    async def _once(self, name: str, write: Callable[[Path], Awaitable[None]]) -> Path:
        """The folder ``name``, written at most once however many ask at the same time."""
        folder = self._root / name
        if name in self._ready:
            return folder
        future = self._unpacking.get(name)
        if future is None:
            future = self._unpacking[name] = asyncio.get_running_loop().create_future()
            self._tasks.create_task(self._make(name, folder, write, future))
        await asyncio.wait([future])
        return future.result()

    async def _make(
        self, name: str, folder: Path, write: Callable[[Path], Awaitable[None]], future: asyncio.Future[Path]
    ) -> None:
        """Write for everyone who waits on ``future``; what goes wrong is theirs to hear."""
        try:
            if not await asyncio.to_thread(folder.is_dir):
                await write(folder)
        except (BadPackage, OSError, KeyError) as error:
            if not future.cancelled():
                future.set_exception(error)
                future.exception()  # marks it as seen: all who waited may have gone away
        else:
            self._ready.add(name)
            if not future.cancelled():
                future.set_result(folder)
        finally:
            del self._unpacking[name]

    async def _write(self, key: str, folder: Path) -> None:
        path = self._blobs.path(key)
        async with self._room:
            if path is not None and await asyncio.to_thread(path.is_file):
                await asyncio.to_thread(_unpack_file, path, self._temporary(), folder)
            else:
                await asyncio.to_thread(unpack, await self._blobs.get(key), self._temporary(), folder)

    async def _merge(self, keys: tuple[str, ...], folder: Path) -> None:
        sources = [await self.unpack(key) for key in keys]
        async with self._room:
            await asyncio.to_thread(merge, sources, self._temporary(), folder)

    def _temporary(self) -> Path:
        return self._root / f"{_TEMPORARY}{next(self._serial)}"

    def _remove(self, folder: Path) -> None:
        gone = self._root / f"{_REMOVED}{next(self._serial)}"
        with contextlib.suppress(FileNotFoundError):
            folder.rename(gone)
            remove(gone)

    def _tidy(self) -> None:
        self._root.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path in self._root.iterdir():
            if path.name.startswith((_TEMPORARY, _REMOVED)):
                remove(path)


def _unpack_file(path: Path, temporary: Path, folder: Path) -> None:
    with path.open("rb") as file:
        unpack(file, temporary, folder)
