"""What a zip says it holds, judged before anything is read or written. Pure.

**Theory.** A zip is a claim by a stranger. Names are taken apart into components; ``.`` and empty components mean nothing,
``..`` and a leading ``/`` are refused, as are devices, encrypted entries, unknown compression, a file where another file or
a folder already is, and anything that would be written *through* a symbolic link. A symbolic link is kept only when walking
it from where it lies, through every other link of the package, never leaves the package: resolving names alone is not enough
(``a -> .`` makes ``a/../..`` leave although the text stays inside).
"""

from __future__ import annotations

import stat
import zipfile
from dataclasses import dataclass
from enum import Enum

from functory.core.artifacts.errors import BadPackage, PackageFault
from functory.kernel.limits import ZIP_ENTRIES

_COMPONENT_BYTES = 255  # NAME_MAX of the usual file systems
_PATH_BYTES = 3072  # PATH_MAX less room for the folder the package lands in
_LINK_HOPS = 40  # what Linux follows before it says ELOOP
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})

Parts = tuple[str, ...]


class EntryKind(Enum):
    """What an entry becomes on disk."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry that may be written.

    Attributes:
        parts: path components below the package's root; never empty.
        kind: see `EntryKind`.
        executable: whether any execute bit was set.
        info: the zip's own record, for reading the content.
    """

    parts: Parts
    kind: EntryKind
    executable: bool
    info: zipfile.ZipInfo


def judge(infos: list[zipfile.ZipInfo]) -> list[Entry]:
    """The entries to write, in the zip's order.

    Raises:
        BadPackage: one of them must not be written, or there are too many.
    """
    if len(infos) > ZIP_ENTRIES:
        raise _refused(f"more than {ZIP_ENTRIES} entries")
    entries = [entry for info in infos if (entry := _judge_one(info)) is not None]
    _check_places(entries)
    return entries


def _judge_one(info: zipfile.ZipInfo) -> Entry | None:
    """One entry; None for the root folder itself."""
    name = info.filename
    if "\0" in info.orig_filename:
        raise _refused("a name with a NUL")
    if name.startswith("/"):
        raise _refused(f"absolute path {name!r}")
    if info.flag_bits & _ENCRYPTED:
        raise _refused(f"encrypted entry {name!r}")
    if info.compress_type not in _METHODS:
        raise _refused(f"compression method {info.compress_type} of {name!r}")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    _check_parts(name, parts)
    mode = info.external_attr >> 16
    kind = _kind(info, mode)
    if not parts:
        if kind is not EntryKind.FOLDER:
            raise _refused(f"an entry without a name: {name!r}")
        return None
    return Entry(parts, kind, bool(mode & 0o111), info)


def _check_parts(name: str, parts: Parts) -> None:
    if ".." in parts:
        raise _refused(f"path leaves the package: {name!r}")
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        raise _refused("a name that is not Unicode") from None
    if sum(sizes) + len(sizes) > _PATH_BYTES or any(size > _COMPONENT_BYTES for size in sizes):
        raise _refused("a name that is too long")


def _kind(info: zipfile.ZipInfo, mode: int) -> EntryKind:
    """What an entry is; a mode without a type (zips made elsewhere than on Unix) is judged by its name."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        return EntryKind.LINK
    if kind == stat.S_IFDIR or (kind == 0 and info.is_dir()):
        return EntryKind.FOLDER
    if kind not in (0, stat.S_IFREG):
        raise _refused(f"neither file, folder nor link: {info.filename!r}")
    if info.is_dir():
        return EntryKind.FOLDER
    return EntryKind.FILE


def _check_places(entries: list[Entry]) -> None:
    """Every path is used once, and only folders have something below them."""
    kinds: dict[Parts, EntryKind] = {}
    for entry in entries:
        known = kinds.get(entry.parts)
        if known is not None and not (known is EntryKind.FOLDER and entry.kind is EntryKind.FOLDER):
            raise _refused(f"two entries of one name: {'/'.join(entry.parts)!r}")
        kinds[entry.parts] = entry.kind
    for parts in list(kinds):
        for depth in range(1, len(parts)):
            if kinds.setdefault(parts[:depth], EntryKind.FOLDER) is not EntryKind.FOLDER:
                raise _refused(f"something below a file or link: {'/'.join(parts)!r}")


def check_links(links: dict[Parts, str]) -> None:
    """Walk every symbolic link of the package.

    Args:
        links: place of the link -> its target text.

    Raises:
        BadPackage: one leads outside, is absolute, or turns in a circle.
    """
    for place, target in links.items():
        _walk(place, target, links)


def _walk(place: Parts, target: str, links: dict[Parts, str]) -> None:
    """Follow one link the way the kernel would, never above the root."""
    if not target or target.startswith("/") or "\0" in target:
        raise _refused(f"link {'/'.join(place)!r} to {target!r}")
    here = list(place[:-1])
    ahead = target.split("/")[::-1]
    hops = 0
    while ahead:
        part = ahead.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not here:
                raise _refused(f"link {'/'.join(place)!r} leads outside")
            here.pop()
            continue
        here.append(part)
        through = links.get(tuple(here))
        if through is None:
            continue
        hops += 1
        if hops > _LINK_HOPS:
            raise _refused(f"link {'/'.join(place)!r} turns in a circle")
        if through.startswith("/"):
            raise _refused(f"link {'/'.join(here)!r} is absolute")
        here.pop()
        ahead.extend(through.split("/")[::-1])


def _refused(detail: str) -> BadPackage:
    return BadPackage(PackageFault.UNREADABLE, detail)
