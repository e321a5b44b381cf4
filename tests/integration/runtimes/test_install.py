"""Real installations into a temporary folder. Needs the package registries; set FUNCTORY_TEST_INSTALL=1 to run it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from functory.kernel.settings import RuntimeSettings
from functory.runtimes.catalog import Catalog
from functory.runtimes.install import Installer

pytestmark = [
    pytest.mark.skipif(not os.environ.get("FUNCTORY_TEST_INSTALL"), reason="downloads; set FUNCTORY_TEST_INSTALL=1"),
    pytest.mark.timeout(600),
]


def test_a_python_pack_and_a_node_are_installed_from_their_registries(tmp_path: Path) -> None:
    settings = RuntimeSettings(dir=str(tmp_path / "runtimes"))
    catalog = Catalog(settings)
    installer = Installer(settings, catalog)
    found = asyncio.run(installer.find_all())
    pythons = [runtime for runtime in found if runtime.startswith("python")]
    if not pythons:
        pytest.skip("no Python of a Lambda version on this machine")
    node = next(runtime for runtime in ("nodejs22.x", "nodejs24.x", "nodejs20.x", "nodejs18.x") if runtime not in found)
    lines: list[str] = []
    asyncio.run(installer.install([pythons[0], node], lines.append))

    assert f"{pythons[0]}: ready" in lines
    assert f"{node}: ready" in lines
    manifest = json.loads((tmp_path / "runtimes/manifest.json").read_text())
    (pack,) = manifest["packs"].values()
    assert {entry["package"] for entry in pack} == set(catalog.definitions[pythons[0]].pack)
    assert all(len(entry["sha256"]) == 64 for entry in pack)
    (fetched,) = manifest["interpreters"].values()
    assert fetched["version"].startswith(node[6:8])
    assert asyncio.run(catalog.resolve(pythons[0])).mounts
    assert asyncio.run(catalog.resolve(node)).version.startswith(node[6:8])
