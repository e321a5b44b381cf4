"""Real installations into a temporary folder. Needs the package registries; set FUNCTORY_TEST_INSTALL=1 to run it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import platform
from pathlib import Path

import pytest

from functory.kernel.settings import RuntimeSettings
from functory.runtimes.catalog import Catalog
from functory.runtimes.install import Installer
from tests.support.running_node import EXEC, running

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


LOOK = """
import ctypes, hashlib, importlib.util, json, os, ssl, subprocess, sys, zlib
import boto3
missing = []
for name in ("bz2", "lzma", "sqlite3", "readline", "curses"):
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
child = "import importlib.util as u; print([n for n in ('pip', 'setuptools') if u.find_spec(n)])"
result = {
    "version": "%d.%d.%d" % sys.version_info[:3],
    "prefix": os.path.realpath(sys.prefix),
    "certificates": len(ssl.create_default_context().get_ca_certs()),
    "variables": [name for name in os.environ if name.startswith("SSL_")],
    "missing": missing,
    "leaked": [name for name in ("pip", "setuptools", "tkinter", "idlelib") if importlib.util.find_spec(name)],
    "leaked_to_child": subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout.strip(),
    "is_compiled": os.path.exists(importlib.util.cache_from_source(json.__file__)),
    "boto3": boto3.__file__,
}
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("minor", range(9, 15))
def test_a_python_out_of_maven_runs_functions(tmp_path: Path, minor: int) -> None:
    runtime = f"python3.{minor}"
    settings = RuntimeSettings(dir=str(tmp_path / "runtimes"))
    catalog = Catalog(settings)
    nowhere = tmp_path / "nowhere"
    catalog.places = dataclasses.replace(catalog.places, path=(), pyenv=nowhere, uv=nowhere)
    definition = catalog.definitions[runtime]
    if not definition.sources:
        pytest.skip(f"there is no {runtime} for {platform.machine()}")
    asyncio.run(Installer(settings, catalog).install([runtime], lambda _: None))
    (entry,) = json.loads((tmp_path / "runtimes/manifest.json").read_text())["interpreters"].values()

    with running(tmp_path / "data", "oci", RUNTIMES_DIR=settings.dir) as node:
        seen = node.deploy(EXEC, runtime).run(LOOK)
    assert seen.pop("certificates") > 0
    assert seen == {
        "version": definition.sources[0].version.partition("-")[0],
        "prefix": "/var/lang",
        "variables": [],
        "missing": [name for name in ("bz2", "lzma", "sqlite3", "readline", "curses") if name in entry["without"]],
        "leaked": [],
        "leaked_to_child": "[]",
        "is_compiled": True,
        "boto3": "/var/runtime/boto3/__init__.py",
    }
