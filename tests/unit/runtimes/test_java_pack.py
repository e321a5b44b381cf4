from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from functory.runtimes.definitions import load_all
from functory.runtimes.interpreters import Interpreter
from functory.runtimes.java_pack import make_java_pack
from functory.runtimes.packs import InstallError

JAVA = load_all()["java8.al2"]
HERE = Interpreter("1.8.0_412", Path("/nowhere/bin/java"), Path("/nowhere"))


def maven(root: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A fake mvn."""
    tool = root / "tools/mvn"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")


def jars(root: Path) -> Path:
    """What Maven brings."""
    folder = root / "jars"
    folder.mkdir()
    for name, version in JAVA.pack.items():
        with zipfile.ZipFile(folder / f"{name.partition(':')[2]}-{version}.jar", "w") as jar:
            for machine in ("x86_64", "aarch_64"):
                jar.writestr(f"jni/libaws-lambda-jni.linux-{machine}.so", "native")
    return folder


COPY = """
while [ $# -gt 0 ]; do case $1 in -DoutputDirectory=*) target=${1#*=} ;; esac; shift; done
mkdir -p "$target" && cp "%s"/* "$target"
"""


def test_maven_brings_the_pins_and_the_native_part_is_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maven(tmp_path, monkeypatch, COPY % jars(tmp_path))
    pack, contents, without = make_java_pack(JAVA, HERE, tmp_path / "runtimes")
    assert {entry["package"]: entry["version"] for entry in contents} == dict(JAVA.pack)
    assert all(len(entry["sha256"]) == 64 for entry in contents)
    assert (pack / "lib/native.so").read_text() == "native"
    assert (pack / "bootstrap").stat().st_mode & 0o777 == 0o755
    assert without == "Java 8 cannot record one"
    assert make_java_pack(JAVA, HERE, tmp_path / "runtimes") == (pack, [], "")
    assert [folder.name for folder in pack.parent.iterdir()] == [pack.name]


def test_what_maven_does_not_bring_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = jars(tmp_path)
    (folder / "aws-lambda-java-core-1.4.0.jar").unlink()
    maven(tmp_path, monkeypatch, COPY % folder)
    with pytest.raises(InstallError, match=r"did not bring com\.amazonaws:aws-lambda-java-core 1\.4\.0"):
        make_java_pack(JAVA, HERE, tmp_path / "runtimes")
    assert list((tmp_path / "runtimes/packs").iterdir()) == []


def test_without_maven_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError, match="apt-get install maven"):
        make_java_pack(JAVA, HERE, tmp_path / "runtimes")
