from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from functory.kernel.settings import RuntimeSettings
from functory.runtimes.catalog import Catalog
from functory.runtimes.definitions import Source, machine
from functory.runtimes.install import Installer
from functory.runtimes.packs import InstallError, pack_path
from tests.unit.runtimes.test_interpreters import places, program, python
from tests.unit.runtimes.test_python_build import FOLDER, build, interpreter


def installer(root: Path, *path: Path) -> tuple[Installer, Catalog]:
    settings = RuntimeSettings(dir=str(root / "runtimes"))
    catalog = Catalog(settings, {"HOME": str(root)})
    catalog.places = dataclasses.replace(places(root / "elsewhere", *path), installed=root / "runtimes/interpreters")
    return Installer(settings, catalog), catalog


def npm(root: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> Path:
    """A fake npm that packs a Node.js which says ``says``; returns the archive."""
    content = f"#!/bin/sh\necho {says}\n".encode()
    archive = root / "node.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("package/bin/node")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    tool = root / "tools/npm"
    tool.parent.mkdir()
    modules = "mkdir -p node_modules/@aws-sdk/client-s3/dist-es && touch node_modules/@aws-sdk/client-s3/index.d.ts"
    fetch = f'[ "$3" = --pack-destination ] && cp {archive} "$4/node.tgz"'
    tool.write_text(f'#!/bin/sh\nif [ "$1" = ci ]; then {modules}; else {fetch}; fi\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    return archive


def test_a_fetched_interpreter_is_executed_placed_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = npm(tmp_path, monkeypatch, "v26.10.0")
    made, catalog = installer(tmp_path)
    lines: list[str] = []
    asyncio.run(made.install(["nodejs26.x"], lines.append))

    assert lines[-1] == "nodejs26.x: ready"
    assert asyncio.run(catalog.resolve("nodejs26.x")).version == "26.10.0"
    manifest = json.loads((tmp_path / "runtimes/manifest.json").read_text())
    entry = manifest["interpreters"]["nodejs26.x-26.10.0"]
    assert entry["registry"] == "npm"
    assert entry["version"] == "26.10.0"
    assert entry["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert asyncio.run(made.find_all()) == ["nodejs26.x"]
    (sdk,) = manifest["sdks"].values()
    assert set(sdk) >= {"@aws-sdk/client-s3", "@aws-sdk/lib-dynamodb"}
    assert (asyncio.run(catalog.resolve("nodejs26.x")).mounts[1].source / "node_modules/@aws-sdk/client-s3").is_dir()


def test_without_npm_a_node_runtime_works_and_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "path/node", "v22.1.0")
    made, catalog = installer(tmp_path, tmp_path / "path")
    tools = tmp_path / "tools"
    program(tools / "npm", "").write_text("#!/bin/sh\necho 'no registry' >&2; exit 1\n")
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    with pytest.raises(InstallError, match=r"nodejs22.x works, but without the AWS SDK for JavaScript: npm .*\nno registry"):
        asyncio.run(made.install(["nodejs22.x"], print))
    assert not list((tmp_path / "runtimes/sdks").iterdir())
    assert asyncio.run(catalog.resolve("nodejs22.x")).version == "22.1.0"


def test_an_interpreter_that_is_not_what_it_should_be_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm(tmp_path, monkeypatch, "v25.0.0")
    made, _ = installer(tmp_path)
    with pytest.raises(InstallError, match=r"is Node.js 25\.0\.0"):
        asyncio.run(made.install(["nodejs26.x"], lambda _: None))
    assert list((tmp_path / "runtimes/interpreters").iterdir()) == []


def test_what_is_there_is_not_fetched(tmp_path: Path) -> None:
    program(tmp_path / "path/node", "v24.1.0")
    made, _ = installer(tmp_path, tmp_path / "path")
    lines: list[str] = []
    asyncio.run(made.install(["nodejs24.x", "provided.al2"], lines.append))
    assert lines[0] == f"nodejs24.x: Node.js 24 is 24.1.0 in {tmp_path}/path"
    assert "provided.al2 needs nothing" in lines[-1]


def test_a_python_that_no_registry_carries_is_refused_with_the_commands_that_bring_it(tmp_path: Path) -> None:
    made, _ = installer(tmp_path)
    with pytest.raises(InstallError, match=r"Get one with: uv python install 3\.15"):
        asyncio.run(made.install(["python3.15"], lambda _: None))


def carried(root: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, says: str) -> str:
    """Let a fake Maven carry a Python 3.12 that says it is ``says``; the sum of what it brings."""
    jar = build(root, program=interpreter(says, {"lzma": "No module named '_lzma'"}))
    tool = root / "tools/mvn"
    tool.parent.mkdir()
    tool.write_text(
        f'#!/bin/sh\nfor a in "$@"; do case $a in -DoutputDirectory=*) cp {jar} "${{a#*=}}/p-1-l.jar";; esac; done\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    sha256 = hashlib.sha256(jar.read_bytes()).hexdigest()
    source = Source("maven", "g:p", "1", FOLDER, "l", {machine(): sha256})
    catalog.definitions["python3.12"] = dataclasses.replace(catalog.definitions["python3.12"], sources=(source,))
    pack = pack_path(catalog.definitions["python3.12"], catalog.folder)
    pack.mkdir(parents=True)  # what pip brings is tested elsewhere
    return sha256


def test_a_python_that_maven_carries_is_made_checked_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, catalog = installer(tmp_path)
    sha256 = carried(tmp_path, catalog, monkeypatch, "3.12.4")
    lines: list[str] = []
    asyncio.run(made.install(["python3.12"], lines.append))

    assert lines[0] == "python3.12: fetching g:p 1 from maven"
    assert lines[1] == "python3.12: the module lzma does not work: No module named '_lzma'"
    assert lines[-1] == "python3.12: ready"
    prefix = tmp_path / "runtimes/interpreters/python3.12-1"
    assert asyncio.run(catalog.resolve("python3.12")).mounts[0].source == prefix
    manifest = json.loads((tmp_path / "runtimes/manifest.json").read_text())
    assert manifest["interpreters"]["python3.12-1"] == {
        "registry": "maven",
        "package": "g:p",
        "classifier": "l",
        "version": "1",
        "sha256": sha256,
        "without": ["lzma"],
    }


def test_a_carried_python_of_another_version_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, catalog = installer(tmp_path)
    carried(tmp_path, catalog, monkeypatch, "3.11.9")
    with pytest.raises(InstallError, match=r"is Python 3\.11\.9\nGet one with: uv python install 3\.12"):
        asyncio.run(made.install(["python3.12"], lambda _: None))
    assert list((tmp_path / "runtimes/interpreters").iterdir()) == []


def test_an_unknown_runtime_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    made, _ = installer(tmp_path)
    lines: list[str] = []
    with pytest.raises(InstallError, match="Runtime java6 is not known"):
        asyncio.run(made.install(["provided.al2", "java6"], lines.append))
    assert lines == []


def test_every_interpreter_found_is_named(tmp_path: Path) -> None:
    python(tmp_path / "path")
    program(tmp_path / "path/bin/node", "v22.1.0")
    made, _ = installer(tmp_path, tmp_path / "path/bin")
    assert asyncio.run(made.find_all()) == ["nodejs22.x", "python3.12"]
