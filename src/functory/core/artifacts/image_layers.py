"""Layers of a container image, written into one folder. Blocking; called in a thread.

**Theory.** Layers are applied in order. A path of a layer is walked inside the folder the way a process with that folder as
its root would walk it, so a link of a lower layer leads nowhere but into the image; nobody else writes there meanwhile.
Everything belongs to root and loses set-user-id bits and extended attributes: functions run as one unprivileged user, as
on AWS, and no owner of the image means anything. Devices and pipes are left out.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

from functory.core.artifacts.image_errors import BadImage
from functory.core.artifacts.image_manifest import Layer

IMAGE_BYTES_MAX = 10 * 1024**3  # AWS: Lambda quotas, uncompressed, all layers
_ENTRIES_MAX = 1_000_000
_LINK_HOPS = 40
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_PIECE = 1024 * 1024


class Hashing:
    """A file whose content is hashed while it is read from its beginning to its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """See `io.RawIOBase`."""
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def finish(self) -> str:
        """Read what is left; ``sha256:…`` of everything."""
        while self.read(_PIECE):
            pass
        return f"sha256:{self._digest.hexdigest()}"


class Layers:
    """Writes layers.

    Args:
        root: an empty folder nobody else writes to.
        bytes_max: limit of all files together, counted as written.
    """

    def __init__(self, root: Path, bytes_max: int = IMAGE_BYTES_MAX) -> None:
        self._root = root
        self._left = bytes_max
        self._entries_left = _ENTRIES_MAX
        self._new: set[Path] = set()

    def apply(self, layer: Layer, blob: Path) -> None:
        """Write one layer over those before.

        Raises:
            BadImage: it is damaged, not what its digest says, hostile, or too much.
            OSError: the disk refuses.
        """
        self._new = set()
        folders: list[tuple[Path, tarfile.TarInfo]] = []
        try:
            with blob.open("rb") as raw:
                hashing = Hashing(raw)
                source = cast("IO[bytes]", hashing)
                stream = cast("IO[bytes]", gzip.GzipFile(fileobj=source)) if layer.is_compressed else source
                with tarfile.open(fileobj=stream, mode="r|") as archive:
                    for member in archive:
                        self._write(archive, member, folders)
                while stream.read(_PIECE):  # the end of a stream tells whether it was whole
                    pass
                found = hashing.finish()
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
            raise BadImage(f"layer {layer.digest} is damaged: {error}") from error
        if found != layer.digest:
            raise BadImage(f"layer {layer.digest} has the content of {found}")
        for folder, member in reversed(folders):  # last: writing into a folder changes its time
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(member.mode & 0o777)
                os.utime(folder, (member.mtime, member.mtime))

    def _write(self, archive: tarfile.TarFile, member: tarfile.TarInfo, folders: list[tuple[Path, tarfile.TarInfo]]) -> None:
        self._entries_left -= 1
        if self._entries_left < 0:
            raise BadImage(f"more than {_ENTRIES_MAX} files")
        parts = _parts(member.name)
        if not parts:
            return
        parent = self._folder(parts[:-1])
        name = parts[-1]
        if name == _OPAQUE:
            self._clear(parent)
        elif name.startswith(_WHITEOUT):
            hidden = name.removeprefix(_WHITEOUT)
            if hidden in ("", ".", ".."):
                raise BadImage(f"whiteout {member.name!r}")
            _remove(parent / hidden)
        else:
            self._place(archive, member, parent / name, folders)

    def _place(
        self,
        archive: tarfile.TarFile,
        member: tarfile.TarInfo,
        place: Path,
        folders: list[tuple[Path, tarfile.TarInfo]],
    ) -> None:
        if member.isdir():
            if place.is_symlink() or not place.is_dir():
                _remove(place)
                place.mkdir(mode=0o755)
            folders.append((place, member))
        elif member.isreg():
            _remove(place)
            self._copy(archive, member, place)
        elif member.issym():
            _remove(place)
            place.symlink_to(member.linkname)
        elif member.islnk():
            target = _parts(member.linkname)
            if not target:
                raise BadImage(f"link {member.name!r} to {member.linkname!r}")
            source = self._folder(target[:-1]) / target[-1]
            if source != place:
                self._link(source, place, member)
        else:
            return  # devices and pipes
        self._new.add(place)

    def _link(self, source: Path, place: Path, member: tarfile.TarInfo) -> None:
        if not os.path.lexists(source) or stat.S_ISDIR(source.lstat().st_mode):
            raise BadImage(f"link {member.name!r} to {member.linkname!r}, which is no file")
        _remove(place)
        os.link(source, place, follow_symlinks=False)

    def _copy(self, archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
        self._left -= member.size
        if self._left < 0:
            raise BadImage("larger than 10 GB uncompressed")
        content = archive.extractfile(member)
        if content is None:
            raise BadImage(f"file {member.name!r} has no content")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(place, flags, 0o600), "wb") as file:
            shutil.copyfileobj(content, file, _PIECE)
        place.chmod(member.mode & 0o777)
        os.utime(place, (member.mtime, member.mtime))

    def _folder(self, parts: Iterable[str]) -> Path:
        """The folder of a path inside the image, made where it is missing."""
        here: list[str] = []
        ahead = list(parts)[::-1]
        hops = 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                here = here[:-1]
                continue
            path = self._root.joinpath(*here, part)
            if path.is_symlink():
                hops += 1
                if hops > _LINK_HOPS:
                    raise BadImage(f"links turn in a circle at {'/'.join([*here, part])}")
                target = str(path.readlink())
                here = [] if target.startswith("/") else here
                ahead.extend(target.split("/")[::-1])
                continue
            if not path.is_dir():
                if os.path.lexists(path):
                    raise BadImage(f"something below the file {'/'.join([*here, part])}")
                path.mkdir(mode=0o755)
            here.append(part)
        return self._root.joinpath(*here)

    def _clear(self, folder: Path) -> None:
        """Hide what lower layers have in a folder; what this layer wrote stays."""
        for path in list(folder.iterdir()):
            if path in self._new:
                continue
            if any(new.is_relative_to(path) for new in self._new):
                self._clear(path)
            else:
                _remove(path)


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise BadImage(f"path {name!r} leaves the image")
    return parts


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
