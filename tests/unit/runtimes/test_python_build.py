from __future__ import annotations

import json
import os
import shlex
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest

from functory.runtimes import python_build
from functory.runtimes.packs import InstallError
from functory.runtimes.python_build import make, place, trust_machine

FOLDER = "org/x/linux-x86_64"


def interpreter(exact: str = "3.12.4", failed: Mapping[str, str] | None = None) -> str:
    """A program that answers like a Python does: what it is, that it compiled, which modules it cannot import."""
    about = f'["{exact}", "\'"$prefix"\'", "cpython", "final", ""]'
    return f"""#!/bin/sh
prefix=$(cd "$(dirname "$0")/.." && pwd)
case "$*" in
  *compileall*) exit 0 ;;
  *import_module*) echo {shlex.quote(json.dumps(failed or {}))} ;;
  *) echo '{about}' ;;
esac
"""


def build(root: Path, more: Mapping[str, str | bytes] | None = None, program: str = "") -> Path:
    """A jar with a small Python 3.12 in it."""
    files: dict[str, str | bytes] = {
        "bin/python3.12": program or interpreter(),
        "lib/python3.12/os.py": "",
        "lib/python3.12/lib-dynload/_ssl.so": "",
        "libpython3.12.so.1.0": "library",
        "libffi.so.8": "ffi",
    }
    jar = root / "python.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        for name, content in (files | dict(more or {})).items():
            archive.writestr(f"{FOLDER}/{name}", content)
        archive.writestr("META-INF/MANIFEST.MF", "")
    return jar


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir(mode=0o700)
    return folder


def test_an_interpreters_folder_is_made_as_an_installation_makes_it(tmp_path: Path, work: Path) -> None:
    assert make(build(tmp_path, {"bin/pip3": "", "lib/python3.12/site-packages/pip.py": ""}), FOLDER, "3.12", work) == {}

    made = {str(path.relative_to(work)) for path in work.rglob("*") if not path.is_dir()}
    assert made == {
        "bin/python",
        "bin/python3",
        "bin/python3.12",
        "lib/libffi.so.8",
        "lib/libpython3.12.so.1.0",
        "lib/python3.12/lib-dynload/_ssl.so",
        "lib/python3.12/lib-dynload/libffi.so.8",
        "lib/python3.12/os.py",
    }
    assert (work / "lib/python3.12/lib-dynload/libffi.so.8").read_text() == "ffi"
    assert (work / "bin/python").resolve() == work / "bin/python3.12"


def test_everybody_may_read_and_run_it_whatever_the_umask(tmp_path: Path, work: Path) -> None:
    jar = build(tmp_path)
    before = os.umask(0o077)
    try:
        make(jar, FOLDER, "3.12", work)
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in [work, *work.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o755}
    assert modes[work / "bin/python3.12"] == 0o755
    assert modes[work / "lib/python3.12/os.py"] == 0o644


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("bin/python3.12", "bin/python3.12"),
        ("bin/python3", None),
        ("bin/pip3", None),
        ("python3.12", None),
        ("libpython3.12.so.1.0", "lib/libpython3.12.so.1.0"),
        ("libjnipython.so", None),
        ("libffi.so", None),
        ("include/python3.12/Python.h", None),
        ("lib/engines-3/afalg.so", None),
        ("lib/libssl.so", None),
        ("lib/python3.12/json/decoder.py", "lib/python3.12/json/decoder.py"),
        ("lib/python3.12/unittest/case.py", "lib/python3.12/unittest/case.py"),
        ("lib/python3.12/ensurepip/__init__.py", "lib/python3.12/ensurepip/__init__.py"),
        ("lib/python3.12/test/support/__init__.py", None),
        ("lib/python3.12/ctypes/test/test_as.py", None),
        ("lib/python3.12/idlelib/idle.py", None),
        ("lib/python3.12/tkinter/__init__.py", None),
        ("lib/python3.12/site-packages/setuptools/__init__.py", None),
        ("lib/python3.12/config-3.12-x86_64-linux-gnu/Makefile", None),
        ("lib/python3.12/__pycache__/os.cpython-312.pyc", None),
        ("lib/python3.12/lib-dynload/_ssl.so", "lib/python3.12/lib-dynload/_ssl.so"),
        ("lib/python3.12/lib-dynload/_testcapi.so", None),
        ("lib/python3.12/lib-dynload/_tkinter.so", None),
        ("lib/python3.11/os.py", None),
    ],
)
def test_of_a_build_only_what_lambda_has_is_taken(path: str, target: str | None) -> None:
    assert place(PurePosixPath(path), "3.12") == (target and PurePosixPath(target))


