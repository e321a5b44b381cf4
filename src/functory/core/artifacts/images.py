"""Container images on this node: resolved to a digest, unpacked once per digest, shared read-only by every environment.

**Theory.** The digest of the manifest is the key of an image, beside the keys of zips: both are SHA-256 of content. The
folder ``<root>/<key>`` holds ``rootfs`` and ``image.json`` (what is needed of the configuration); it is made under another
name, synchronised to the disk and renamed, so under its final name it is whole. Unlike a zip's, an image's blobs are not
kept: the unpacked folder is the only copy here, and stays until no version refers to it (`Artifacts.discard`).
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import msgspec

from functory.core.artifacts import image_source
from functory.core.artifacts.image_errors import BadImage
from functory.core.artifacts.image_layers import Layers
from functory.core.artifacts.image_manifest import (
    ImageConfig,
    Manifest,
    digest_of,
    parse_config,
    parse_manifest,
)
from functory.core.artifacts.image_source import ImageSource, Reference
from functory.core.artifacts.unpack import make_durable, remove, sync

ROOTFS = "rootfs"
CONFIG = "image.json"
_TEMPORARY = ".tmp-image-"
_PARALLEL = 2
_FOLDERS = ("proc", "dev", "sys", "tmp", "etc", "mnt")
"""Places that the sandbox mounts on; an image may lack them."""
_FILES = ("etc/hosts", "etc/resolv.conf")


class Images:
    """Images by digest.

    Args:
        root: the folder of `Artifacts`, which removes what is half done and what is no longer used.
        source: where they come from.
        architecture: this machine's, in AWS's words.
        is_supported: whether the sandbox driver can give a function a root of its own.
    """

    def __init__(self, root: Path, source: ImageSource, architecture: str, *, is_supported: bool) -> None:
        self.is_supported = is_supported
        self._root = root
        self._source = source
        self._architecture = architecture
        self._serial = itertools.count()
        self._locks: dict[str, asyncio.Lock] = {}
        self._room = asyncio.Semaphore(_PARALLEL)

    async def resolve(self, uri: str) -> tuple[str, str]:
        """What an ImageUri leads to now: the key, and the same image by digest (``ResolvedImageUri``).

        Raises:
            BadImage: it is no reference to an image.
            ImageError: it cannot be had, or is not of a kind that can run.
        """
        reference = _need(uri)
        digest, content = await self._source.manifest(reference)
        parse_manifest(content)
        return digest.removeprefix("sha256:"), reference.at(digest)

    async def prepare(self, key: str, resolved_uri: str) -> Path:
        """The folder of an image, fetched and unpacked when it is not there.

        Args:
            key: see `resolve`.
            resolved_uri: likewise.

        Raises:
            ImageError: it cannot be had or used.
            OSError: the disk refuses.
        """
        final = self._root / key
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock, self._room:
                if not await asyncio.to_thread(final.is_dir):
                    await self._make(_need(resolved_uri), key, final)
        finally:
            if not lock.locked():
                self._locks.pop(key, None)
        return final

    async def _make(self, reference: Reference, key: str, final: Path) -> None:
        work = self._root / f"{_TEMPORARY}{next(self._serial)}"
        try:
            fetched = work / "fetched"
            await asyncio.to_thread(fetched.mkdir, parents=True, mode=0o700)
            digest, content = await self._source.manifest(reference)
            if digest != f"sha256:{key}":
                raise BadImage(f"{digest} instead of sha256:{key}")
            blobs = await self._source.fetch(reference, digest, fetched)
            await asyncio.to_thread(self._unpack, parse_manifest(content), blobs, work / "new")
            await asyncio.to_thread(_publish, work / "new", final)
        finally:
            await asyncio.to_thread(remove, work)

    def _unpack(self, manifest: Manifest, blobs: Path, folder: Path) -> None:
        """In a thread."""
        config = parse_config(_blob(blobs, manifest.config), self._architecture)
        rootfs = folder / ROOTFS
        rootfs.mkdir(parents=True)
        layers = Layers(rootfs)
        for layer in manifest.layers:
            layers.apply(layer, _path(blobs, layer.digest))
        _add_places(rootfs)
        (folder / CONFIG).write_bytes(msgspec.json.encode(config))


def read_config(folder: Path) -> ImageConfig:
    """What the image in an unpacked folder says of how it is run. Blocks briefly."""
    return msgspec.json.decode((folder / CONFIG).read_bytes(), type=ImageConfig)


def _need(uri: str) -> Reference:
    reference = image_source.parse(uri)
    if reference is None:
        raise BadImage(f"{uri!r} is not the address of an image")
    return reference


def _path(blobs: Path, digest: str) -> Path:
    path = blobs / digest.removeprefix("sha256:")
    if not path.is_file():
        raise BadImage(f"the blob {digest} is missing")
    return path


def _blob(blobs: Path, digest: str) -> bytes:
    content = _path(blobs, digest).read_bytes()
    if digest_of(content) != digest:
        raise BadImage(f"the blob {digest} is damaged")
    return content


def _add_places(rootfs: Path) -> None:
    """Make what the sandbox mounts on, unless the image has it; a link there is replaced, since it could lead outside."""
    for name in _FOLDERS:
        place = rootfs / name
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            place.unlink()
        place.mkdir(mode=0o755, exist_ok=True)
    for name in _FILES:
        place = rootfs / name
        if place.is_symlink() or not place.is_file():
            remove(place)
            place.touch(mode=0o644)
    rootfs.chmod(0o755)


def _publish(new: Path, final: Path) -> None:
    new.chmod(0o755)
    make_durable(new, [path for path in new.rglob("*") if path.is_file() and not path.is_symlink()])
    if not final.is_dir():
        new.rename(final)
    sync(final.parent)
