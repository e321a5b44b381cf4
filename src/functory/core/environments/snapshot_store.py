"""Snapshots of initialised environments on disk.

One folder per version and epoch: what the sandbox driver wrote, and a manifest with the hash of every file. A snapshot is
made beside its place and moved there when all of it is on the disk, so that a folder with a right name is whole, or was
damaged since: its files are compared with the manifest once per run of the node. Snapshots hold the memory of functions;
they are for root only and are removed with their version.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

import msgspec

from functory.core.functions.model import FunctionVersion
from functory.kernel import log

_MANIFEST = "manifest.json"
_NEW = ".new"
_CHUNK = 65_536

_log = log.get("core.snapshots")

T = TypeVar("T")
P = ParamSpec("P")


class InThread(Protocol):
    """Runs blocking work elsewhere."""

    def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Its result."""


class Manifest(msgspec.Struct, frozen=True):
    """What is known of a snapshot.

    Attributes:
        account_id: of the function; likewise ``region``, ``name``, ``version`` and ``epoch``.
        token: what functions show for their credentials (`credential_door`).
        runtime: exactly which runtime was initialised.
        files: path below the folder -> SHA-256 of its size and of what is not zero in it (`_digest`), in hexadecimal.
    """

    account_id: str
    region: str
    name: str
    version: str
    epoch: str
    token: str
    runtime: str
    files: dict[str, str] = {}

    def is_of(self, version: FunctionVersion) -> bool:
        """Whether it is a snapshot of this version and epoch."""
        mine = (self.account_id, self.region, self.name, self.version, self.epoch)
        return mine == (version.account_id, version.region, version.name, version.version, version.epoch)


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that environments begin from, or one that is being made.

    Attributes:
        folder: where it is.
        token: see `Manifest`.
        is_complete: whether environments can begin from it.
        runtime: see `Manifest`; ``""`` while it is being made.
    """

    folder: Path
    token: str
    is_complete: bool
    runtime: str = ""


class SnapshotStore:
    """See the module.

    Args:
        folder: of all snapshots; made when needed.
        in_thread: runs work that takes its time, as hashing does.
    """

    def __init__(self, folder: Path, in_thread: InThread = asyncio.to_thread) -> None:
        self._folder = folder
        self._in_thread = in_thread
        self._known: dict[str, Manifest] = {}
        self._begun: set[str] = set()

    @property
    def is_empty(self) -> bool:
        """Whether no snapshot was ever made here."""
        return not self._folder.is_dir()

    async def find(self, version: FunctionVersion) -> Kept | None:
        """The snapshot of a version, whole; None when there is none."""
        key = _key(version)
        manifest = self._known.get(key)
        if manifest is None:
            manifest = await self._in_thread(_verified, self._folder / key)
            if manifest is None or not manifest.is_of(version):
                return None
            self._known[key] = manifest
        return Kept(self._folder / key, manifest.token, is_complete=True, runtime=manifest.runtime)

    async def begin(self, version: FunctionVersion, token: str) -> Kept:
        """An empty place for a new snapshot of a version."""
        place = self._folder / f"{_key(version)}{_NEW}"
        self._begun.add(place.name)
        await self._in_thread(_empty, place)
        return Kept(place, token, is_complete=False)

    async def finish(self, version: FunctionVersion, kept: Kept, runtime: str) -> Kept:
        """Seal what `begin` began; ``runtime`` as in `Manifest`.

        Raises:
            OSError: the disk is full.
        """
        manifest = Manifest(
            version.account_id,
            version.region,
            version.name,
            version.version,
            version.epoch,
            token=kept.token,
            runtime=runtime,
        )
        key = _key(version)
        self._known[key] = await self._in_thread(_seal, kept.folder, self._folder / key, manifest)
        return Kept(self._folder / key, kept.token, is_complete=True, runtime=runtime)

    async def give_up(self, kept: Kept) -> None:
        """Let go of what `begin` began, and remove what was not finished."""
        self._begun.discard(kept.folder.name)
        await self._in_thread(_remove, kept.folder)

    async def discard(self, version: FunctionVersion, kept: Kept) -> None:
        """Remove the snapshot of a version, unless another was made since ``kept`` was found."""
        key = _key(version)
        manifest = self._known.get(key)
        if manifest is not None and manifest.token == kept.token:
            await self._remove(key)

    async def remove(self, account_id: str, region: str, name: str, version: str | None) -> None:
        """Remove the snapshots of a function, or of one version of it."""
        for key, manifest in (await self.all()).items():
            is_of_it = (manifest.account_id, manifest.region, manifest.name) == (account_id, region, name)
            if is_of_it and version in {None, manifest.version}:
                await self._remove(key)

    async def remove_one(self, key: str) -> None:
        """Remove a snapshot by its key in `all`."""
        await self._remove(key)

    async def all(self) -> dict[str, Manifest]:
        """Every snapshot by its key; what a killed node did not finish is removed."""
        return await self._in_thread(_list, self._folder, frozenset(self._begun))

    async def _remove(self, key: str) -> None:
        self._known.pop(key, None)
        await self._in_thread(_remove, self._folder / key)


def _key(version: FunctionVersion) -> str:
    text = "\0".join((version.account_id, version.region, version.name, version.version, version.epoch))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


def _empty(place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)


def _seal(made: Path, place: Path, manifest: Manifest) -> Manifest:
    files = {str(file.relative_to(made)): _digest(file, sync=True) for file in sorted(made.rglob("*")) if file.is_file()}
    manifest = msgspec.structs.replace(manifest, files=files)
    with (made / _MANIFEST).open("xb") as file:
        file.write(msgspec.json.encode(manifest))
        file.flush()
        os.fsync(file.fileno())
    for folder in (*(each for each in made.rglob("*") if each.is_dir()), made):
        _sync(folder)
    shutil.rmtree(place, ignore_errors=True)
    made.rename(place)
    _sync(place.parent)
    return manifest


def _verified(place: Path) -> Manifest | None:
    manifest = _read(place)
    if manifest is None:
        return None
    for name, digest in manifest.files.items():
        try:
            if _digest(place / name) == digest:
                continue
        except OSError:
            pass
        _log.error("snapshot_damaged", folder=str(place), file=name)
        return None
    return manifest


def _read(place: Path) -> Manifest | None:
    try:
        return msgspec.json.decode((place / _MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return None


def _list(folder: Path, begun: frozenset[str]) -> dict[str, Manifest]:
    found: dict[str, Manifest] = {}
    for place in list(folder.iterdir()) if folder.is_dir() else ():
        if place.name in begun:
            continue
        manifest = _read(place) if not place.name.endswith(_NEW) else None
        if manifest is not None:
            found[place.name] = manifest
        else:
            _remove(place)
    return found


def _digest(file: Path, *, sync: bool = False) -> str:
    """A hash that costs nothing for what is zero: images of file systems are mostly empty, and sparse."""
    digest, position, nothing = hashlib.sha256(), 0, bytes(_CHUNK)
    with file.open("rb") as source:
        fd = source.fileno()
        size = os.fstat(fd).st_size
        digest.update(b"%d" % size)
        while (position := _next_data(fd, position, size)) < size:
            chunk = os.pread(fd, min(_CHUNK, size - position), position)
            if chunk != nothing[: len(chunk)]:
                digest.update(b"\n%d\n" % position)
                digest.update(chunk)
            position += _CHUNK
        if sync:
            os.fsync(fd)
    return digest.hexdigest()


def _next_data(fd: int, position: int, size: int) -> int:
    """The first chunk from ``position`` on that may have data; ``size`` when there is none."""
    if position >= size:
        return size
    try:
        found = os.lseek(fd, position, os.SEEK_DATA)
    except OSError as error:
        return size if error.errno == errno.ENXIO else position
    return max(position, found - found % _CHUNK)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