def test_an_archive_that_leads_elsewhere_is_refused(tmp_path: Path, work: Path) -> None:
    with pytest.raises(InstallError, match="may lead elsewhere"):
        make(build(tmp_path, {"lib/python3.12/../../../../out.py": ""}), FOLDER, "3.12", work)
    assert list(work.iterdir()) == []


def test_an_archive_with_a_link_is_refused(tmp_path: Path, work: Path) -> None:
    jar = build(tmp_path)
    with zipfile.ZipFile(jar, "a") as archive:
        info = zipfile.ZipInfo(f"{FOLDER}/lib/python3.12/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc")
    with pytest.raises(InstallError, match="may lead elsewhere"):
        make(jar, FOLDER, "3.12", work)


@pytest.mark.parametrize("limit", ["_MAX_FILES", "_MAX_BYTES"])
def test_an_archive_that_is_too_large_is_refused_before_anything_is_written(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(python_build, limit, 2)
    with pytest.raises(InstallError, match="holds more than"):
        make(build(tmp_path), FOLDER, "3.12", work)
    assert list(work.iterdir()) == []


def test_an_archive_without_the_interpreter_is_refused(tmp_path: Path, work: Path) -> None:
    with pytest.raises(InstallError, match=r"does not hold Python 3\.13|cannot be unpacked"):
        make(build(tmp_path), FOLDER, "3.13", work)


def test_what_is_no_archive_is_refused(tmp_path: Path, work: Path) -> None:
    (tmp_path / "python.jar").write_text("<html>")
    with pytest.raises(InstallError, match=r"python\.jar cannot be unpacked"):
        make(tmp_path / "python.jar", FOLDER, "3.12", work)


def test_modules_that_do_not_work_are_told_with_the_reason(tmp_path: Path, work: Path) -> None:
    failed = {"sqlite3": "libsqlite3.so.0: cannot open shared object file"}
    assert make(build(tmp_path, program=interpreter(failed=failed)), FOLDER, "3.12", work) == failed


def test_an_interpreter_without_encryption_is_refused(tmp_path: Path, work: Path) -> None:
    failed = {"ssl": "version GLIBC_2.35 not found", "lzma": "no"}
    with pytest.raises(InstallError, match=r"does not work on this machine: ssl \(version GLIBC_2\.35 not found\)$"):
        make(build(tmp_path, program=interpreter(failed=failed)), FOLDER, "3.12", work)


def test_openssl_looks_for_certificates_where_the_machine_keeps_them() -> None:
    built = b"/somewhere/where/nobody/but/the/builder/ever/was/ssl"
    module = b"\0".join(
        [
            b"head",
            built,
            built + b"/certs",
            built + b"/cert.pem",
            b'OPENSSLDIR: "' + built + b'"',
            built + b"/private",
            b"tail",
        ]
    )
    changed = trust_machine(module)
    words = [word for word in changed.split(b"\0") if word]

    assert len(changed) == len(module)
    assert words[:3] == [b"head", b"/var/lang/ssl", b"/etc/ssl/certs"]
    assert words[3].startswith(b"/etc/")
    assert words[4:] == [b'OPENSSLDIR: "' + built + b'"', built + b"/private", b"tail"]
    assert changed.index(b"tail") == module.index(b"tail")


def test_a_module_without_openssl_stays_as_it_is() -> None:
    assert trust_machine(b"\x7fELF cert.pem\0") == b"\x7fELF cert.pem\0"


def test_a_path_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InstallError, match="does not fit"):
        trust_machine(b"/s/cert.pem\0/s/certs\0/s\0")
