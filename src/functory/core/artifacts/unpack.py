"""Writing a package into a folder. Blocking; called in a thread.

**Theory.** A folder under its final name is complete: everything is written into a temporary folder beside it, made
durable, and renamed. A crash at any instant leaves either nothing, a temporary folder (removed at the next start), or the
whole. Modes are normalised so that functions running as another user can read: files 0444, or 0555 when the zip had an
execute bit; folders 0755. Links are made last, so nothing is ever written through one.
"""

from __future__ import annotations

import calendar
import contextlib
import ctypes
import os
import shutil
import sys
from pathlib import Path
from typing import IO

from functory.core.artifacts.entries import EntryKind, Parts, check_links
from functory.core.artifacts.errors import BadPackage, PackageFault
from functory.core.artifacts.package import opened, pieces, read_link
from functory.kernel.limits import CODE_UNZIPPED_BYTES

_EPOCH_1980_S = 315_532_800  # the oldest time a zip can hold
_SYNC_ONE_BY_ONE = 64  # more files and folders than this are made durable by one syncfs where there is one
_FILE_MODE = 0o444
_PROGRAM_MODE = 0o555
FOLDER_MODE = 0o755


def unpack(
    source: bytes | IO[bytes], temporary: Path, final: Path, *, unzipped_bytes_max: int = CODE_UNZIPPED_BYTES
) -> None:
    """Write the package to ``temporary`` and rename it to ``final``; both lie in one folder.

    Raises:
        BadPackage: the zip is not usable; nothing is left.
        OSError: the disk refuses; nothing is left.
    """
    try:
        temporary.mkdir(mode=0o700)
        written = _write(source, temporary, unzipped_bytes_max)
        temporary.chmod(FOLDER_MODE)
        make_durable(temporary, written)
        with contextlib.suppress(FileExistsError):
            temporary.rename(final)
        sync(final.parent)
    finally:
        remove(temporary)


def remove(folder: Path) -> None:
    """Remove a folder and what is in it; an absent one is no error."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _write(source: bytes | IO[bytes], root: Path, unzipped_bytes_max: int) -> list[Path]:
    """Write all entries; returns the files that were written."""
    files: list[Path] = []
    links: dict[Parts, str] = {}
    times: dict[Path, float] = {}
    left = unzipped_bytes_max
    with opened(source) as (archive, entries):
        for entry in entries:
            place = root.joinpath(*entry.parts)
            if entry.kind is EntryKind.FOLDER:
                place.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
                times[place] = _mtime(entry.info.date_time)
                continue
            place.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            if entry.kind is EntryKind.LINK:
                links[entry.parts] = read_link(archive, entry)
                continue
            with place.open("xb") as file:
                for piece in pieces(archive, entry):
                    left -= len(piece)
                    if left < 0:
                        raise BadPackage(PackageFault.TOO_LARGE, f"more than {unzipped_bytes_max} bytes")
                    file.write(piece)
                file.flush()
                os.fchmod(file.fileno(), _PROGRAM_MODE if entry.executable else _FILE_MODE)
            times[place] = _mtime(entry.info.date_time)
            files.append(place)
    check_links(links)
    for parts, target in links.items():
        root.joinpath(*parts).symlink_to(target)
    for place in _folders(root):
        place.chmod(FOLDER_MODE)
    for place, time_s in reversed(times.items()):
        os.utime(place, (time_s, time_s))
    return files


def _mtime(date_time: tuple[int, int, int, int, int, int]) -> float:
    """A zip's local time without zone, taken as UTC; nonsense becomes 1980-01-01."""
    try:
        return float(max(calendar.timegm((*date_time, 0, 0, 0)), _EPOCH_1980_S))
    except (ValueError, OverflowError):
        return float(_EPOCH_1980_S)


def _folders(root: Path) -> list[Path]:
    return [Path(folder) for folder, _, _ in os.walk(root)]


def make_durable(root: Path, files: list[Path]) -> None:
    """Flush a folder with all its folders, and those of its files that were written, to the disk."""
    folders = _folders(root)
    if len(files) + len(folders) > _SYNC_ONE_BY_ONE and _sync_file_system(root):
        return
    for path in files:
        sync(path)
    for path in reversed(folders):
        sync(path)


def sync(path: Path) -> None:
    """Flush one file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(path: Path) -> bool:
    """Flush the whole file system of ``path`` in one call; False where the system has no such call."""
    if not sys.platform.startswith("linux"):
        return False
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return bool(syncfs(descriptor) == 0)
    finally:
        os.close(descriptor)
