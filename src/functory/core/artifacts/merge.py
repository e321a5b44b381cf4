"""Several unpacked packages seen as one folder: what ``/opt`` shows of a function's layers. Blocking; called in a thread.

**Theory.** The merged folder is made of hard links to the files of the packages, so merging costs neither room nor the
reading of content, and neither package nor merged folder notices when the other is removed. Later packages override earlier
ones, name by name: file over file, and whatever a later package has in the place of something of another kind. Folders
are the only things both have together. Nothing is ever written *through* a symbolic link: each step of a path is looked at
first, and a link where a later package has a folder gives way to the folder.

A link that stays inside its own package may lead outside once another package gave its way a different meaning, so the links
of the result are walked again (`check_links`). As with packages, a folder under its final name is complete.

Where hard links are refused (too many of one file, another file system) the file is copied.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from functory.core.artifacts.entries import Parts, check_links
from functory.core.artifacts.unpack import FOLDER_MODE, make_durable, remove, sync

PREFIX = "merged-"


def merged_name(keys: Sequence[str]) -> str:
    """The name of the folder that shows these packages, in this order: of one package, its own.

    Args:
        keys: blob keys, at least one.
    """
    if len(keys) == 1:
        return keys[0]
    return PREFIX + hashlib.sha256("\n".join(keys).encode()).hexdigest()


def merge(sources: Sequence[Path], temporary: Path, final: Path) -> None:
    """Make ``final`` of the folders ``sources``; it and ``temporary`` lie in one folder.

    Raises:
        BadPackage: links of one package lead outside in the company of another; nothing is left.
        OSError: the disk refuses; nothing is left.
    """
    links: dict[Parts, str] = {}
    try:
        temporary.mkdir(mode=FOLDER_MODE)
        temporary.chmod(FOLDER_MODE)
        for source in sources:
            _lay(source, temporary, (), links)
        check_links(links)
        make_durable(temporary, [])
        with contextlib.suppress(FileExistsError):
            temporary.rename(final)
        sync(final.parent)
    finally:
        remove(temporary)


def _lay(source: Path, target: Path, parts: Parts, links: dict[Parts, str]) -> None:
    """Lay one folder of a package over the same folder of the result, a real folder; keep ``links`` up to date."""
    with os.scandir(source) as entries:
        for entry in sorted(entries, key=lambda found: found.name):
            here = (*parts, entry.name)
            place = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                if not _is_folder(place):
                    _clear(place, here, links)
                    place.mkdir(mode=FOLDER_MODE)
                    place.chmod(FOLDER_MODE)
                _lay(Path(entry.path), place, here, links)
                continue
            _clear(place, here, links)
            if entry.is_symlink():
                links[here] = str(Path(entry.path).readlink())
                place.symlink_to(links[here])
            else:
                _link(Path(entry.path), place)


def _is_folder(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()


def _clear(place: Path, parts: Parts, links: dict[Parts, str]) -> None:
    """Remove what an earlier package has at a place, and what is known of links there and below."""
    if not os.path.lexists(place):
        return
    remove(place)
    for known in [link for link in links if link[: len(parts)] == parts]:
        del links[known]


def _link(source: Path, place: Path) -> None:
    try:
        os.link(source, place, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, place)
        sync(place)
