"""The AWS SDK for JavaScript that Lambda's Node.js runtimes bring: ``node_modules`` of ``/var/runtime``.

What it consists of stands in ``javascript/<name>/package.json`` with a lock file that pins every package by version and
integrity; the lock names no registry, npm takes the one it is configured for. Everything that Node.js never reads (types,
the build for bundlers, source maps) is left out, which makes 19 MiB of 210.

One folder serves all runtimes of the same name; their packs are hard links to it (`packs.make_own_pack`). A runtime works
without it, for functions that bring their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from functory.runtimes import packs
from functory.runtimes.definitions import Definition
from functory.runtimes.packs import InstallError

LOCKS = Path(__file__).parent / "javascript"
MODULES = "node_modules"

_NPM_TIMEOUT_S = 900
_CHECK_TIMEOUT_S = 120
_CI = ("ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
_UNREAD_FOLDERS = ("dist-types", "dist-es")
_UNREAD_FILES = (".ts", ".map", ".md")
_CHECK = "for (const name of process.argv.slice(1)) require(name);"


def sdk_path(definition: Definition, runtimes: Path) -> Path | None:
    """Where the SDK of ``definition`` is or would be; None when the runtime has none."""
    if not definition.sdk:
        return None
    digest = hashlib.sha256((LOCKS / definition.sdk / "package-lock.json").read_bytes())
    return runtimes / "sdks" / f"{definition.sdk}-{digest.hexdigest()[:12]}"


def installed(definition: Definition, runtimes: Path) -> Path | None:
    """The SDK's folder when it is here."""
    path = sdk_path(definition, runtimes)
    return path if path is not None and path.is_dir() else None


def is_lacking(definition: Definition, runtimes: Path) -> bool:
    """Whether the runtime should have an SDK that is not here."""
    return bool(definition.sdk) and installed(definition, runtimes) is None


def make_sdk(definition: Definition, runtimes: Path, node: Path, npm: Sequence[str]) -> dict[str, str]:
    """Fetch the SDK of ``definition``.

    Args:
        definition: a runtime that has one.
        runtimes: the folder of runtimes.
        node: an interpreter that loads every client once before the folder counts.
        npm: command line of npm.

    Returns:
        Version by package of what was asked for.

    Raises:
        InstallError: npm could not bring it, or a client cannot be loaded.
    """
    final = sdk_path(definition, runtimes)
    assert final is not None  # noqa: S101  the caller looked
    with packs.staging(final.parent) as work:
        for file in ("package.json", "package-lock.json"):
            shutil.copyfile(LOCKS / definition.sdk / file, work / file)
        _run_npm([*npm, *_CI], work)
        _prune(work / MODULES)
        wanted: dict[str, str] = json.loads((work / "package.json").read_text(encoding="utf-8"))["dependencies"]
        packs.run_tool([str(node), "-e", _CHECK, *(str(work / MODULES / name) for name in wanted)], _CHECK_TIMEOUT_S)
        packs.publish(work, final)
    return wanted


def _run_npm(argv: Sequence[str], folder: Path) -> None:
    environ: Mapping[str, str] = {**os.environ, "npm_config_update_notifier": "false"}
    try:
        done = subprocess.run(  # noqa: S603  npm, which the caller found
            list(argv),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_NPM_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environ,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"npm: {error}") from error
    if done.returncode != 0:
        raise InstallError(f"npm failed with status {done.returncode}:\n{(done.stderr or done.stdout).strip()[-2000:]}")


def _prune(modules: Path) -> None:
    for folder, folders, files in os.walk(modules):
        here = Path(folder)
        if "package.json" in files and _is_loaded_from_cjs(here):
            for name in _UNREAD_FOLDERS:
                shutil.rmtree(here / name, ignore_errors=True)
            folders[:] = [name for name in folders if name not in _UNREAD_FOLDERS]
        for name in files:
            if name.endswith(_UNREAD_FILES):
                (here / name).unlink()
        folders[:] = [name for name in folders if name != ".bin"]
    shutil.rmtree(modules / ".bin", ignore_errors=True)


def _is_loaded_from_cjs(package: Path) -> bool:
    """Whether Node.js reads ``dist-cjs`` of the package, whichever way it is loaded."""
    manifest: dict[str, Any] = json.loads((package / "package.json").read_text(encoding="utf-8"))
    exports = manifest.get("exports")
    if exports is None:
        return "dist-cjs" in str(manifest.get("main", ""))
    conditions = [entry for entry in exports.values() if isinstance(entry, dict)]
    return all("dist-cjs" in str(entry.get("node", "dist-cjs")) for entry in conditions)
