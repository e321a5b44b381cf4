from __future__ import annotations

import json
from pathlib import Path

import pytest

from functory.runtimes.definitions import load_all
from functory.runtimes.install import find_npm
from functory.runtimes.javascript_sdk import LOCKS, installed, is_lacking, make_sdk, sdk_path
from functory.runtimes.packs import InstallError
from tests.unit.runtimes.test_interpreters import program

NODE = load_all()["nodejs22.x"]
PACKAGES = {
    "plain": {"main": "./dist-cjs/index.js", "module": "./dist-es/index.js"},
    "chosen": {
        "exports": {".": {"node": "./dist-cjs/index.js", "import": "./dist-es/index.js"}, "./package.json": "./package.json"}
    },
    "modern": {"exports": {".": {"node": "./dist-es/index.js"}}},
    "other": {"main": "./dist-es/index.js"},
}


def npm(root: Path) -> list[str]:
    """A program that makes `PACKAGES` in the current folder when it is called as it should be."""
    source = root / "source"
    for name, manifest in PACKAGES.items():
        for file in (
            "dist-cjs/index.js",
            "dist-es/index.js",
            "dist-es/deep/more.js",
            "dist-types/index.d.ts",
            "index.d.ts",
            "a.map",
        ):
            (source / name / file).parent.mkdir(parents=True, exist_ok=True)
            (source / name / file).touch()
        (source / name / "package.json").write_text(json.dumps(manifest))
    (source / ".bin").mkdir()
    tool = program(root / "npm", "")
    tool.write_text(f"#!/bin/sh\n[ $1 = ci ] && [ -f package-lock.json ] && cp -r {source} node_modules\n")
    return [str(tool)]


def test_what_node_never_reads_is_left_out(tmp_path: Path) -> None:
    node = program(tmp_path / "node", "")
    assert is_lacking(NODE, tmp_path)
    assert set(make_sdk(NODE, tmp_path, node, npm(tmp_path))) >= {"@aws-sdk/client-s3", "@aws-sdk/lib-storage"}
    folder = installed(NODE, tmp_path)
    assert folder is not None
    assert not is_lacking(NODE, tmp_path)
    found = {name: sorted(entry.name for entry in (folder / "node_modules" / name).iterdir()) for name in PACKAGES}
    assert found == {
        "plain": ["dist-cjs", "package.json"],
        "chosen": ["dist-cjs", "package.json"],
        "modern": ["dist-cjs", "dist-es", "dist-types", "package.json"],
        "other": ["dist-cjs", "dist-es", "dist-types", "package.json"],
    }
    assert not (folder / "node_modules/.bin").exists()


def test_an_sdk_that_cannot_be_loaded_is_not_kept(tmp_path: Path) -> None:
    node = program(tmp_path / "node", "")
    node.write_text("#!/bin/sh\necho 'Cannot find module' >&2\nexit 1\n")
    with pytest.raises(InstallError, match="Cannot find module"):
        make_sdk(NODE, tmp_path, node, npm(tmp_path))
    assert installed(NODE, tmp_path) is None


def test_a_runtime_without_an_sdk_lacks_none(tmp_path: Path) -> None:
    python = load_all()["python3.12"]
    assert sdk_path(python, tmp_path) is None
    assert not is_lacking(python, tmp_path)


@pytest.mark.parametrize("folder", sorted(path for path in LOCKS.iterdir()), ids=lambda path: path.name)
def test_the_locks_pin_every_package_and_name_no_registry(folder: Path) -> None:
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    own = packages.pop("")
    assert own["dependencies"] == wanted
    assert {f"node_modules/{name}" for name in wanted} <= set(packages)
    assert all(packages[f"node_modules/{name}"]["version"] == version for name, version in wanted.items())
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in packages.values())
    assert not any(entry.get("hasInstallScript") for entry in packages.values())


def test_every_node_runtime_names_a_lock() -> None:
    assert {d.id: d.sdk for d in load_all().values() if d.sdk} == {
        "nodejs18.x": "sdk18", "nodejs20.x": "sdk20", "nodejs22.x": "sdk20", "nodejs24.x": "sdk20", "nodejs26.x": "sdk20",
    }  # fmt: skip


def test_npm_is_the_one_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = program(tmp_path / "bin/npm", "")
    monkeypatch.setenv("PATH", str(tool.parent))
    assert find_npm(Path("/usr/bin/node"), tmp_path) == [str(tool)]
